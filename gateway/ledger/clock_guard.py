"""Detects jumps of the machine's clock, because a wrong clock moves the windows of budgets."""

import structlog

from gateway.clock import Clock
from gateway.errors import LedgerUnavailable

TOLERATED_S = 300.0
"""Seconds by which the clock may move against the elapsed time; time servers slew it by far less."""
ACCEPTED_AFTER_S = 600.0
"""Seconds after which a clock that jumped is accepted, as after a machine slept."""

_log = structlog.get_logger()


class ClockGuard:
    """Compares the machine's clock with the elapsed time, at each reservation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = self._jumped_to_s = clock.unix_s() - clock.monotonic_s()
        self._jumped_at_s: float | None = None

    def now_s(self, model: str) -> float:
        """Return the seconds since 1970; raises LedgerUnavailable while a jumped clock is not accepted."""
        unix_s, monotonic_s = self._clock.unix_s(), self._clock.monotonic_s()
        offset_s = unix_s - monotonic_s
        jump_s = offset_s - self._offset_s
        if abs(jump_s) <= TOLERATED_S:
            if self._jumped_at_s is not None:
                self._jumped_at_s = None
                _log.info("ledger.clock_right")
        elif self._jumped_at_s is None or abs(offset_s - self._jumped_to_s) > TOLERATED_S:
            self._jumped_at_s, self._jumped_to_s = monotonic_s, offset_s
            hint = f"correct the clock; if it is right, restart, or wait {ACCEPTED_AFTER_S:.0f} s"
            _log.error("ledger.clock_jumped", jump_s=round(jump_s), hint=hint)
        elif monotonic_s - self._jumped_at_s >= ACCEPTED_AFTER_S:
            self._jumped_at_s, jump_s = None, 0.0
            _log.warning("ledger.clock_believed")
        if self._jumped_at_s is not None:
            raise LedgerUnavailable(model, f"the clock of this machine jumped by {jump_s:.0f} s")
        self._offset_s = offset_s  # It may drift.
        return unix_s
