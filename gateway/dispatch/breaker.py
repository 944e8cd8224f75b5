"""Leaves a model alone for a while when it keeps failing."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from gateway.clock import Clock
from gateway.dispatch.layer import AttemptContext
from gateway.errors import BackendError, BreakerOpen, BreakerVerdict

FAILURES_IN_A_ROW = 5
WINDOW_S = 60.0
LEAST_CALLS = 5
"""Calls in the window below which no share of failures opens the breaker."""
SHARE = 0.5
FIRST_OPEN_S = 5.0
LONGEST_OPEN_S = 20.0
"""So a provider that is up again is found within 30 s of the next request, however long it was down."""
HOPELESS_OPEN_S = 300.0
"""For what only an operator can heal."""


class BreakerState(StrEnum):
    """Whether calls are let through; half open, one is, to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class _BreakerSecond:
    at: int
    calls: int = 0
    failures: int = 0


class Breaker:
    """The state of one model; time is an argument, so it needs no clock.

    Closed, it lets everything through. Open, nothing, for 5 s that double up to 20 s with every probe
    that fails. Half open, one probe. News of calls that were admitted before the state last changed is void.
    """

    def __init__(self) -> None:
        self._open_until_s: float | None = None
        self._open_s = FIRST_OPEN_S
        self._is_probing = False
        self._era = 0
        self._in_a_row = 0
        self._window: deque[_BreakerSecond] = deque()

    def retry_after_s(self, now_s: float) -> float | None:
        """Return None if a call would be admitted, else the seconds after which one may be (0: unknown)."""
        if self._open_until_s is None:
            return None
        if now_s < self._open_until_s:
            return self._open_until_s - now_s
        return 0.0 if self._is_probing else None

    def state(self, now_s: float) -> BreakerState:
        """Return what an operator is told."""
        if self._open_until_s is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_s < self._open_until_s else BreakerState.HALF_OPEN

    def admit(self, now_s: float) -> int:
        """Take the right to call; pass what it returns to `record`. Only if `retry_after_s` is None."""
        if self._open_until_s is not None:
            self._is_probing = True
        return self._era

    def record(self, era: int, verdict: BreakerVerdict | None, now_s: float) -> None:
        """Say how an admitted call ended; None: it answered."""
        if era != self._era:
            return
        was_probe, self._is_probing = self._is_probing, False
        if verdict is BreakerVerdict.IGNORE:
            return
        if verdict is BreakerVerdict.OPEN_LONG:
            self._open(now_s, HOPELESS_OPEN_S)
        elif verdict is None and was_probe:
            self._close()
        elif was_probe:
            self._open(now_s, min(self._open_s * 2, LONGEST_OPEN_S))
        elif self._counts_too_many(verdict is not None, int(now_s)):
            self._open(now_s, FIRST_OPEN_S)

    def _counts_too_many(self, is_failure: bool, second: int) -> bool:
        self._in_a_row = self._in_a_row + 1 if is_failure else 0
        if not self._window or self._window[-1].at != second:
            self._window.append(_BreakerSecond(second))
        self._window[-1].calls += 1
        self._window[-1].failures += is_failure
        while self._window[0].at <= second - WINDOW_S:
            self._window.popleft()
        calls = sum(entry.calls for entry in self._window)
        failures = sum(entry.failures for entry in self._window)
        return is_failure and (
            self._in_a_row >= FAILURES_IN_A_ROW or (calls >= LEAST_CALLS and failures > SHARE * calls)
        )

    def _open(self, now_s: float, open_s: float) -> None:
        self._reset()
        self._open_s = open_s
        self._open_until_s = now_s + open_s

    def _close(self) -> None:
        self._reset()
        self._open_s = FIRST_OPEN_S
        self._open_until_s = None

    def _reset(self) -> None:
        self._era += 1
        self._is_probing = False
        self._in_a_row = 0
        self._window.clear()


class Breakers:
    """One breaker for each model of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}

    def of(self, model: str) -> Breaker:
        """Return the breaker of a model, closed at first."""
        return self._breakers.setdefault(model, Breaker())

    def forget(self, model: str) -> None:
        """Begin anew with a closed breaker; calls that are under way report to the old one."""
        self._breakers.pop(model, None)

    def is_open(self, model: str) -> bool:
        """Say whether a call to the model would be refused now."""
        return self.of(model).retry_after_s(self._clock.monotonic_s()) is not None

    def state(self, model: str) -> BreakerState:
        """Return the state of a model's breaker."""
        return self.of(model).state(self._clock.monotonic_s())

    def heals_after_s(self, model: str) -> float | None:
        """Return the seconds after which an open breaker lets a call through; None: nobody knows."""
        return self.of(model).retry_after_s(self._clock.monotonic_s()) or None


class BreakerLayer:
    """The layer that asks the breaker first and tells it how the call ended."""

    def __init__(self, *, breakers: Breakers, clock: Clock) -> None:
        self._breakers = breakers
        self._clock = clock

    @contextmanager
    def around(self, attempt: AttemptContext) -> Iterator[None]:
        """Surround a try; raises BreakerOpen without one."""
        model = attempt.target.model
        breaker = self._breakers.of(model)
        now_s = self._clock.monotonic_s()
        wait_s = breaker.retry_after_s(now_s)
        if wait_s is not None:
            raise BreakerOpen(model, "it failed too often lately", retry_after_s=wait_s or None)
        era = breaker.admit(now_s)
        # Whatever ends the call without news of the model's health (a refused reservation, a cancelled
        # caller, a defect of ours) must still give a probe back.
        verdict: BreakerVerdict | None = BreakerVerdict.IGNORE
        try:
            yield
            verdict = None
        except BackendError as error:
            verdict = error.breaker
            raise
        finally:
            breaker.record(era, verdict, self._clock.monotonic_s())
