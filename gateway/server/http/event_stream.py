"""A streamed answer on its way to a caller over HTTP."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.clock import Clock
from gateway.domain.answer import Answer, Delta, Route, StreamEvent
from gateway.domain.decision import Decision
from gateway.pipeline.buffered import deltas_of
from gateway.server.http.dialect import EventWriter
from gateway.server.http.http_call import HttpCall
from gateway.server.http.reply import decision_headers, model_of
from gateway.tasks import child

PING_EVERY_S = 15.0
"""A stream that says nothing for so long is given a sign of life, for proxies between."""


class EventStream:
    """One streamed answer on its way to the caller."""

    def __init__(self, http_call: HttpCall, writer: EventWriter, *, clock: Clock) -> None:
        self._http_call = http_call
        self._writer = writer
        self._clock = clock
        self._has_begun = False
        self._written_s = 0.0

    async def send(self, events: AsyncGenerator[Decision | StreamEvent, None]) -> None:
        """Send what comes, to the end."""
        decision: Decision | None = None
        async for event in events:
            match event:
                case Decision():
                    decision = event
                case Delta():
                    await self._begin(decision, event.model)
                    await self._write(self._writer.delta(event))
                case Answer():
                    self._http_call.refuse_canned(event)
                    await self._finish(event)

    async def _begin(self, decision: Decision | None, model: str) -> None:
        if self._has_begun:
            return
        assert decision is not None
        self._has_begun = True
        headers = decision_headers(self._http_call.served.request_id, decision, model=model)
        spec = self._http_call.pipeline.policy.models.get(model)
        headers["x-gateway-route"] = (Route.CANNED if spec is None else spec.route).lower()
        await self._http_call.reply.begin(self._writer, headers)
        facts = decision.routing_input
        prompt_tokens = 0 if facts is None else facts.prompt_tokens
        await self._write(self._writer.begin(model, prompt_tokens=prompt_tokens))

    async def _finish(self, answer: Answer) -> None:
        if not self._has_begun:
            shown = replace(answer, model=model_of(answer))
            await self._begin(answer.decision, shown.model)
            for delta in deltas_of(shown):
                await self._write(self._writer.delta(delta))
        await self._write(self._writer.end(answer))
        await self._http_call.reply.end(self._http_call.context.deadline)

    async def _write(self, events: bytes) -> None:
        self._written_s = self._clock.monotonic_s()
        with self._http_call.call.reading(self._clock):
            await self._http_call.reply.write(events, self._http_call.context.deadline)

    @asynccontextmanager
    async def pinging(self) -> AsyncIterator[None]:
        """Send a sign of life now and then while the block runs, once the stream has begun."""
        pinger = child(self._ping(), name="signs of life")
        try:
            yield
        finally:
            pinger.cancel()

    async def _ping(self) -> None:
        while True:
            await self._clock.sleep(PING_EVERY_S)
            if self._has_begun and self._clock.monotonic_s() - self._written_s >= PING_EVERY_S:
                await self._write(self._writer.ping())
