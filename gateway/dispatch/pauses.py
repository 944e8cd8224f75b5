"""How long a stream that has begun may say nothing: the pauses that it is known for, and no stall."""

from collections.abc import AsyncIterator

from gateway.clock import Clock, WaitLimit
from gateway.dispatch.layer import Target
from gateway.domain.answer import Chunk

RHYTHM = 3.0
"""A pause this many times as long as the longest one before it is none that the stream is known for; some
providers send an answer in a few large pieces."""


def pause_until_s(target: Target, now_s: float, *, known_s: float = 0.0) -> float:
    """Return until when a stream may say nothing from now on; a pause of `known_s` is its way."""
    until_s = max(target.share_s(now_s), now_s + known_s)
    return min(until_s, target.deadline.at_s, now_s + target.policy.resilience.stall_s)


class PausedTooLong(Exception):
    """A stream said nothing for as long as it might."""

    def __init__(self, had_s: float, *, is_deadline: bool) -> None:
        super().__init__("the stream paused for too long")
        self.had_s = had_s
        self.is_deadline = is_deadline
        """Whether it was the caller's time that ran out."""


class Pauses:
    """Waits for the pieces of one stream; `close` it at the end."""

    def __init__(self, target: Target, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._limit = WaitLimit()
        self._longest_s = 0.0
        self.waited_s = 0.0
        """In all; time in which the reader keeps the model waiting is not the model's."""

    async def next(self, chunks: AsyncIterator[Chunk]) -> Chunk:
        """Return the next piece; raises PausedTooLong, and StopAsyncIteration behind the last one."""
        now_s = self._clock.monotonic_s()
        until_s = pause_until_s(self._target, now_s, known_s=RHYTHM * self._longest_s)
        try:
            with self._limit.within(until_s - now_s):
                return await anext(chunks)
        except TimeoutError:
            if not self._limit.has_expired:
                raise
            is_deadline = until_s == self._target.deadline.at_s
            raise PausedTooLong(until_s - now_s, is_deadline=is_deadline) from None
        finally:
            pause_s = self._clock.monotonic_s() - now_s
            self._longest_s = max(self._longest_s, pause_s)
            self.waited_s += pause_s

    def close(self) -> None:
        """Stop waiting."""
        self._limit.close()
