"""How the cost of a request grows: with tenants, budgets, rules, models, and the turns of a conversation.

    python -m benchmarks.growth [--quick] [--rounds 5] [--calls 200] [--json FILE] [--plot FILE.svg]

CPU of this process and of its scoring processes, for a unary call through all of a gateway but gRPC's bytes,
with models that answer from memory, a budget in SQLite, records and metrics. All sizes of a curve take turns
in every round, since machines are shared and noisy: quote ratios.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hot_path_layers import CLOCK, MESSAGE, Handlers, Instant, handlers
from benchmarks.process_usage import family
from gateway.records.writer import Records
from gateway.server.access import DEFAULT_TENANT, Identity
from gateway.server.admin.recent import Recent
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import Measures
from gateway.v1 import gateway_pb2 as pb

AT_ONCE = 8
"""Calls in flight."""
CONVERSATIONS = 16
"""Whose next turn is asked in a turn of measuring."""
WIDTH = 80
MODEL = (
    '  m{number}: {{kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: confidential,'
    " price_per_million_usd: {{input: 1, output: 1}}}}"
)
TENANTS, BUDGETS, RULES, MODELS, ROUTE, HISTORY = (
    "tenants", "budgets", "rules", "models of the policy", "models of the route", "turns of a conversation",
)  # fmt: skip
SIZES: Mapping[str, Sequence[int]] = {
    TENANTS: (10, 100, 1_000, 10_000, 100_000),
    BUDGETS: (1, 2, 5, 10, 20),
    RULES: (1, 5, 10, 25, 50),
    MODELS: (2, 5, 10, 25, 50),
    ROUTE: (2, 5, 10, 25, 50),
    HISTORY: (1, 10, 50, 100, 200),
}
TARGETS = {
    TENANTS: "flat",
    BUDGETS: "<= 5 us each",
    RULES: "<= 5 us each",
    MODELS: "flat",
    ROUTE: "flat",
    HISTORY: "new text only",
}
QUICK_TENANTS = 1_000

Work = Callable[[int], Awaitable[float]]
"""Makes so many calls, and returns the CPU seconds that one took."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a gateway; each curve changes one of them."""

    tenants: int = 1
    budgets: int = 1
    rules: int = 1
    models: int = 2
    route: int = 2

    def policy(self) -> str:
        """Return its policy; only the last rule holds."""
        models = max(self.models, self.route)
        route = ", ".join(f"m{number}" for number in range(self.route))
        rules = [
            f"  - {{name: r{number}, when: 'has(labels.team) && labels.team == \"t{number}\"', route: [m0]}}"
            for number in range(self.rules - 1)
        ]
        budgets = [
            f"  - {{name: b{number}, per: tenant, window: day, limit_usd: {100_000 + number}}}"
            for number in range(self.budgets)
        ]
        return "\n".join(
            (
                "version: 1",
                "models:",
                *(MODEL.format(number=number) for number in range(models)),
                "rules:",
                *rules,
                f"  - {{name: default, route: [{route}]}}",
                "budgets:",
                *budgets,
                'replies: [{id: sorry, text: "Sorry."}]',
            )
        )


SHAPES: Mapping[str, Callable[[int], Shape]] = {
    TENANTS: lambda size: Shape(tenants=size),
    BUDGETS: lambda size: Shape(budgets=size),
    RULES: lambda size: Shape(rules=size),
    MODELS: lambda size: Shape(models=size),
    ROUTE: lambda size: Shape(route=size),
    HISTORY: lambda size: Shape(),
}


@asynccontextmanager
async def gateway(shape: Shape, folder: Path) -> AsyncIterator[Handlers]:
    """Run a gateway in this process; its tenants take turns."""
    numbers = count()

    def tenant_of(_: object) -> Identity:
        name = f"t{next(numbers) % shape.tenants}" if shape.tenants > 1 else DEFAULT_TENANT
        return Identity(tenant=name)

    records = Records(folder / "records.jsonl", clock=CLOCK)
    observers = (records.note, Measures().record_call, Recent().record_call)
    backends = {f"m{number}": Instant(f"m{number}") for number in range(max(shape.models, shape.route))}
    try:
        async with handlers(
            f"sqlite://{folder / 'ledger.db'}", shape.policy(), observers, backends, tenant_of=tenant_of
        ) as found:
            yield found
    finally:
        records.close()


class Used:
    """The CPU seconds that blocks took: of this process to the microsecond, and of its children.

    To look for children takes time, too, and is outside.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.seconds -= _children_s()
        self.seconds -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time()
        self.seconds += _children_s()


def _children_s() -> float:
    return sum(used for pid, used in family(os.getpid()).items() if pid != os.getpid())


def asking(found: Handlers) -> Work:
    """Return calls that are all alike, but for their tenants."""

    async def work(calls: int) -> float:
        left = iter(range(calls))

        async def caller() -> None:
            for _ in left:
                await found.ask(MESSAGE)

        used = Used()
        with used:
            await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return used.seconds / calls

    return work


def conversing(found: Handlers, turns: int) -> Work:
    """Return calls that add a turn to conversations of which all before was asked; one after the other."""
    numbers = count()

    async def work(calls: int) -> float:
        used = Used()
        conversations = min(calls, CONVERSATIONS)
        for _ in range(conversations):
            number = next(numbers)
            message = conversation(number, turns)
            if turns > 1:
                await found.ask(conversation(number, turns - 1))
            with used:
                await found.ask(message)
        return used.seconds / conversations

    return work


def conversation(number: int, turns: int) -> bytes:
    """Return the request of the last of some turns; a turn is 1.2 kB, and none is like another."""
    messages = [pb.Message(role=pb.ROLE_SYSTEM, content="You help with orders. " * 40)]
    for turn in range(turns):
        asked = f"Order {number * 1000 + turn} left on Tuesday, and the carrier expects two more days. "
        if turn:
            messages.append(pb.Message(role=pb.ROLE_ASSISTANT, content=f"Turn {turn}. {asked}" * 7))
        messages.append(pb.Message(role=pb.ROLE_USER, content=asked * 8))
    return pb.GenerateRequest(messages=messages).SerializeToString()


Curves = dict[str, dict[int, list[float]]]
"""By what grows, then by its size: microseconds of CPU for a call, a value a round."""


async def measure_curve(
    name: str, *, sizes: Sequence[int], rounds: int, calls: int
) -> dict[int, list[float]]:
    """Return what a call costs at each size."""
    measured: dict[int, list[float]] = {size: [] for size in sizes}
    async with AsyncExitStack() as stack:
        works: dict[int, Work] = {}
        for size in sizes:
            shape = SHAPES[name](size)
            own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = await stack.enter_async_context(gateway(shape, own))
            works[size] = conversing(found, size) if name == HISTORY else asking(found)
            await asking(found)(max(AT_ONCE, shape.tenants))  # Every tenant has called once.
        for _ in range(rounds):
            for size, work in works.items():
                measured[size].append(await work(calls) * 1e6)
    return measured


def measure(*, sizes: Mapping[str, Sequence[int]], rounds: int, calls: int) -> Curves:
    """Return all curves."""
    curves: Curves = {}
    for name, its in sizes.items():
        print(f"{name}: {', '.join(f'{size:,}' for size in its)}", file=sys.stderr)
        curves[name] = asyncio.run(measure_curve(name, sizes=its, rounds=rounds, calls=calls))
    return curves


def growth(curve: Mapping[int, Sequence[float]]) -> tuple[float, float]:
    """Return how many times as dear the largest size is as the smallest, and what each one more costs.

    Of both the cheapest round counts: whatever else the machine does makes a round dearer, never cheaper.
    """
    smallest, largest = min(curve), max(curve)
    cheap, dear = min(curve[smallest]), min(curve[largest])
    return dear / cheap, (dear - cheap) / (largest - smallest)


def show(curves: Curves) -> None:
    """Print a table of all curves."""
    table = Table(title="CPU of a unary call, us, least of rounds", title_justify="left")
    for number, heading in enumerate(("", "number: us", "times", "us each", "target")):
        table.add_column(heading, justify="right" if number in (2, 3) else "left")
    for name, curve in curves.items():
        times, each = growth(curve)
        costs = "\n".join(f"{size:>7,}: {min(values):6.0f}" for size, values in curve.items())
        table.add_row(name, costs, f"{times:.2f}", f"{each:.2f}", TARGETS[name])
        table.add_section()
    Console(width=WIDTH).print(table)


def plot(curves: Curves, path: Path) -> None:
    """Draw the curves as SVG; needs the extra `plots`."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "growth", "font.size": 10}
    figure, panels = pyplot.subplots(2, 3, figsize=(9, 5), sharey=True)
    for axes, (name, curve) in zip(panels.flat, curves.items(), strict=True):
        first = min(curve[min(curve)])
        sizes = list(curve)
        axes.plot(sizes, [min(curve[size]) / first for size in sizes], "o-")
        axes.set(xlabel=name, xscale="log" if name == TENANTS else "linear", ylim=(0, None))
        axes.grid(alpha=0.3)
    for axes in panels[:, 0]:
        axes.set(ylabel="CPU of a call, times")
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    """Measure, print the table, and write JSON and the drawing where that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: 1,000 tenants at most, 2 rounds")
    parser.add_argument("--rounds", type=int, help="how often each size takes its turn; 5, or 2 with --quick")
    parser.add_argument("--calls", type=int, default=200, help="calls in a turn")
    parser.add_argument("--only", choices=SIZES, help="one curve alone")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the curves (the extra `plots`)")
    given = parser.parse_args()
    if given.plot and given.only:
        parser.error("--plot draws all curves")
    sizes = {name: its for name, its in SIZES.items() if given.only in (None, name)}
    if given.quick and TENANTS in sizes:
        sizes[TENANTS] = [size for size in sizes[TENANTS] if size <= QUICK_TENANTS]
    with open("/dev/null", "w", encoding="utf-8") as sink:
        configure_logs("json", stream=sink)
        curves = measure(sizes=sizes, rounds=given.rounds or (2 if given.quick else 5), calls=given.calls)
    show(curves)
    if given.json:
        given.json.write_text(json.dumps({"microseconds": curves}, indent=2) + "\n", encoding="utf-8")
    if given.plot:
        plot(curves, given.plot)


if __name__ == "__main__":
    main()
