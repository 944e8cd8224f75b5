"""Keeps retries from multiplying the load of a provider that is down."""

from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.2
"""Of the requests in flight in this process, how many may be retrying at once."""
FLOOR = 3
"""How many always may."""


class RetryTicket:
    """The right of one turn to retry; taken once, for all its retries."""

    def __init__(self, budget: "RetryBudget") -> None:
        self._budget = budget
        self._is_taken = False

    def take(self) -> bool:
        """Say whether the turn may retry, and from then on count it."""
        if not self._is_taken and self._budget.has_room():
            self._is_taken = True
            self._budget.retrying += 1
        return self._is_taken

    def give_back(self) -> None:
        """Stop counting the turn."""
        if self._is_taken:
            self._is_taken = False
            self._budget.retrying -= 1


class RetryBudget:
    """Counts the requests and the retrying turns of this process."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.retrying = 0

    def has_room(self) -> bool:
        """Say whether one turn more may retry."""
        return self.retrying < max(FLOOR, int(SHARE * self.in_flight))

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request for as long as the block runs."""
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
