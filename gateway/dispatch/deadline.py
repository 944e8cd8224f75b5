"""The innermost layer: calls the backend and lets it take no longer than it may."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.backends.base import Backend
from gateway.clock import Clock, Deadline
from gateway.dispatch.pace import Paces
from gateway.dispatch.turn import Try, Turn, seconds_left
from gateway.errors import BackendCutShort, BackendSilent, NotCapable, StreamTruncated
from gateway.types import Chunk, FinishReason, Reason

LEAST_S = 0.001
"""Less time than this is none: a timer may fire a little early."""

EVIDENCE = 0.5
"""A model is blamed for silence only if it had this share of what the policy grants; otherwise callers
with short deadlines could open its breaker for everybody."""


def is_over(deadline: Deadline, clock: Clock) -> bool:
    """Say whether nothing useful is left of a deadline."""
    return deadline.remaining_s(clock) < LEAST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the backend may take until its first text (or, unary, its whole answer)."""

    now_s: float
    until: Deadline
    granted_s: float
    """What the policy grants, of which `until` may be only a part."""


def patience(turn: Turn, clock: Clock) -> Patience:
    """Return how long a try that begins now may take, and how much of that the policy grants."""
    resilience = turn.policy.resilience
    granted_s = resilience.attempt_s
    if turn.is_streamed:
        granted_s = turn.spec.first_token_s or resilience.first_token_s
    now_s = clock.monotonic_s()
    until = turn.share(clock).at_most(granted_s, clock)
    return Patience(now_s=now_s, until=until, granted_s=granted_s)


def silence(turn: Turn, allowed: Patience) -> BackendSilent:
    """Return the error of a backend that used up its patience without a word."""
    had_s = allowed.until.at_s - allowed.now_s
    message = f"nothing came in {had_s:.3g} s"
    if had_s >= EVIDENCE * allowed.granted_s:
        return BackendSilent(turn.model, message)
    is_callers = allowed.until.at_s >= turn.deadline.at_s
    reason = Reason.DEADLINE if is_callers else Reason.UPSTREAM_SILENT
    return BackendCutShort(turn.model, message, reason=reason)


class Within:
    """Calls the backend of a try; raises BackendSilent before the first text, StreamTruncated after it.

    While another model follows, half of what is left is for the first text; a stream that speaks may
    go on until the caller's deadline, as long as it never pauses for more than `stall_s`.
    """

    def __init__(self, backends: Mapping[str, Backend], *, clock: Clock, paces: Paces) -> None:
        self._backends = backends
        self._clock = clock
        self._paces = paces

    def __call__(self, attempt: Try, /) -> AsyncGenerator[Chunk, None]:
        """Yield chunks with text, and the last one; nothing after it."""
        return self._stream(attempt) if attempt.turn.is_streamed else self._whole(attempt)

    async def _whole(self, attempt: Try) -> AsyncGenerator[Chunk, None]:
        turn = attempt.turn
        allowed = patience(turn, self._clock)
        call = turn.call(allowed.until, traceparent=attempt.traceparent)
        try:
            async with self._limit(allowed.until) as limit:
                reply = await self._backends[turn.model].generate(call)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._give_up(turn, allowed) from None
        finally:
            attempt.upstream_s = self._clock.monotonic_s() - allowed.now_s
        self._paces.note_whole(
            turn.model,
            attempt.upstream_s,
            tokens=reply.usage.completion_tokens if reply.usage is not None else 0,
            hit_limit=reply.finish_reason is FinishReason.LENGTH,
        )
        yield attempt.note(Chunk(text=reply.text, finish_reason=reply.finish_reason, usage=reply.usage))

    async def _stream(self, attempt: Try) -> AsyncGenerator[Chunk, None]:
        turn = attempt.turn
        allowed = patience(turn, self._clock)
        call = turn.call(turn.deadline, traceparent=attempt.traceparent)
        async with _closing(self._backends[turn.model].stream(call)) as chunks:
            try:
                chunk = await self._first(chunks, attempt, allowed)
            finally:
                attempt.upstream_s = begin_s = self._clock.monotonic_s() - allowed.now_s
            if turn.continue_final_message and not chunk.text:
                # Perhaps it took the text so far for a whole answer, and then it is none.
                raise NotCapable(turn.model, "it was given the beginning of an answer and added nothing")
            attempt.first_text_s = begin_s
            pieces = 1
            yield chunk
            while chunk.finish_reason is None:
                # Time in which the reader keeps us waiting is not the model's.
                asked_s = self._clock.monotonic_s()
                try:
                    chunk = attempt.note(await self._next(chunks, turn, allowed))
                finally:
                    attempt.upstream_s += self._clock.monotonic_s() - asked_s
                if chunk.finish_reason is not None:
                    self._note_stream(attempt, chunk, begin_s=begin_s, pieces=pieces)
                if chunk.text or chunk.finish_reason is not None:
                    pieces += 1
                    yield chunk

    async def _first(self, chunks: AsyncIterator[Chunk], attempt: Try, allowed: Patience) -> Chunk:
        turn = attempt.turn
        try:
            async with self._limit(allowed.until) as limit:
                async for chunk in chunks:
                    if attempt.note(chunk).text or chunk.finish_reason is not None:
                        return chunk
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._give_up(turn, allowed) from None
        raise StreamTruncated(turn.model, "the stream ended before it began")

    async def _next(self, chunks: AsyncIterator[Chunk], turn: Turn, allowed: Patience) -> Chunk:
        stall_s = turn.policy.resilience.stall_s
        until = turn.deadline.at_most(stall_s, self._clock)
        try:
            async with self._limit(until) as limit:
                return await anext(chunks)
        except StopAsyncIteration:
            raise StreamTruncated(turn.model, "the stream ended without a finish reason") from None
        except TimeoutError:
            if not limit.expired():
                raise
        self._paces.note_unfinished(turn.model, self._clock.monotonic_s() - allowed.now_s)
        if until == turn.deadline:
            raise BackendCutShort(
                turn.model, "the caller's time ran out in the middle", reason=Reason.DEADLINE
            )
        raise StreamTruncated(turn.model, f"the stream paused for more than {stall_s:g} s")

    def _give_up(self, turn: Turn, allowed: Patience) -> BackendSilent:
        self._paces.note_unfinished(turn.model, self._clock.monotonic_s() - allowed.now_s)
        return silence(turn, allowed)

    def _note_stream(self, attempt: Try, last: Chunk, *, begin_s: float, pieces: int) -> None:
        usage = attempt.usage
        self._paces.note_stream(
            attempt.turn.model,
            begin_s=begin_s,
            seconds=attempt.upstream_s,
            tokens=usage.completion_tokens if usage is not None else pieces,
            hit_limit=last.finish_reason is FinishReason.LENGTH,
        )

    def _limit(self, until: Deadline) -> asyncio.Timeout:
        return asyncio.timeout(seconds_left(until, self._clock))


@asynccontextmanager
async def _closing(chunks: AsyncIterator[Chunk]) -> AsyncGenerator[AsyncIterator[Chunk], None]:
    """Close an iterator at the end of the block if it is a generator, as those of backends are."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
