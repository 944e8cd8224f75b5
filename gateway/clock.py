"""Time as an argument: the only file that reads a clock."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What the gateway knows of time; tests hand in one that jumps."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back, for durations and deadlines."""
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
        """Wait without holding the event loop."""
        await asyncio.sleep(delay_s)


class CpuClock(SystemClock):
    """The system's clock, but durations count the processor time of this process: waiting takes none."""

    def monotonic_s(self) -> float:
        """Seconds of processor time."""
        return time.process_time()


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, handed on and never recomputed."""

    at_s: float

    @classmethod
    def after(cls, timeout_s: float, clock: Clock) -> "Deadline":
        """Return the deadline `timeout_s` seconds from now."""
        return cls(clock.monotonic_s() + timeout_s)

    @classmethod
    def never(cls) -> "Deadline":
        """Return a deadline that does not come."""
        return cls(math.inf)

    def remaining_s(self, clock: Clock) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self.at_s - clock.monotonic_s())

    def has_passed(self, clock: Clock) -> bool:
        """Whether nothing is left."""
        return clock.monotonic_s() >= self.at_s

    def at_most(self, timeout_s: float, clock: Clock) -> "Deadline":
        """Return the earlier of this deadline and `timeout_s` seconds from now."""
        return Deadline(min(self.at_s, clock.monotonic_s() + timeout_s))
