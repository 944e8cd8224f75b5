"""A request that waits for a person, and what may become of it. Pure."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

from gateway.domain.ticket import Ticket, TicketState
from gateway.errors import TicketRefused
from gateway.types import PrivacyClass, Reason

ID_BYTES = 16
"""Of randomness in an id, so that nobody guesses one."""


def new_id() -> str:
    """Return an id that nobody guesses."""
    return f"ho_{secrets.token_hex(ID_BYTES)}"


def leased(ticket: Ticket, *, by: str, lease_s: float, unix_s: float) -> Ticket:
    """Return the ticket in the hands of a person; raises TicketRefused."""
    _refuse_others(ticket, by, unix_s)
    return replace(ticket, taken_by=by, lease_ends_unix_s=unix_s + lease_s)


def answered(ticket: Ticket, *, by: str, unix_s: float) -> Ticket:
    """Return the ticket with an answer, kept as long as it had been without; raises TicketRefused."""
    _refuse_others(ticket, by, unix_s)
    return replace(ticket, taken_by=by, answered_unix_s=unix_s, expires_unix_s=unix_s + ticket.keep_s)


def _refuse_others(ticket: Ticket, by: str, unix_s: float) -> None:
    state = ticket.state(unix_s)
    if state is TicketState.ANSWERED:
        raise TicketRefused(f"{ticket.id}: is answered already, by {ticket.taken_by}")
    if state is TicketState.TAKEN and ticket.taken_by != by:
        until = datetime.fromtimestamp(ticket.lease_ends_unix_s, UTC)
        raise TicketRefused(
            f"{ticket.id}: {ticket.taken_by} has taken it until {until:%H:%M} UTC;"
            f" if that is you, say --as {ticket.taken_by}"
        )


def to_json(ticket: Ticket) -> str:
    """Return what a store keeps."""
    return json.dumps(asdict(ticket))


def from_json(text: str | bytes) -> Ticket:
    """Return the ticket that a store kept."""
    fields: Mapping[str, object] = json.loads(text)
    ticket = Ticket(**fields)  # type: ignore[arg-type]  # It was written by to_json.
    return replace(ticket, reason=Reason(ticket.reason), privacy_class=PrivacyClass(ticket.privacy_class))
