"""How often an engine may try a request that will probably, but not all but certainly, finish in time."""

from gateway.domain.samples import QUANTILE

EARNED = 0.8 * (1.0 - QUANTILE) / QUANTILE
"""What one answer in time earns; a late one costs 1, so that fewer than one in twenty of all are late."""


class RiskBudget:
    """Late answers that an engine may still give without breaking its word; the scheduler's lock guards it.

    A risk is paid in advance, so that only as many are taken concurrently as may all be late, and is paid
    back when the answer comes in time. One is allowed from the start: where nothing is tried nothing is
    learned.
    """

    def __init__(self, *, most: int) -> None:
        self._most = float(most)
        self._left = 1.0

    @property
    def is_left(self) -> bool:
        """Whether one more risk may be taken."""
        return self._left >= 1.0

    def take(self) -> None:
        """Pay for a risk that is taken."""
        self._left -= 1.0

    def note(self, *, was_risk: bool, is_in_time: bool | None) -> None:
        """Take how a request ended; None: its caller, or a fault of its own, ended it before its time."""
        back = 1.0 if was_risk and is_in_time is not False else 0.0
        earned = EARNED if is_in_time else 0.0
        cost = 1.0 if is_in_time is False and not was_risk else 0.0
        self._left = max(-self._most, min(self._most, self._left + back + earned - cost))
