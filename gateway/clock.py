"""Time as an argument: the only file that reads a clock."""

import asyncio
import math
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from gateway.domain.quick_init import quick_init


class Clock(Protocol):
    """A source of time; tests pass a virtual one."""

    def monotonic_s(self) -> float:
        """Seconds of a monotonic clock, for durations and deadlines."""
        ...

    def unix_s(self) -> float:
        """Seconds since 1970 in UTC, for budget windows and records."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def unix_s(self) -> float:
        """Seconds since 1970 in UTC."""
        return time.time()

    async def sleep(self, delay_s: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(delay_s)


class CpuClock(SystemClock):
    """The system clock, with processor time of this process for durations: waits do not count."""

    def monotonic_s(self) -> float:
        """Seconds of processor time."""
        return time.process_time()


@quick_init
@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time on the monotonic clock, passed on unchanged."""

    at_s: float

    @classmethod
    def after(cls, timeout_s: float, clock: Clock) -> "Deadline":
        """Return the deadline `timeout_s` seconds from now."""
        return cls(clock.monotonic_s() + timeout_s)

    @classmethod
    def never(cls) -> "Deadline":
        """Return a deadline that never passes."""
        return cls(math.inf)

    def remaining_s(self, clock: Clock) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self.at_s - clock.monotonic_s())

    def has_passed(self, clock: Clock) -> bool:
        """Whether the deadline has passed."""
        return clock.monotonic_s() >= self.at_s

    def at_most(self, timeout_s: float, clock: Clock) -> "Deadline":
        """Return the earlier of this deadline and `timeout_s` seconds from now."""
        return Deadline(min(self.at_s, clock.monotonic_s() + timeout_s))


class WaitLimit:
    """Bounds waits of one task that follow each other, as `asyncio.timeout` does one; `close` it at the end.

        with limit.within(timeout_s):
            piece = await anext(pieces)  # Raises TimeoutError, and the limit `has_expired`.

    A timer of its own for each piece of a stream costs as much as to read the piece. This one keeps its
    timer, and sets it anew only when it fires and the wait that goes on then may take longer.
    """

    def __init__(self) -> None:
        self.has_expired = False
        """Whether the latest wait took too long."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._until_s = math.inf
        """Until when the wait may take, by the clock of the event loop."""
        self._waiting: asyncio.Task[object] | None = None
        self._cancelling = 0
        """How often others had asked the task to end before the wait."""

    def within(self, timeout_s: float) -> Self:
        """Return the limit, for a wait of the running task that begins now."""
        self.has_expired = False
        self._until_s = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._until_s:
            self._set_timer()
        return self

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be waited for")
        self._waiting, self._cancelling = task, task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task, self._waiting = self._waiting, None
        if self.has_expired and task is not None:
            is_alone = task.uncancel() <= self._cancelling
            if is_alone and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _set_timer(self) -> None:
        self.close()
        if not math.isinf(self._until_s):
            self._timer = self._loop.call_at(self._until_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._until_s:
            self._set_timer()
        else:
            self.has_expired = True
            self._waiting.cancel()
