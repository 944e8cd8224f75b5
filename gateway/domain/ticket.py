"""A request that waits for a person, as values: what may be known of it, and what its caller is told."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.types import PrivacyClass, Reason


class TicketState(StrEnum):
    """Where a ticket stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    """A person works on it, until the lease ends."""
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What may be known of a request without its key: names, numbers and times, no text of anybody."""

    id: str
    tenant: str
    request_id: str
    reason: Reason
    privacy_class: PrivacyClass
    created_unix_s: float
    keep_s: float
    """How long it is kept without an answer, and again with one."""
    expires_unix_s: float
    taken_by: str = ""
    lease_ends_unix_s: float = 0.0
    answered_unix_s: float | None = None

    def state(self, unix_s: float) -> TicketState:
        """Return where it stands at a moment."""
        if self.answered_unix_s is not None:
            return TicketState.ANSWERED
        return TicketState.TAKEN if self.taken_by and unix_s < self.lease_ends_unix_s else TicketState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A ticket as its caller sees it."""

    ticket: Ticket
    answer: str | None = field(default=None, repr=False)
    """What a person wrote; None while nobody has."""
