"""What `benchmarks.peers` found, and the tables of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.hot_path_transports import ONE_BY_ONE, TOGETHER, UNARY
from benchmarks.peer_load import Turn
from benchmarks.peer_servers import GRPC, HTTP, LITELLM, PORTKEY_NAME, STUB

OURS = (GRPC, HTTP)
ISSUE_CONNECTIONS = 8
"""At which the targets are."""
WIDTH = 80

Pair = tuple[float, float]


@dataclass
class Measured:
    """What was found; each list has a value a round."""

    turns: dict[str, dict[int, dict[str, list[Turn]]]] = field(default_factory=dict)
    """By kind of call, connections and contestant."""
    workers: dict[str, list[Turn]] = field(default_factory=dict)
    latency_ms: dict[str, list[Pair]] = field(default_factory=dict)
    """At a rate: median and 99th percentile."""
    start_s: dict[str, list[float]] = field(default_factory=dict)
    start_cpu_s: dict[str, list[float]] = field(default_factory=dict)
    """Of ours: of the process that serves."""
    idle_mb: dict[str, Pair] = field(default_factory=dict)
    """Of the process that serves, and of all its processes, before the first call."""
    loaded_mb: dict[str, Pair] = field(default_factory=dict)
    streams_mb: dict[str, Pair] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Who or what is missing, and why."""


def ratios(own: Sequence[Turn], other: Sequence[Turn], value: Callable[[Turn], float]) -> list[float]:
    """Return one by the other, round by round."""
    return [value(mine) / value(its) for mine, its in zip(own, other, strict=False)]


def _cpu(turn: Turn) -> float:
    return turn.cpu_ms


def _rate(turn: Turn) -> float:
    return turn.per_s


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table


def _turn_row(name: str, turns: Sequence[Turn], least: Sequence[Turn]) -> Iterable[str]:
    """Return the medians of rounds; `least` are the turns of whoever the CPU is compared with."""
    if not turns:
        return (name, *["-"] * 5)
    compared = f"{median(ratios(turns, least, _cpu)):.2f}" if least else "-"
    shown = [median(getattr(turn, of) for turn in turns) for of in ("cpu_ms", "p50_ms", "p99_ms", "per_s")]
    return (
        name, f"{shown[0]:.2f}", compared, f"{shown[1]:.1f}", f"{shown[2]:.1f}", f"{shown[3]:.0f}",
    )  # fmt: skip


def _against(by_name: Mapping[str, Sequence[Turn]]) -> str:
    """Return the name of the peer that costs are compared with."""
    return next((name for name in (PORTKEY_NAME, LITELLM) if by_name.get(name)), HTTP)


def _calls(measured: Measured) -> Iterable[Table]:
    for kind, by_connections in measured.turns.items():
        peer = _against(next(iter(by_connections.values())))
        table = _table(
            f"{kind}: a call, medians of rounds", "", "CPU ms", f"/ {peer}", "p50 ms", "p99 ms", "calls/s"
        )
        for connections, by_name in by_connections.items():
            table.add_section()
            table.add_row(f"{connections} connections")
            for name, turns in by_name.items():
                table.add_row(*_turn_row(f"  {name}", turns, by_name.get(peer, ())))
        yield table


def _workers(measured: Measured) -> Table:
    peer = _against(measured.workers)
    title = "unary, 2 workers (Portkey: one process), 64 connections, medians of rounds"
    table = _table(title, "", "CPU ms", f"/ {peer}", "p50 ms", "p99 ms", "calls/s")
    for name, turns in measured.workers.items():
        table.add_row(*_turn_row(name, turns, measured.workers.get(peer, ())))
    return table


def added_ms(measured: Measured, name: str) -> Pair | None:
    """Return the latency that a server adds to the provider's: medians of rounds of both figures."""
    own, alone = measured.latency_ms.get(name), measured.latency_ms.get(STUB)
    if not own or not alone:
        return None
    pairs = list(zip(own, alone, strict=False))
    return median(a[0] - b[0] for a, b in pairs), median(a[1] - b[1] for a, b in pairs)


def _latency(measured: Measured) -> Table:
    table = _table("unary, 100 calls/s: added to calling the provider, ms", "", "p50", "p99")
    for name in measured.latency_ms:
        found = added_ms(measured, name)
        if name != STUB and found:
            table.add_row(name, f"{found[0]:.2f}", f"{found[1]:.2f}")
    return table


def _memory(measured: Measured) -> Table:
    headings = ("", "idle", "after the calls", "1,000 open streams", "start, s")
    table = _table("memory in MB: the process / all its processes (shared pages once)", *headings)
    names = dict.fromkeys([*measured.idle_mb, *measured.start_s])
    for name in names:
        if name == GRPC:
            continue  # The process is that of HTTP.
        pairs = (kept.get(name) for kept in (measured.idle_mb, measured.loaded_mb, measured.streams_mb))
        shown = (f"{pair[0]:.0f} / {pair[1]:.0f}" if pair else "-" for pair in pairs)
        starts = measured.start_s.get(name)
        table.add_row("ours" if name == HTTP else name, *shown, f"{median(starts):.2f}" if starts else "-")
    return table


def _at_issue(measured: Measured, kind: str) -> Mapping[str, Sequence[Turn]]:
    return measured.turns.get(kind, {}).get(ISSUE_CONNECTIONS, {})


def _of(turns: Mapping[str, Sequence[Turn]], peer: str, value: Callable[[Turn], float]) -> str:
    """Return ours by a peer's, over gRPC and over HTTP."""
    if not turns.get(peer):
        return "-"
    return ", ".join(f"{median(ratios(turns[own], turns[peer], value)):.2f}" for own in OURS)


def _targets(measured: Measured) -> Table:
    table = _table("targets; over gRPC, over HTTP", "", "target", "found")
    table.add_row("unary CPU / Portkey", "<= 0.5", _of(_at_issue(measured, UNARY), PORTKEY_NAME, _cpu))
    for kind, target in ((TOGETHER, "<= 2.0 ms"), (ONE_BY_ONE, "<= 3.5 ms")):
        turns = _at_issue(measured, kind)
        found = ", ".join(
            f"{median(turn.cpu_ms for turn in turns[own]):.1f}" for own in OURS if turns.get(own)
        )
        table.add_row(f"CPU, {kind}", target, found or "-")
    pairs = [pair for own in OURS if (pair := added_ms(measured, own))]
    shown = ", ".join(f"{middle:.1f} / {late:.1f}" for middle, late in pairs)
    table.add_row("added latency, p50 / p99", "<= 2 / <= 8 ms", shown or "-")
    for peer, target in ((LITELLM, ">= 3"), (PORTKEY_NAME, ">= 1.5")):
        table.add_row(f"calls/s, 2 workers / {peer}", target, _of(measured.workers, peer, _rate))
    for what, target, kept in (
        ("idle", "<= 120 MB", measured.idle_mb),
        ("1,000 open streams", "<= 250 MB", measured.streams_mb),
    ):
        pair = kept.get(HTTP)
        table.add_row(f"memory, {what}", target, f"{pair[0]:.0f} / {pair[1]:.0f}" if pair else "-")
    for name, starts in measured.start_s.items():
        if name.startswith(HTTP):
            target = "<= 0.8 s" if name == HTTP else "<= 1.5 s"
            cpu = measured.start_cpu_s.get(name)
            shown = f"{median(starts):.2f}" + (f"; CPU {median(cpu):.2f}" if cpu else "")
            table.add_row(name.replace(HTTP, "command line to serving"), target, shown)
    return table


def print_tables(measured: Measured) -> None:
    """Print all that was found."""
    console = Console(width=WIDTH)
    for table in _calls(measured):
        console.print(table)
    if measured.workers:
        console.print(_workers(measured))
    for table in (_latency(measured), _memory(measured), _targets(measured)):
        console.print(table)
    failed = sum(
        turn.failed
        for by_connections in measured.turns.values()
        for by_name in by_connections.values()
        for turns in by_name.values()
        for turn in turns
    )
    if failed:
        console.print(f"{failed} calls had no whole answer; the JSON has whose.")
    for what, why in measured.left_out.items():
        console.print(f"not measured: {what}: {why[:200]}", markup=False)
