"""A bound on the time that searches through a stranger's text take, kept inside of their loops."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CANDIDATES_A_LOOK = 128
"""Candidates between two looks at the clock: a detector takes up to 10 microseconds for each."""


class SearchOverTime(Exception):
    """The searches of this block have taken longer than they may."""


class SearchBudget:
    """Counts candidates, and looks at the clock after so many."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._left = CANDIDATES_A_LOOK

    def take(self) -> None:
        """Count one candidate; raises SearchOverTime."""
        self._left -= 1
        if self._left <= 0:
            self._left = CANDIDATES_A_LOOK
            if self._is_over():
                raise SearchOverTime


class _Running(threading.local):
    budget: SearchBudget | None = None


_running = _Running()


@contextmanager
def bounded(budget: SearchBudget) -> Iterator[None]:
    """Count the candidates of all searches of this thread in the block; they raise SearchOverTime."""
    before, _running.budget = _running.budget, budget
    try:
        yield
    finally:
        _running.budget = before


def count_candidate() -> None:
    """Say that a search is about to look at one more place; raises SearchOverTime where that is too many."""
    if (budget := _running.budget) is not None:
        budget.take()
