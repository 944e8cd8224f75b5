"""State changes of a hand-off ticket. Pure."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.ticket import Ticket, TicketState
from gateway.errors import TicketRefused

ID_BYTES = 16
"""Random bytes of an id, so that it cannot be guessed."""


def new_id() -> str:
    """Return a new random id."""
    return f"ho_{secrets.token_hex(ID_BYTES)}"


def leased(ticket: Ticket, *, by: str, lease_s: float, unix_s: float) -> Ticket:
    """Return the ticket leased to a person; raises TicketRefused."""
    _refuse_others(ticket, by, unix_s)
    return replace(ticket, taken_by=by, lease_ends_unix_s=unix_s + lease_s)


def answered(ticket: Ticket, *, by: str, unix_s: float) -> Ticket:
    """Return the ticket as answered, kept for another `keep_s` seconds; raises TicketRefused."""
    _refuse_others(ticket, by, unix_s)
    return replace(ticket, taken_by=by, answered_unix_s=unix_s, expires_unix_s=unix_s + ticket.keep_s)


def _refuse_others(ticket: Ticket, by: str, unix_s: float) -> None:
    state = ticket.state(unix_s)
    if state is TicketState.ANSWERED:
        raise TicketRefused(f"{ticket.id}: is already answered by {ticket.taken_by}")
    if state is TicketState.TAKEN and ticket.taken_by != by:
        until = datetime.fromtimestamp(ticket.lease_ends_unix_s, UTC)
        raise TicketRefused(
            f"{ticket.id}: {ticket.taken_by} has taken it until {until:%H:%M} UTC;"
            f" if that is you, give --as {ticket.taken_by}"
        )


def to_json(ticket: Ticket) -> str:
    """Return the ticket as JSON."""
    return json.dumps(asdict(ticket))


def from_json(text: str | bytes) -> Ticket:
    """Return the ticket that `to_json` wrote."""
    fields: Mapping[str, object] = json.loads(text)
    ticket = Ticket(**fields)  # type: ignore[arg-type]  # Written by to_json.
    return replace(ticket, reason=Reason(ticket.reason), privacy_class=PrivacyClass(ticket.privacy_class))
