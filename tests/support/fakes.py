"""Doubles that many tests share."""

import asyncio


class FakeClock:
    """A clock that moves only when told to, or when somebody sleeps on it."""

    def __init__(self, *, unix_s: float = 1_800_000_000.0) -> None:
        self.now_s = 1000.0
        self.unix_offset_s = unix_s - self.now_s
        self.slept_s: list[float] = []

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary moment."""
        return self.now_s

    def unix_s(self) -> float:
        """Seconds since 1970 in UTC."""
        return self.now_s + self.unix_offset_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now_s += seconds

    async def sleep(self, delay_s: float) -> None:
        """Return at once, as if `delay_s` had passed."""
        self.slept_s.append(delay_s)
        self.now_s += delay_s
        await asyncio.sleep(0)
