"""A time limit on searches of untrusted text, checked inside their loops."""

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import TracebackType

from gateway.clock import Clock, Deadline

CANDIDATES_A_LOOK = 128
"""Candidates between two checks of the clock: a detector takes up to 10 microseconds for each."""

FIRST_USE = 2.0
"""What is loaded takes once more to come into use: patterns build their states as they search."""


class SearchOverTime(Exception):
    """The searches of a block exceeded their time limit."""


class SearchBudget:
    """Counts candidates and checks the time limit after every CANDIDATES_A_LOOK."""

    def __init__(self, deadline: Deadline, clock: Clock) -> None:
        self._at_s = deadline.at_s
        self._clock = clock
        self._left = CANDIDATES_A_LOOK
        self._is_loading = False

    def take(self) -> None:
        """Count one candidate; raises SearchOverTime."""
        self._left -= 1
        if self._left <= 0:
            self._left = CANDIDATES_A_LOOK
            self.check()

    def check(self) -> None:
        """Raise SearchOverTime where the time is over."""
        if self._clock.monotonic_s() >= self._at_s:
            raise SearchOverTime

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Give the searches FIRST_USE times what the block takes; a block within another counts once."""
        if self._is_loading:
            yield
            return
        self._is_loading, began_s = True, self._clock.monotonic_s()
        try:
            yield
        finally:
            self._is_loading = False
            self._at_s += FIRST_USE * (self._clock.monotonic_s() - began_s)


class _Running(threading.local):
    budget: SearchBudget | None = None
    encoded: MutableMapping[str, bytes] | None = None


_running = _Running()


class bounded:  # noqa: N801 - Used as a function, and quicker than a generator.
    """Count the candidates of all searches of this thread in the block; they raise SearchOverTime."""

    def __init__(self, budget: SearchBudget) -> None:
        self._budget = budget

    def __enter__(self) -> None:
        self._before = _running.budget, _running.encoded
        _running.budget, _running.encoded = self._budget, {}

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        _running.budget, _running.encoded = self._before


def count_candidate() -> None:
    """Count one candidate of the running search, if it is bounded; raises SearchOverTime."""
    if (budget := _running.budget) is not None:
        budget.take()


def encoded_texts() -> MutableMapping[str, bytes] | None:
    """Return what the searches of the running block have encoded, which its end forgets; None outside."""
    return _running.encoded


@contextmanager
def loading() -> Iterator[None]:
    """Load what searches need, once in a process: it does not count as time of the search that needs it.

    A text that happens to be the first of its kind would else count as one that takes too long.
    """
    budget = _running.budget
    if budget is None:
        yield
        return
    with budget.loading():
        yield
