"""How often an engine may accept a request that will probably, but not almost certainly, finish in time."""

from gateway.domain.samples import QUANTILE

EARNED = 0.8 * (1.0 - QUANTILE) / QUANTILE
"""Credit for one answer in time; a late one costs 1, so that fewer than one in twenty of all are late."""


class RiskBudget:
    """Late answers that an engine may still give and keep its promise; the scheduler's lock guards it.

    A risk is paid in advance and paid back when the answer is in time, so all concurrent risks may be late.
    One is allowed from the start, since without any the engine learns nothing.
    """

    def __init__(self, *, most: int) -> None:
        self._most = float(most)
        self._left = 1.0

    @property
    def is_left(self) -> bool:
        """Whether one more risk is allowed."""
        return self._left >= 1.0

    def take(self) -> None:
        """Pay for a risk."""
        self._left -= 1.0

    def record(self, *, was_risk: bool, is_in_time: bool | None) -> None:
        """Record how a request ended; None: its caller or its own failure ended it before its deadline."""
        back = 1.0 if was_risk and is_in_time is not False else 0.0
        earned = EARNED if is_in_time else 0.0
        cost = 1.0 if is_in_time is False and not was_risk else 0.0
        self._left = max(-self._most, min(self._most, self._left + back + earned - cost))
