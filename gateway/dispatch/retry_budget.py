"""Keeps retries from multiplying the load of a provider that is down."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.clock import Clock

SHARE = 0.2
"""Of the requests in flight in this process, how many may be retrying; and of those that came lately,
how many retries there may be."""
FLOOR = 3
"""How many may be retrying concurrently, and how many retries a second there may be, if few requests come."""
LATELY_S = 10
"""What is lately, in seconds."""


@dataclass(slots=True)
class _Second:
    at: int
    requests: int = 0
    retries: int = 0


class RetryTicket:
    """The right of one turn to retry, asked for before each retry."""

    def __init__(self, budget: "RetryBudget") -> None:
        self._budget = budget
        self._is_taken = False

    @property
    def has_room(self) -> bool:
        """Whether the turn may retry once more."""
        return self._budget.has_room(besides=int(self._is_taken))

    def take(self) -> None:
        """Count one retry more of the turn; only if it `has_room`."""
        self._budget.retrying += not self._is_taken
        self._is_taken = True
        self._budget.record_retry()

    def give_back(self) -> None:
        """Stop counting the turn."""
        if self._is_taken:
            self._is_taken = False
            self._budget.retrying -= 1


class RetryBudget:
    """Counts the requests and the retries of this process."""

    def __init__(self, clock: Clock) -> None:
        self.in_flight = 0
        self.retrying = 0
        self._clock = clock
        self._lately: deque[_Second] = deque()

    def has_room(self, *, besides: int = 0) -> bool:
        """Say whether one turn may retry, `besides` of those that are counted."""
        # A share of what is in flight alone is no share of all: requests that wait long, for a model that
        # asked for a pause say, make room for many short retries.
        oldest = int(self._clock.monotonic_s()) - LATELY_S
        lately = [second for second in self._lately if second.at > oldest]
        requests = sum(second.requests for second in lately)
        retries = sum(second.retries for second in lately)
        return self.retrying - besides < max(FLOOR, int(SHARE * self.in_flight)) and retries < max(
            FLOOR * LATELY_S, int(SHARE * requests)
        )

    def record_retry(self) -> None:
        """Count a retry."""
        self._now().retries += 1

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request for as long as the block runs."""
        self._now().requests += 1
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    @contextmanager
    def ticket(self) -> Iterator[RetryTicket]:
        """Lend a ticket for as long as the block runs."""
        ticket = RetryTicket(self)
        try:
            yield ticket
        finally:
            ticket.give_back()

    def _now(self) -> _Second:
        second = int(self._clock.monotonic_s())
        while self._lately and self._lately[0].at <= second - LATELY_S:
            self._lately.popleft()
        if not self._lately or self._lately[-1].at != second:
            self._lately.append(_Second(second))
        return self._lately[-1]
