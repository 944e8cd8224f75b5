"""A backend that says nothing until it is sure: the first tokens are held back, then given or dropped."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from gateway.backends.agreement import Samples, agreement, answer_key, tokens_of
from gateway.backends.base import Backend, Call
from gateway.backends.confidence import confidence, signals_of
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Reply, TokenConfidence
from gateway.domain.assembly import Assembly, assembled
from gateway.errors import NotConfident, StreamTruncated
from gateway.policy.escalation import Agreement, Escalate


class ConfidenceGuard:
    """Wraps a backend; raises NotConfident for a call that may escalate and an answer that begins unsurely.

    A call that may not escalate passes as it is.
    """

    def __init__(self, inner: Backend, *, clock: Clock) -> None:
        self.name = inner.name
        self._inner = inner
        self._clock = clock

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer."""
        if call.escalate is None:
            return await self._inner.generate(call)
        answer = Assembly()
        async with aclosing(self._confident(call, call.escalate)) as chunks:
            async for chunk in chunks:
                answer.add(chunk)
        if not answer.is_whole:
            raise StreamTruncated(self.name, "the answer ended without a finish reason")
        return answer.reply()

    def stream(self, call: Call) -> AsyncIterator[Chunk]:
        """Yield the answer in pieces, the held ones together."""
        if call.escalate is None:
            return self._inner.stream(call)
        return self._confident(call, call.escalate)

    async def aclose(self) -> None:
        """Free what the inner backend holds."""
        await self._inner.aclose()

    async def _confident(self, call: Call, escalate: Escalate) -> AsyncGenerator[Chunk, None]:
        window = Window(escalate)
        sample_tokens = 0
        inner = self._inner.stream(call)
        try:
            async for chunk in inner:
                if window.is_over or chunk == Chunk():
                    # A sign of life is no beginning of an answer.
                    yield _with_samples(chunk, sample_tokens)
                    continue
                window.take(chunk, now_ms=self._now_ms)
                if not window.is_over:
                    if not window.certainties:  # It thinks: a sign of life for whoever waits.
                        yield Chunk()
                    continue
                asked = self._judge(window, escalate, chunk)
                if asked is not None:
                    async with Samples(self._inner, call, asked) as samples:
                        async with aclosing(self._beside(samples, asked, window, inner)) as signs:
                            async for sign in signs:
                                yield sign
                        sample_tokens = samples.tokens
                for held in window.held:
                    yield _with_samples(held, sample_tokens)
        finally:
            if isinstance(inner, AsyncGenerator):
                await inner.aclose()

    @property
    def _now_ms(self) -> float:
        return self._clock.monotonic_s() * 1000

    def _judge(self, window: "Window", escalate: Escalate, latest: Chunk) -> Agreement | None:
        """Return whether and how samples are to be compared; raises NotConfident."""
        if not window.certainties:  # A backend that cannot tell is taken at its word.
            return None
        measured = confidence(signals_of(window.certainties), escalate.calibration)
        if measured < escalate.below:
            raise NotConfident(self.name, confidence=measured, below=escalate.below, usage=latest.usage)
        asked = escalate.agreement
        return asked if asked is not None and measured < asked.sure else None

    async def _beside(
        self, samples: Samples, asked: Agreement, window: "Window", inner: AsyncIterator[Chunk]
    ) -> AsyncGenerator[Chunk, None]:
        """Hold the answer back until samples can be compared with it; yields signs of life.

        Raises NotConfident where they come to something else.
        """
        until_ms = self._now_ms + asked.window_ms
        held = window.held
        while held[-1].finish_reason is None and tokens_of(held) < asked.max_tokens:
            chunk = await anext(inner, None)
            if chunk is None:
                break
            held.append(chunk)
            yield Chunk()
            if self._now_ms >= until_ms:
                break
        keys = await samples.keys((until_ms - self._now_ms) / 1000)
        agreed = agreement(answer_key(assembled(held)), keys)
        if agreed is not None and round(agreed, 2) < asked.min_agreement:
            usage = next((each.usage for each in reversed(held) if each.usage is not None), None)
            raise NotConfident(
                self.name,
                confidence=agreed,
                below=asked.min_agreement,
                usage=None if usage is None else replace(usage, sample_tokens=samples.tokens),
                what="the agreement of its answers",
            )


def _with_samples(chunk: Chunk, tokens: int) -> Chunk:
    """Return a piece whose usage has the tokens of samples, too."""
    if not tokens or chunk.usage is None:
        return chunk
    return replace(chunk, usage=replace(chunk.usage, sample_tokens=tokens))


class Window:
    """The beginning of an answer, until it is long enough to judge, or old enough that somebody waits.

    It begins after the reasoning, which is held back, too: a caller is shown nothing that may be dropped.
    """

    def __init__(self, escalate: Escalate) -> None:
        self._escalate = escalate
        self._first_ms: float | None = None
        self._pieces = 0
        self.held: list[Chunk] = []
        self.certainties: list[TokenConfidence] = []
        self.is_over = False

    def take(self, chunk: Chunk, *, now_ms: float) -> None:
        """Hold a piece that came now."""
        self.held.append(chunk)
        if chunk.reasoning and not (chunk.text or chunk.certainties) and chunk.finish_reason is None:
            return
        if self._first_ms is None:
            self._first_ms = now_ms
        self._pieces += 1
        self.certainties += chunk.certainties
        held_ms = now_ms - self._first_ms
        # Whether the next piece would come too late is told by the pace of those that came.
        next_ms = held_ms / max(1, self._pieces - 1)
        self.is_over = (
            len(self.certainties) >= self._escalate.window_tokens
            or held_ms + next_ms > self._escalate.window_ms
            or chunk.finish_reason is not None
        )
