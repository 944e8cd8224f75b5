"""How far each tenant's outcomes move a scorer, and whether the new one serves that tenant worse.

Whoever gives feedback moves the scorer of everybody. So a tenant counts by the root of the number of its
outcomes, and each one with enough of them is looked at for itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.offline.ranking import apgr, interval

Floats = NDArray[np.float64]

JUDGED_FROM = 50
"""Outcomes of a tenant; with fewer, what became of them is mostly chance."""
MOST_SHOWN = 20
"""Tenants that are looked at, those with most outcomes first: each costs one more fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantShare:
    """What one tenant's outcomes did to a scorer, and what the scorer does for them."""

    tenant: str
    outcomes: int
    weight: float
    """Its share of what was learned from, 0 to 1."""
    move: float | None
    """Which part of the scorer's move is gone without its outcomes; None where nothing moved."""
    before: float
    """APGR on its held outcomes of the scorer that was there; NaN where there is no gap."""
    after: float
    difference: tuple[float, float]
    """Between the two, by a 95 % interval of pairs."""

    @property
    def is_worse(self) -> bool:
        """Say whether it has outcomes enough to say that the new scorer ranks them worse."""
        return self.outcomes >= JUDGED_FROM and self.difference[1] < 0.0


def counts_of(names: NDArray[np.str_]) -> Floats:
    """Return for how many rows each one stands, 1 on average: a tenant's together for the root of theirs."""
    _, place, sizes = np.unique(names, return_inverse=True, return_counts=True)
    counts = 1.0 / np.sqrt(sizes[place])
    return np.asarray(counts * (len(names) / counts.sum()), dtype=np.float64)


def fold_of_each(names: NDArray[np.str_], folds: int, dice: np.random.Generator) -> NDArray[np.intp]:
    """Return a fold for each row, drawn so that each fold has its part of every tenant."""
    order = dice.permutation(len(names))
    place = np.empty(len(names), dtype=np.intp)
    # Stable: within a tenant the order stays the drawn one, and neighbours go to different folds.
    place[order[np.argsort(names[order], kind="stable")]] = np.arange(len(names)) % folds
    return place


def shares_of(
    names: NDArray[np.str_],
    gains: Floats,
    counts: Floats,
    *,
    old: Floats,
    new: Floats,
    move: Floats,
    move_without: Callable[[NDArray[np.bool_]], Floats],
) -> tuple[TenantShare, ...]:
    """Return what the tenants with most outcomes did: `old` and `new` are scores of rows that were held out.

    `move` is how far each row's score moved, and `move_without` says it for a fit without some rows.
    """
    found, sizes = np.unique(names, return_counts=True)
    size = float((move * move) @ counts)
    shares = []
    for at in np.argsort(-sizes, kind="stable")[:MOST_SHOWN]:
        own = names == found[at]
        has_moved = size > 1e-12
        left = float((move * (move - move_without(own))) @ counts) / size if has_moved else None
        before, after, truth = old[own], new[own], gains[own]

        def difference(
            rows: NDArray[np.intp], before: Floats = before, after: Floats = after, truth: Floats = truth
        ) -> float:
            return apgr(after[rows], truth[rows]) - apgr(before[rows], truth[rows])

        has_gap = float(np.abs(truth).sum()) > 0.0
        shares.append(
            TenantShare(
                tenant=str(found[at]),
                outcomes=int(sizes[at]),
                weight=float(counts[own].sum() / counts.sum()),
                move=left,
                before=apgr(before, truth),
                after=apgr(after, truth),
                difference=interval(difference, len(truth)) if has_gap else (float("nan"), float("nan")),
            )
        )
    return tuple(shares)
