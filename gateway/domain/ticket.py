"""The ticket of a request that waits for a person, as values."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass


class TicketState(StrEnum):
    """State of a ticket."""

    WAITING = "waiting"
    TAKEN = "taken"
    """A person works on it, until the lease ends."""
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What is readable of a request without its key: names, numbers and times, no text."""

    id: str
    tenant: str
    request_id: str
    reason: Reason
    privacy_class: PrivacyClass
    created_unix_s: float
    keep_s: float
    """Seconds that it is kept without an answer, and again after the answer."""
    expires_unix_s: float
    taken_by: str = ""
    lease_ends_unix_s: float = 0.0
    answered_unix_s: float | None = None

    def state(self, unix_s: float) -> TicketState:
        """Return the state at a point in time."""
        if self.answered_unix_s is not None:
            return TicketState.ANSWERED
        return TicketState.TAKEN if self.taken_by and unix_s < self.lease_ends_unix_s else TicketState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A ticket as its caller sees it."""

    ticket: Ticket
    answer: str | None = field(default=None, repr=False)
    """The answer of a person; None before there is one."""
