"""A time limit on searches of untrusted text, checked inside their loops."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CANDIDATES_A_LOOK = 128
"""Candidates between two checks of the clock: a detector takes up to 10 microseconds for each."""


class SearchOverTime(Exception):
    """The searches of a block exceeded their time limit."""


class SearchBudget:
    """Counts candidates and checks the time limit after every CANDIDATES_A_LOOK."""

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
    """Count one candidate of the running search, if it is bounded; raises SearchOverTime."""
    if (budget := _running.budget) is not None:
        budget.take()
