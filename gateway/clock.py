"""Time as an argument: the only file that reads a clock."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Protocol


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
