"""Measures how far each tenant's outcomes move a scorer, and whether the new one ranks them worse.

All tenants share a scorer. So a tenant has the weight of the square root of its number of outcomes, and each
tenant with enough outcomes is checked on its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.offline.ranking import apgr, interval

Floats = NDArray[np.float64]

JUDGED_FROM = 50
"""The fewest outcomes of a tenant for a verdict on it; fewer show mostly chance."""
MOST_SHOWN = 20
"""Number of tenants that are checked, those with most outcomes first: each costs one more fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantShare:
    """Influence of one tenant's outcomes on a scorer, and the result for them."""

    tenant: str
    outcomes: int
    weight: float
    """Its share of all weights of outcomes, 0 to 1."""
    move: float | None
    """The part of the change of scores that is due to its outcomes; None where nothing changed."""
    before: float
    """APGR of the old scorer on its held-out outcomes; NaN where there is no gap."""
    after: float
    difference: tuple[float, float]
    """95 % interval of `after` minus `before`."""

    @property
    def is_worse(self) -> bool:
        """Return whether it has enough outcomes to show that the new scorer ranks them worse."""
        return self.outcomes >= JUDGED_FROM and self.difference[1] < 0.0


def counts_of(names: NDArray[np.str_]) -> Floats:
    """Return the weight of each row, 1 on average; a tenant weighs the square root of its number of rows."""
    _, tenant, sizes = np.unique(names, return_inverse=True, return_counts=True)
    counts = 1.0 / np.sqrt(sizes[tenant])
    return np.asarray(counts * (len(names) / counts.sum()), dtype=np.float64)


def fold_of_each(names: NDArray[np.str_], folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random fold for each row; the rows of a tenant are spread evenly over the folds."""
    order = rng.permutation(len(names))
    fold = np.empty(len(names), dtype=np.intp)
    # A stable sort keeps the random order within a tenant.
    fold[order[np.argsort(names[order], kind="stable")]] = np.arange(len(names)) % folds
    return fold


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
    """Return influence and result of the tenants with most outcomes; `old` and `new` are held-out scores.

    `move` is the change of each row's score; `move_without` returns it for a fit without some rows.
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
