"""What an attacker does to another tenant: its answers, health checks, metrics and a reload meanwhile.

    python -m benchmarks.hostile [--attack NAME]... [--seconds 4] [--json FILE] [--tree DIR] [--before FILE]

Each attack is made by a process of its own on the loopback interface, with the key of one tenant, against a
gateway with the demo engine and simulated providers, in the default limits. DIR is another checkout whose
gateway is measured instead; FILE of --before is the JSON of such a run, to show factors side by side. The
exit status is 1 if, for any attack, the other tenant's 99th percentile is 3 times its quiet one or more, or
health or metrics take over 0.1 s (both only where it is over 0.1 s and 3 times what it is when it is quiet: a
machine that is busy with something else says nothing), a call of the other tenant or a reload fails, or the
gateway computes on after the attackers have left. docs/security.md says which attacks exceed that, and why.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.hostile_attacks import ATTACKS, NICE
from benchmarks.hostile_parts import (
    PROBES,
    Gateway,
    Heard,
    attackers,
    other_tenant,
    reload,
    simulated_cloud,
)

WARM_S = 2.0
QUIET_S = 3.0
ATTACK_S = 4.0
LEFT_S = 2.0
MOST_FACTOR = 3.0
MOST_S = 0.1
"""For health and metrics; and what an answer of the other tenant may always take."""
MOST_CPU_S = 0.5
"""What the gateway may use in the LEFT_S after the attackers left, to notice that."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack: the other tenant's call that it hurt most, in milliseconds, and the rest."""

    attack: str
    call: str
    quiet_p50_ms: float
    quiet_p99_ms: float
    p50_ms: float
    p99_ms: float
    factor: float
    health_quiet_ms: float
    health_ms: float
    metrics_quiet_ms: float
    metrics_ms: float
    reload_ok: bool
    cpu_after_s: float
    failures: int

    def problems(self) -> list[str]:
        """Return which bounds it broke."""
        wrong = []
        if self.factor >= MOST_FACTOR and self.p99_ms > MOST_S * 1000:
            wrong.append(f"{self.call}: {self.factor:.1f} times as long as when it is quiet")
        if self.failures:
            wrong.append(f"{self.failures} calls of the other tenant failed")
        if self.health_ms > max(MOST_S * 1000, MOST_FACTOR * self.health_quiet_ms):
            wrong.append(f"health took {self.health_ms:.0f} ms")
        if self.metrics_ms > max(MOST_S * 1000, MOST_FACTOR * self.metrics_quiet_ms):
            wrong.append(f"metrics took {self.metrics_ms:.0f} ms")
        if not self.reload_ok:
            wrong.append("the reload failed")
        if self.cpu_after_s > MOST_CPU_S:
            wrong.append(f"{self.cpu_after_s:.1f} s of processor time after the attackers left")
        return wrong


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was heard during an attack and after it."""

    attack: str
    heard: Heard
    is_reloaded: bool
    cpu_after_s: float

    @property
    def is_calm(self) -> bool:
        """Whether the gateway may be used for the next attack."""
        return self.is_reloaded and self.cpu_after_s <= MOST_CPU_S and not self.heard.failures


async def measure(name: str, gateway: Gateway, seconds: float, *, quiet: Heard) -> Seen:
    """Return what one attack does; what is heard before it is added to `quiet`."""
    attacked = Heard()
    async with other_tenant(gateway) as listen:
        await asyncio.sleep(WARM_S)
        listen(quiet)
        await asyncio.sleep(QUIET_S)
        listen(Heard())  # Nobody's: the start of the attackers' process takes the host's time.
        async with attackers(name, gateway):
            listen(attacked)
            await asyncio.sleep(seconds / 2)
            is_reloaded = await reload(gateway)
            await asyncio.sleep(seconds / 2)
    used_s = gateway.cpu_s()
    await asyncio.sleep(LEFT_S)
    return Seen(attack=name, heard=attacked, is_reloaded=is_reloaded, cpu_after_s=gateway.cpu_s() - used_s)


def row_of(seen: Seen, quiet: Heard) -> Row:
    """Compare an attack with all of the quiet times: the host's own noise is in both."""

    def of(heard: Heard, what: str, share: float) -> float:
        values = sorted(heard.seconds.get(what, [math.inf]))
        return 1000 * values[min(len(values) - 1, int(share * len(values)))]

    attacked = seen.heard
    factors = {call: of(attacked, call, 0.99) / of(quiet, call, 0.99) for call in PROBES}
    worst = max(PROBES, key=lambda call: (of(attacked, call, 0.99) > 1000 * MOST_S, factors[call]))
    return Row(
        attack=seen.attack,
        call=worst,
        quiet_p50_ms=of(quiet, worst, 0.5),
        quiet_p99_ms=of(quiet, worst, 0.99),
        p50_ms=of(attacked, worst, 0.5),
        p99_ms=of(attacked, worst, 0.99),
        factor=factors[worst],
        health_quiet_ms=of(quiet, "health", 0.99),
        health_ms=of(attacked, "health", 0.99),
        metrics_quiet_ms=of(quiet, "metrics", 0.99),
        metrics_ms=of(attacked, "metrics", 0.99),
        reload_ok=seen.is_reloaded,
        cpu_after_s=seen.cpu_after_s,
        failures=sum(attacked.failures.values()),
    )


async def run(names: Sequence[str], *, seconds: float, tree: Path) -> list[Row]:
    """Make every attack on one gateway; one that an attack leaves busy is started anew for the next."""
    quiet, seen = Heard(), []
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        async with simulated_cloud() as base_url, simulated_cloud(nice=NICE) as hostile_url:
            gateway = Gateway(Path(folder), tree=tree, base_url=base_url, hostile_url=hostile_url)
            try:
                await gateway.start()
                for name in names:
                    print(name, file=sys.stderr)
                    seen.append(await measure(name, gateway, seconds, quiet=quiet))
                    if not seen[-1].is_calm:
                        await gateway.kill()
                        await gateway.start()
                if gateway.defects():
                    print(f"{gateway.defects()} defects in the gateway's log", file=sys.stderr)
            finally:
                await gateway.kill()
    return [row_of(each, quiet) for each in seen]


def show(rows: Sequence[Row], before: dict[str, dict[str, float]]) -> None:
    """Print the tables, 80 columns wide."""
    console = Console(width=80)
    table = Table(box=box.SIMPLE, padding=(0, 0), pad_edge=False)
    table.add_column("attack", no_wrap=True, min_width=21)
    table.add_column("call", no_wrap=True, min_width=6)
    titles = (
        *("p50\nquiet", "\nnow", "p99\nquiet", "\nnow", "p99\nfactor"),
        *("health\np99", "metr.\np99", "re-\nload", "CPU\nleft"),
    )
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True, min_width=4)
    for row in rows:
        table.add_row(
            row.attack,
            row.call,
            f"{row.quiet_p50_ms:.0f}",
            f"{row.p50_ms:.0f}",
            f"{row.quiet_p99_ms:.0f}",
            f"{row.p99_ms:.0f}",
            f"{row.factor:.1f}",
            f"{row.health_ms:.0f}",
            f"{row.metrics_ms:.0f}",
            "ok" if row.reload_ok else "no",
            f"{row.cpu_after_s:.2f}",
        )
    console.print(table)
    console.print("p50, p99: milliseconds, of the call that was hurt most")
    console.print("CPU left: seconds that the gateway used in the 2 s after the attackers left")
    if before:
        both = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False)
        both.add_column("attack", no_wrap=True)
        for what in ("factor", "health ms", "metrics ms", "CPU s"):
            both.add_column(f"{what}\nbefore", justify="right")
            both.add_column("\nafter", justify="right")
        for row in rows:
            was = before.get(row.attack, {})
            both.add_row(
                row.attack,
                *(f"{was.get('factor', math.nan):.1f}", f"{row.factor:.1f}"),
                *(f"{was.get('health_ms', math.nan):.0f}", f"{row.health_ms:.0f}"),
                *(f"{was.get('metrics_ms', math.nan):.0f}", f"{row.metrics_ms:.0f}"),
                *(f"{was.get('cpu_after_s', math.nan):.2f}", f"{row.cpu_after_s:.2f}"),
            )
        console.print(both)


def main() -> None:
    """Attack, and say what it did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=ATTACK_S)
    parser.add_argument("--tree", type=Path, default=Path(__file__).resolve().parents[1], metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--before", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    names = arguments.attack or list(ATTACKS)
    rows = asyncio.run(run(names, seconds=arguments.seconds, tree=arguments.tree))
    before = json.loads(arguments.before.read_text()) if arguments.before else []
    show(rows, {row["attack"]: row for row in before})
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    problems = [f"{row.attack}: {problem}" for row in rows for problem in row.problems()]
    for problem in problems:
        print(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
