"""The innermost layer: calls the backend and lets it take no longer than it may."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass, replace

from gateway.backends.base import Backend
from gateway.clock import Clock, Deadline
from gateway.dispatch.latency import LatencyTracker
from gateway.dispatch.layer import AttemptContext, Target, seconds_left
from gateway.dispatch.pauses import PausedTooLong, Pauses, pause_until_s
from gateway.domain.answer import Chunk, FinishReason
from gateway.domain.assembly import Assembly
from gateway.domain.decision import Reason
from gateway.errors import (
    BackendCutShort,
    BackendError,
    BackendProtocol,
    BackendReset,
    BackendSilent,
    NotCapable,
    StreamTruncated,
)

LEAST_S = 0.001
"""Less time than this is none: a timer may fire a little early."""

EVIDENCE = 0.5
"""A model is blamed for silence only if it had this share of what the policy grants; otherwise callers
with short deadlines could open its breaker for everybody."""

LONG_SILENCE_S = 5.0
"""A connection that breaks later than this (or than half of what the policy grants) broke on silence:
another try would take as long. What a retry heals, such as a kept connection that was closed meanwhile,
shows sooner."""


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


def patience(target: Target, clock: Clock) -> Patience:
    """Return how long a try that begins now may take, and how much of that the policy grants."""
    resilience = target.policy.resilience
    granted_s = resilience.attempt_s
    if target.is_streamed_upstream:
        granted_s = target.spec.first_token_within_s(resilience.first_token_s, is_last=target.is_last)
    now_s = clock.monotonic_s()
    until = target.share(clock).at_most(granted_s, clock)
    return Patience(now_s=now_s, until=until, granted_s=granted_s)


def silence(target: Target, allowed: Patience) -> BackendSilent:
    """Return the error of a backend that used up its patience without a word."""
    had_s = allowed.until.at_s - allowed.now_s
    message = f"nothing came in {had_s:.3g} s"
    if had_s >= EVIDENCE * allowed.granted_s:
        return BackendSilent(target.model, message)
    is_callers = allowed.until.at_s >= target.deadline.at_s
    reason = Reason.DEADLINE if is_callers else Reason.UPSTREAM_SILENT
    return BackendCutShort(target.model, message, reason=reason)


def broken_silence(target: Target, error: BackendError, allowed: Patience, *, had_s: float) -> BackendError:
    """Return what a connection that broke without an answer means: silence, if it took that long."""
    is_break = isinstance(error, BackendReset | BackendProtocol) and error.http_status is None
    if is_break and had_s >= min(EVIDENCE * allowed.granted_s, LONG_SILENCE_S):
        return BackendSilent(target.model, f"it closed the connection after {had_s:.3g} s without an answer")
    return error


class TimeLimit:
    """Calls the backend of a try; raises BackendSilent before the first text, StreamTruncated after it.

    While another model follows, half of what is left is for the first text; a stream that speaks or thinks
    may go on until the caller's deadline, as long as it never pauses for more than `stall_s`, nor, while
    another model follows, for more than half of what is left (or `RHYTHM` times its longest pause so far).
    """

    def __init__(self, backends: Mapping[str, Backend], *, clock: Clock, latencies: LatencyTracker) -> None:
        self._backends = backends
        self._clock = clock
        self._latencies = latencies

    def __call__(self, attempt: AttemptContext, /) -> AsyncGenerator[Chunk, None]:
        """Yield chunks with text, and the last one; nothing after it."""
        target = attempt.target
        if target.is_streamed:
            return self._stream(attempt, until=target.deadline)
        return self._joined(attempt) if target.is_streamed_upstream else self._whole(attempt)

    async def _joined(self, attempt: AttemptContext) -> AsyncGenerator[Chunk, None]:
        """Yield a stream in one piece: as long as it goes on it may take what the caller's time allows."""
        now_s, until = self._clock.monotonic_s(), attempt.target.share(self._clock)
        answer = Assembly()
        try:
            async with self._limit(until) as limit, aclosing(self._stream(attempt, until=until)) as chunks:
                async for chunk in chunks:
                    answer.add(chunk)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._give_up(
                attempt.target, Patience(now_s=now_s, until=until, granted_s=math.inf)
            ) from None
        yield replace(answer.chunk(), usage=attempt.usage)

    async def _whole(self, attempt: AttemptContext) -> AsyncGenerator[Chunk, None]:
        target = attempt.target
        allowed = patience(target, self._clock)
        call = target.call(allowed.until, traceparent=attempt.traceparent)
        try:
            async with self._limit(allowed.until) as limit:
                reply = await self._backends[target.model].generate(call)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._give_up(target, allowed) from None
        except BackendError as error:
            raise self._broken(target, error, allowed) from None
        finally:
            attempt.upstream_s = self._clock.monotonic_s() - allowed.now_s
        self._latencies.note_whole(
            target.model,
            attempt.upstream_s,
            tokens=reply.usage.completion_tokens if reply.usage is not None else 0,
            hit_limit=reply.finish_reason is FinishReason.LENGTH,
        )
        yield attempt.note(reply.as_chunk())

    async def _stream(self, attempt: AttemptContext, *, until: Deadline) -> AsyncGenerator[Chunk, None]:
        target = attempt.target
        allowed = patience(target, self._clock)
        call = target.call(until, traceparent=attempt.traceparent)
        async with _closing(self._backends[target.model].stream(call)) as chunks:
            try:
                chunk = await self._first(chunks, attempt, allowed)
            finally:
                attempt.upstream_s = begin_s = self._clock.monotonic_s() - allowed.now_s
            if target.continue_final_message and not chunk.has_output:
                # Perhaps it took the text so far for a whole answer, and then it is none.
                raise NotCapable(target.model, "it was given the beginning of an answer and added nothing")
            if target.is_streamed:  # Of a whole answer nobody saw the first text.
                attempt.first_text_s = begin_s
            pieces = chunk.pieces
            yield chunk
            with closing(Pauses(target, self._clock)) as pauses:
                while chunk.finish_reason is None:
                    try:
                        chunk = attempt.note(await pauses.next(chunks))
                    except StopAsyncIteration:
                        ended = "the stream ended without a finish reason"
                        raise StreamTruncated(target.model, ended) from None
                    except PausedTooLong as pause:
                        seconds = self._clock.monotonic_s() - allowed.now_s
                        raise self._stalled(target, pause, begin_s, seconds=seconds, pieces=pieces) from None
                    finally:
                        attempt.upstream_s = begin_s + pauses.waited_s
                    if chunk.finish_reason is not None:
                        self._note_stream(attempt, begin_s=begin_s, pieces=pieces)
                    elif not chunk.has_output:
                        continue
                    pieces += chunk.pieces
                    yield chunk

    async def _first(self, chunks: AsyncIterator[Chunk], attempt: AttemptContext, allowed: Patience) -> Chunk:
        """Return the first piece that says something; each sign of life before it gives it more time.

        An engine's sign says that it reads the prompt, or that others are before this one: it is not to blame
        for its silence, and has no more time where another model follows.
        """
        target = attempt.target
        is_engine = target.spec.has_engine
        try:
            async with self._limit(allowed.until) as limit:
                async for chunk in chunks:
                    if attempt.note(chunk).has_output or chunk.finish_reason is not None:
                        return chunk
                    if is_engine:
                        allowed = replace(allowed, granted_s=math.inf)
                    more = Deadline(pause_until_s(target, self._clock.monotonic_s()))
                    if more.at_s > allowed.until.at_s and (target.is_last or not is_engine):
                        allowed = replace(allowed, until=more)
                        limit.reschedule(asyncio.get_running_loop().time() + more.remaining_s(self._clock))
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._give_up(target, allowed) from None
        except BackendError as error:
            raise self._broken(target, error, allowed) from None
        raise StreamTruncated(target.model, "the stream ended before it began")

    def _stalled(
        self, target: Target, pause: PausedTooLong, begin_s: float, *, seconds: float, pieces: int
    ) -> BackendError:
        """Note of a stream that it had come so far when it paused for too long, and return its error."""
        model = target.model
        if pause.is_deadline:
            self._latencies.note_cut(model, begin_s=begin_s, seconds=seconds, tokens=pieces)
            return BackendCutShort(model, "the caller's time ran out in the middle", reason=Reason.DEADLINE)
        self._latencies.note_unfinished(model, seconds)
        message = f"the stream paused for more than {pause.had_s:.3g} s"
        if pause.had_s < EVIDENCE * target.policy.resilience.stall_s:
            return BackendCutShort(model, message, reason=Reason.STREAM_TRUNCATED)
        return StreamTruncated(model, message)

    def _broken(self, target: Target, error: BackendError, allowed: Patience) -> BackendError:
        had_s = self._clock.monotonic_s() - allowed.now_s
        return broken_silence(target, error, allowed, had_s=had_s)

    def _give_up(self, target: Target, allowed: Patience) -> BackendSilent:
        error = silence(target, allowed)
        is_hurry = isinstance(error, BackendCutShort) and not target.is_streamed_upstream
        self._latencies.note_unfinished(
            target.model,
            self._clock.monotonic_s() - allowed.now_s,
            max_tokens=target.max_tokens if is_hurry else 0,
        )
        return error

    def _note_stream(self, attempt: AttemptContext, *, begin_s: float, pieces: int) -> None:
        usage = attempt.usage
        self._latencies.note_stream(
            attempt.target.model,
            begin_s=begin_s,
            seconds=attempt.upstream_s,
            tokens=usage.completion_tokens if usage is not None else pieces,
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
