"""The life of a reservation: which news about it is possible when, and where it leads."""

from enum import StrEnum


class State(StrEnum):
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


class News(StrEnum):
    """What a ledger is told of a reservation, or finds out by itself."""

    DIAL = "dial"
    SETTLE = "settle"
    RELEASE = "release"
    CHARGE_UNKNOWN = "charge_unknown"
    EXPIRE = "expire"
    """Its deadline passed and no end came: its owner is gone."""


NEXT = {
    (State.HELD, News.DIAL): State.DIALLED,
    (State.HELD, News.RELEASE): State.RELEASED,
    (State.HELD, News.EXPIRE): State.RELEASED,
    (State.DIALLED, News.SETTLE): State.SETTLED,
    (State.DIALLED, News.RELEASE): State.RELEASED,
    (State.DIALLED, News.CHARGE_UNKNOWN): State.UNKNOWN,
    (State.DIALLED, News.EXPIRE): State.UNKNOWN,
    # The owner was late, not gone, and knows better than the clock.
    (State.UNKNOWN, News.SETTLE): State.SETTLED,
    (State.UNKNOWN, News.RELEASE): State.RELEASED,
    (State.UNKNOWN, News.CHARGE_UNKNOWN): State.UNKNOWN,
    (State.RELEASED, News.RELEASE): State.RELEASED,
}
"""Every step there is; any other is a defect of the caller.

DIAL on a RELEASED reservation is missing on purpose: it expired, and its money may be spent by now.
"""

KEPT_S = 86_400.0
"""How long after its deadline a reservation that expired is remembered, so that late news finds it."""


def charged_usd_nanos(state: State, *, amount_usd_nanos: int, cost_usd_nanos: int) -> int:
    """Return what a reservation in `state` takes from its accounts."""
    match state:
        case State.RELEASED:
            return 0
        case State.SETTLED:
            return cost_usd_nanos
        case _:
            return amount_usd_nanos
