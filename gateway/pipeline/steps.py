"""Work in steps, each of which says beforehand about how many characters it reads, to take turns."""

from collections.abc import Generator
from typing import Generic, TypeVar

_Result = TypeVar("_Result")
Steps = Generator[int, None, _Result]
"""Yields the size of a step and then takes it; the result is what it returns."""


def finished(steps: Steps[_Result]) -> _Result:
    """Take all steps together, and return the result."""
    slices = Slices(steps)
    while not slices.ended:
        slices.take(0)
    return slices.ended[0]


class Slices(Generic[_Result]):
    """Takes some of the steps each time; `ended` has the result once there is one."""

    def __init__(self, steps: Steps[_Result]) -> None:
        self._steps = steps
        self._next_chars = 0
        self.ended: list[_Result] = []

    def begin(self, most_chars: int) -> None:
        """Take the first steps, as far as they read no more than `most_chars`."""
        while not self.ended and self._next_chars <= most_chars:
            most_chars -= self._next_chars
            self._step()

    def take(self, most_chars: int) -> None:
        """Take the next step, and those behind it as far as all read no more than `most_chars`."""
        most_chars -= self._next_chars
        self._step()
        self.begin(most_chars)

    def _step(self) -> None:
        try:
            self._next_chars = next(self._steps)
        except StopIteration as end:
            self.ended.append(end.value)
