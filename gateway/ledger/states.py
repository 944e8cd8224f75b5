"""The states of a reservation and the transitions between them."""

from dataclasses import dataclass
from enum import StrEnum

import structlog

from gateway.domain.quick_init import quick_init
from gateway.errors import LedgerUnavailable

_log = structlog.get_logger(__name__)


class ReservationState(StrEnum):
    """The state of a reservation; the last three are final."""

    HELD = "held"
    """Reserved; nothing was sent."""
    DIALLED = "dialled"
    """The call may have been sent, so it may be billed."""
    SETTLED = "settled"
    """Charged by the reported usage."""
    RELEASED = "released"
    """Released: nothing was billed."""
    UNKNOWN = "unknown"
    """Charged in full, because the bill is unknown."""


class Event(StrEnum):
    """What happens to a reservation: reported by its owner, or found by the ledger (EXPIRE)."""

    DIAL = "dial"
    SETTLE = "settle"
    RELEASE = "release"
    CHARGE_UNKNOWN = "charge_unknown"
    EXPIRE = "expire"
    """Its deadline passed before a final state."""


NEXT = {
    (ReservationState.HELD, Event.DIAL): ReservationState.DIALLED,
    (ReservationState.HELD, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.HELD, Event.EXPIRE): ReservationState.RELEASED,
    (ReservationState.DIALLED, Event.SETTLE): ReservationState.SETTLED,
    (ReservationState.DIALLED, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.DIALLED, Event.CHARGE_UNKNOWN): ReservationState.UNKNOWN,
    (ReservationState.DIALLED, Event.EXPIRE): ReservationState.UNKNOWN,
    # The owner was late; its report replaces the expiry.
    (ReservationState.UNKNOWN, Event.SETTLE): ReservationState.SETTLED,
    (ReservationState.UNKNOWN, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.UNKNOWN, Event.CHARGE_UNKNOWN): ReservationState.UNKNOWN,
    (ReservationState.RELEASED, Event.RELEASE): ReservationState.RELEASED,
}
"""All valid transitions; any other is a defect of the caller.

DIAL on a RELEASED reservation is missing on purpose: it expired, and its amount may be spent by now.
"""

RETENTION_S = 86_400.0
"""Seconds for which an expired reservation is kept, so that a late event finds it."""

LARGEST_USD_NANOS = 2**53 - 1
"""The largest amount of one call, nine million US dollars: Redis's Lua doubles hold it exactly, and a
thousand of them fit into a 64-bit sum."""


def check_amount(model: str, usd_nanos: int) -> None:
    """Raise LedgerUnavailable for an amount that no store can hold, before anything is written."""
    if not 0 <= usd_nanos <= LARGEST_USD_NANOS:
        raise LedgerUnavailable(model, "the amount of a call is larger than the ledger can hold")


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an event changes in a ledger; the same for every store."""

    state: ReservationState
    charged_usd_nanos: int
    """To add to each of the reservation's accounts."""
    settled_usd_nanos: int
    """To add to the settled total."""
    unknown_usd_nanos: int
    """To add to the unknown total."""
    excess_usd_nanos: int
    """By how much the cost exceeds the reservation; above 0 only if the worst case was computed wrong."""
    is_forgotten: bool
    """Whether the reservation is deleted, because no further event can follow."""


def change(
    reservation_id: str,
    model: str,
    before: ReservationState,
    event: Event,
    *,
    amount_usd_nanos: int,
    cost_usd_nanos: int = 0,
) -> Change:
    """Return what `event` does to a reservation.

    Raises LedgerUnavailable if it expired or the cost is too large for a store, LookupError for a defect.
    """
    check_amount(model, cost_usd_nanos)
    after = NEXT.get((before, event))
    if after is None:
        raise invalid_transition(reservation_id, model, before, event)
    charges = {ReservationState.RELEASED: 0, ReservationState.SETTLED: cost_usd_nanos}
    is_settled = after is ReservationState.SETTLED
    return Change(
        state=after,
        charged_usd_nanos=charges.get(after, amount_usd_nanos) - charges.get(before, amount_usd_nanos),
        settled_usd_nanos=cost_usd_nanos if is_settled else 0,
        unknown_usd_nanos=amount_usd_nanos
        * ((after is ReservationState.UNKNOWN) - (before is ReservationState.UNKNOWN)),
        excess_usd_nanos=max(0, cost_usd_nanos - amount_usd_nanos) if is_settled else 0,
        is_forgotten=event not in (Event.DIAL, Event.EXPIRE),
    )


def invalid_transition(
    reservation_id: str, model: str, before: ReservationState, event: Event
) -> LedgerUnavailable | LookupError:
    """Return the error for an invalid transition: the reservation expired, or the caller has a defect."""
    if (before, event) == (ReservationState.RELEASED, Event.DIAL):
        return LedgerUnavailable(model, "the reservation expired before the call")
    return LookupError(f"reservation {reservation_id} is {before}: {event} is impossible")


def warn_of_excess(model: str, excess_usd_nanos: int) -> None:
    """Log that a call cost more than its worst case; the ledger holds the true cost."""
    if excess_usd_nanos > 0:
        _log.warning("reservation_exceeded", model=model, excess_usd_nanos=excess_usd_nanos)
