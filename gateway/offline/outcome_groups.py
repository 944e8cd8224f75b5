"""Rows that share an outcome, as the turns of one conversation do: they count as one together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class OutcomeGroups(NamedTuple):
    """Which rows share an outcome."""

    first: Rows
    """A row of each group."""
    of_row: Rows
    """The group of each row."""
    sizes: Rows
    """How many rows each has."""

    @property
    def total(self) -> int:
        """How many groups there are."""
        return len(self.sizes)

    def spread(self, counts: Floats) -> Floats:
        """Return the weight of each row, 1 on average: that of its group, divided among its rows."""
        spread = counts[self.of_row] / self.sizes[self.of_row]
        return np.asarray(spread * (len(spread) / spread.sum()), dtype=np.float64)

    def members(self) -> list[Rows]:
        """Return the rows of each group."""
        return np.split(np.argsort(self.of_row, kind="stable"), np.cumsum(self.sizes)[:-1])


def grouped(groups: Sequence[int]) -> OutcomeGroups:
    """Return the groups; rows with the same number are one."""
    _, first, of_row, sizes = np.unique(
        np.array(groups), return_index=True, return_inverse=True, return_counts=True
    )
    return OutcomeGroups(first, of_row, sizes)
