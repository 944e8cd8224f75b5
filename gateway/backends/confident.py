"""A backend that says nothing until it is sure: the first tokens are held back, then given or dropped."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from gateway.backends.base import Backend, Call
from gateway.backends.confidence import confidence, signals_of
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Reply, TokenConfidence
from gateway.domain.assembly import Assembly
from gateway.errors import NotConfident, StreamTruncated
from gateway.policy.escalation import Escalate


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
        inner = self._inner.stream(call)
        try:
            async for chunk in inner:
                if window.is_over or chunk == Chunk():
                    # A sign of life is no beginning of an answer.
                    yield chunk
                    continue
                window.take(chunk, now_ms=self._clock.monotonic_s() * 1000)
                if not window.is_over:
                    if not window.certainties:  # It thinks: a sign of life for whoever waits.
                        yield Chunk()
                    continue
                self._judge(window, escalate, chunk)
                for held in window.held:
                    yield held
        finally:
            if isinstance(inner, AsyncGenerator):
                await inner.aclose()

    def _judge(self, window: "Window", escalate: Escalate, latest: Chunk) -> None:
        if not window.certainties:  # A backend that cannot tell is taken at its word.
            return
        measured = confidence(signals_of(window.certainties), escalate.calibration)
        if measured < escalate.below:
            raise NotConfident(self.name, confidence=measured, below=escalate.below, usage=latest.usage)


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
