"""What a call costs this gateway, LiteLLM's proxy and Portkey's gateway: side by side, in one run.

    python -m benchmarks.peers [--quick] [--rounds 5] [--seconds 3] [--engine FILE.gguf] [--json FILE]

All ask the same provider, which answers immediately, and take short turns in every round. CPU is that of a
server and its children; provider and callers do not count. Ours keeps a budget in SQLite, records and
metrics; the others have no database. Machines are shared and noisy: quote ratios of one run.
"""

import argparse
import asyncio
import json
import resource
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from compileall import compile_dir
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hot_path_transports import KINDS, UNARY
from benchmarks.peer_load import CallBroke, Turn, closed_loop, middle_and_late, open_loop, open_streams
from benchmarks.peer_servers import (
    HELD,
    HTTP,
    LITELLM,
    PORTKEY_NAME,
    STUB,
    Contestant,
    all_of,
    http_request,
    ours,
    provider,
)
from benchmarks.peer_tables import Measured, print_tables
from benchmarks.process_usage import cpu_s, family, proportional_mb, resident_mb
from tests.support.npm_packages import Unavailable
from tests.support.peer_packages import installed_litellm, installed_portkey
from tests.support.repository import ROOT

CONNECTIONS = (1, 8, 64, 512)
QUICK_CONNECTIONS = (8, 64)
WORKERS, WORKERS_CONNECTIONS = 2, 64
RATE_PER_S = 100
STREAMS = 1000
STARTS = 3
OPEN_FILES = 16_384
"""A gateway takes a share of what may be open as connections over HTTP."""
ENGINE = '  local: {{kind: llama_cpp, path: "{path}", clearance: restricted}}'


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of a turn."""
    connections: Sequence[int]
    starts: int
    """How often ours is started, to time that."""
    has_workers: bool
    """Whether servers with several workers are compared, too."""
    engine: Path | None
    has_peers: bool
    """Whether LiteLLM and Portkey are installed and measured, too."""


def _memory(contestant: Contestant) -> tuple[float, float]:
    return resident_mb(contestant.server.pid), proportional_mb(contestant.server.pid)


async def _turn(contestant: Contestant, kind: str, connections: int, seconds: float) -> Turn:
    pid = contestant.server.pid
    return await closed_loop(
        contestant.opener(kind), connections=connections, seconds=seconds, cpu_s=lambda: cpu_s(pid)
    )


async def _rounds(found: Sequence[Contestant], plan: Plan, measured: Measured) -> None:
    for number in range(plan.rounds):
        for kind in KINDS:
            for connections in plan.connections:
                print(
                    f"round {number + 1} of {plan.rounds}: {kind}, {connections} connections", file=sys.stderr
                )
                by_name = measured.turns.setdefault(kind, {}).setdefault(connections, {})
                for contestant in found:
                    turns = by_name.setdefault(contestant.name, [])
                    try:
                        turns.append(await _turn(contestant, kind, connections, plan.seconds))
                    except (CallBroke, OSError, TimeoutError) as error:
                        what = f"{contestant.name}, {kind}, {connections} connections"
                        measured.left_out[what] = str(error) or type(error).__name__
        for contestant in found:
            try:
                times = await open_loop(
                    contestant.opener(UNARY), per_s=RATE_PER_S, seconds=max(3.0, plan.seconds)
                )
            except* (CallBroke, OSError, TimeoutError) as errors:
                measured.left_out[f"{contestant.name}, {RATE_PER_S} a second"] = str(errors.exceptions[0])
            else:
                measured.latency_ms.setdefault(contestant.name, []).append(middle_and_late(times))


async def _one_worker(found: Sequence[Contestant], plan: Plan, measured: Measured) -> None:
    for contestant in found:
        if contestant.name != STUB:
            measured.idle_mb[contestant.name] = _memory(contestant)
            measured.start_s.setdefault(contestant.name, []).append(contestant.server.start_s)
    await _rounds(found, plan, measured)
    for contestant in found:
        if contestant.name != STUB:
            measured.loaded_mb[contestant.name] = _memory(contestant)


async def _workers(found: Sequence[Contestant], plan: Plan, measured: Measured) -> None:
    for number in range(plan.rounds):
        print(f"round {number + 1} of {plan.rounds}: {WORKERS} workers", file=sys.stderr)
        for contestant in found:
            turn = await _turn(contestant, UNARY, WORKERS_CONNECTIONS, plan.seconds)
            measured.workers.setdefault(contestant.name, []).append(turn)


async def _streams(contestant: Contestant, measured: Measured) -> None:
    """Measure a fresh gateway, whose memory no other load has grown, with many open streams."""
    try:
        async with open_streams(contestant.server.address, http_request(HELD), STREAMS):
            measured.streams_mb[contestant.name] = _memory(contestant)
    except (CallBroke, OSError, TimeoutError) as error:
        measured.left_out[f"{STREAMS} open streams"] = str(error) or type(error).__name__


def _starts(folder: Path, urls: Mapping[str, str], plan: Plan, measured: Measured) -> None:
    engines = {HTTP: ""}
    if plan.engine is not None:
        engines[f"{HTTP}, with an engine"] = ENGINE.format(path=plan.engine.resolve())
    for number in range(plan.starts):
        for name, more in engines.items():
            own = folder / f"start-{number}-{len(more)}"
            own.mkdir()
            with ours(own, urls, more=more) as (_, over_http):
                pid = over_http.server.pid
                measured.start_s.setdefault(name, []).append(over_http.server.start_s)
                measured.start_cpu_s.setdefault(name, []).append(family(pid)[pid])
                if number == 0 and not more:
                    asyncio.run(_streams(over_http, measured))


def installed(measured: Measured) -> dict[str, Path]:
    """Return the programs of the peers that can be had here."""
    programs = {}
    for name, install in ((PORTKEY_NAME, installed_portkey), (LITELLM, installed_litellm)):
        try:
            programs[name] = install()
        except Unavailable as why:
            measured.left_out[name] = str(why)
    return programs


def measure(plan: Plan) -> Measured:
    """Measure everything."""
    measured = Measured()
    compile_dir(ROOT / "gateway", quiet=2)  # As the installation of a wheel does.
    programs = installed(measured) if plan.has_peers else {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stub, urls = stack.enter_context(provider())
        _starts(folder, urls, plan, measured)
        with all_of(folder, urls, programs) as found:
            asyncio.run(_one_worker([stub, *found], plan, measured))
        if plan.has_workers:
            with all_of(folder, urls, programs, workers=WORKERS) as found:
                asyncio.run(_workers(found, plan, measured))
    return measured


def main() -> None:
    """Measure, print tables, and write JSON where that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer connections, 2 short rounds")
    parser.add_argument("--rounds", type=int, help="how often each takes its turn; 5, or 2 with --quick")
    parser.add_argument("--seconds", type=float, help="how long a turn lasts; 3, or 1 with --quick")
    parser.add_argument("--connections", type=int, nargs="+", metavar="N", help="1 8 64 512, or 8 64")
    parser.add_argument("--alone", action="store_true", help="without LiteLLM and Portkey")
    parser.add_argument("--workers", action="store_true", help="with --quick: also servers with two workers")
    parser.add_argument("--engine", type=Path, help="a GGUF file: also time a start with an engine")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    given = parser.parse_args()
    plan = Plan(
        rounds=given.rounds or (2 if given.quick else 5),
        seconds=given.seconds or (1.0 if given.quick else 3.0),
        connections=given.connections or (QUICK_CONNECTIONS if given.quick else CONNECTIONS),
        starts=1 if given.quick else STARTS,
        has_workers=given.workers or not given.quick,
        engine=given.engine,
        has_peers=not given.alone,
    )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, OPEN_FILES), most))  # Of the servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that servers end with this process.
    measured = measure(plan)
    print_tables(measured)
    if given.json:
        given.json.write_text(json.dumps(asdict(measured), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
