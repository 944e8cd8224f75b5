"""The life of a reservation: which news about it is possible when, and where it leads."""

from dataclasses import dataclass
from enum import StrEnum

import structlog

from gateway.errors import LedgerUnavailable

_log = structlog.get_logger(__name__)


class ReservationState(StrEnum):
    """Where a reservation stands; the last three are ends."""

    HELD = "held"
    """Reserved; nothing has left the gateway."""
    DIALLED = "dialled"
    """The request may have left; from here on it may be billed."""
    SETTLED = "settled"
    """Charged by the usage that came back."""
    RELEASED = "released"
    """Given back: nothing was billed."""
    UNKNOWN = "unknown"
    """Charged in full: nobody knows what was billed."""


class Event(StrEnum):
    """What a ledger is told of a reservation, or finds out by itself."""

    DIAL = "dial"
    SETTLE = "settle"
    RELEASE = "release"
    CHARGE_UNKNOWN = "charge_unknown"
    EXPIRE = "expire"
    """Its deadline passed and no end came: its owner is gone."""


NEXT = {
    (ReservationState.HELD, Event.DIAL): ReservationState.DIALLED,
    (ReservationState.HELD, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.HELD, Event.EXPIRE): ReservationState.RELEASED,
    (ReservationState.DIALLED, Event.SETTLE): ReservationState.SETTLED,
    (ReservationState.DIALLED, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.DIALLED, Event.CHARGE_UNKNOWN): ReservationState.UNKNOWN,
    (ReservationState.DIALLED, Event.EXPIRE): ReservationState.UNKNOWN,
    # The owner was late, not gone, and knows better than the clock.
    (ReservationState.UNKNOWN, Event.SETTLE): ReservationState.SETTLED,
    (ReservationState.UNKNOWN, Event.RELEASE): ReservationState.RELEASED,
    (ReservationState.UNKNOWN, Event.CHARGE_UNKNOWN): ReservationState.UNKNOWN,
    (ReservationState.RELEASED, Event.RELEASE): ReservationState.RELEASED,
}
"""Every step there is; any other is a defect of the caller.

DIAL on a RELEASED reservation is missing on purpose: it expired, and its money may be spent by now.
"""

KEPT_S = 86_400.0
"""How long after its deadline a reservation that expired is remembered, so that late news finds it."""

LARGEST_USD_NANOS = 2**53 - 1
"""The largest amount of one call, nine million US dollars: doubles in Redis's Lua hold it exactly, and a
thousand of them fit into the 64 bits of a sum."""


def check_amount(model: str, usd_nanos: int) -> None:
    """Raise LedgerUnavailable for an amount that no store can hold, before anything is written."""
    if not 0 <= usd_nanos <= LARGEST_USD_NANOS:
        raise LedgerUnavailable(model, "the amount of a call is larger than the ledger can hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a piece of news does to a ledger; the same for every store."""

    state: ReservationState
    charged_usd_nanos: int
    """To add to each of the reservation's accounts."""
    settled_usd_nanos: int
    """To add to the total of what was settled."""
    unknown_usd_nanos: int
    """To add to the total of what is unknown."""
    excess_usd_nanos: int
    """By how much the cost is above the reservation; above 0 only if a bound was none."""
    is_forgotten: bool
    """Whether the reservation is over for good, so that no more news can come."""


def change(
    reservation_id: str,
    model: str,
    before: ReservationState,
    event: Event,
    *,
    amount_usd_nanos: int,
    cost_usd_nanos: int = 0,
) -> Change:
    """Return what `news` does to a reservation; LookupError for a defect.

    Raises LedgerUnavailable if it expired, or for a cost that no store can hold.
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
    """Return the error of a step that there is not: the reservation expired, or the caller has a defect."""
    if (before, event) == (ReservationState.RELEASED, Event.DIAL):
        return LedgerUnavailable(model, "its reservation expired before the call")
    return LookupError(f"reservation {reservation_id} is {before}: {event} is impossible")


def warn_of_excess(model: str, excess_usd_nanos: int) -> None:
    """Log that a call cost more than its worst case; the true cost is in the books all the same."""
    if excess_usd_nanos > 0:
        _log.warning("reservation_exceeded", model=model, excess_usd_nanos=excess_usd_nanos)
