"""The table of `benchmarks/engine.py`: our ratios over all runs, beside their targets."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

SERVER, BARE = "llama-server", "bare loop"
Figures = Mapping[tuple[str, str], float]
"""Of one run: by row, and by whom it is compared with, the ratio; "" for a figure that is no ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure, and what it has to be."""

    row: str
    over: str
    bound: float
    is_most: bool = False
    """Whether the bound is the most, as for times and shares; else it is the least."""

    def is_met(self, value: float) -> bool:
        """Whether a figure is within the bound."""
        return value <= self.bound if self.is_most else value >= self.bound

    @property
    def wanted(self) -> str:
        """Return the bound in words of tables."""
        return f"{'<=' if self.is_most else '>='} {self.bound:.3g}"


FIRST_TOKEN = "lone prompt of 1,000 tokens: time to first token"
WHOLE = "whole gateway, 1 client"
OWN_THREADS = "whole gateway, 1 client, its own threads"
IDLE = "idle CPU of an engine, share of a core"


def clients(count: int) -> str:
    """Return the row of so many clients."""
    return f"{count} client{'s' if count > 1 else ''}, tokens/s"


TARGETS = (
    Target(row=clients(1), over=SERVER, bound=1.0),
    Target(row=clients(1), over=BARE, bound=0.95),
    Target(row=clients(4), over=SERVER, bound=1.05),
    Target(row=clients(4), over=BARE, bound=0.95),
    Target(row=clients(8), over=SERVER, bound=1.05),
    Target(row=clients(8), over=BARE, bound=0.97),
    Target(row=clients(16), over=SERVER, bound=1.05),
    Target(row=clients(16), over=BARE, bound=0.98),
    Target(row=FIRST_TOKEN, over=SERVER, bound=0.88, is_most=True),
    Target(row=FIRST_TOKEN, over=BARE, bound=1.0, is_most=True),
    Target(row=WHOLE, over=BARE, bound=0.9),
    Target(row=OWN_THREADS, over=BARE, bound=0.9),
    Target(row=IDLE, over="", bound=0.005, is_most=True),
)
"""For a model of 135 million parameters on two cores with nothing else on them."""


def verdicts(runs: Sequence[Figures]) -> list[tuple[Target, list[float], bool]]:
    """Return each target that was measured, its figure of each run, and whether the median meets it."""
    found = []
    for target in TARGETS:
        key = (target.row, target.over)
        if values := [run[key] for run in runs if key in run]:
            found.append((target, values, target.is_met(statistics.median(values))))
    return found


def target_table(runs: Sequence[Figures]) -> Table:
    """Return the table: the median of the runs, the least and the most, the target, and whether it is met."""
    count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    table = Table(title=f"ours over theirs, the median of {count} (least-most)", title_justify="left")
    for heading in ("", "over", "ratio", "target", ""):
        table.add_column(heading, justify="right" if heading in ("ratio", "target") else "left")
    for target, values, is_met in verdicts(runs):
        digits = 2 if target.over else 4
        spread = f" ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else ""
        figure = f"{statistics.median(values):.{digits}f}{spread}"
        table.add_row(target.row, target.over, figure, target.wanted, "met" if is_met else "missed")
    return table
