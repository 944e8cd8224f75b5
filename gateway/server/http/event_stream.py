"""One streamed answer on its way to the caller."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from gateway.clock import Clock
from gateway.domain.answer import Answer, Delta, Route, StreamEvent
from gateway.domain.decision import Decision
from gateway.errors import DeadlinePassed
from gateway.pipeline.buffered import deltas_of
from gateway.server.http.dialect import EventWriter, HttpDialect
from gateway.server.http.http_call import HttpCall
from gateway.server.http.reply import cached_headers, decision_headers, degraded_headers, model_of
from gateway.tasks import child

PING_EVERY_S = 15.0
"""A stream that says nothing for so long is given a sign of life, for proxies between."""


class EventStream:
    """One streamed answer on its way to the caller."""

    def __init__(self, http_call: HttpCall, dialect: HttpDialect, *, clock: Clock) -> None:
        self._http_call = http_call
        self._dialect = dialect
        self._clock = clock
        self._writer: EventWriter | None = None
        """Until the answer begins, there is none."""
        self._has_ended = False
        self._written_s = 0.0

    async def send(self, events: AsyncGenerator[Decision | StreamEvent, None]) -> None:
        """Send what comes, to the end."""
        decision: Decision | None = None
        async for event in events:
            match event:
                case Decision():
                    decision = event
                case Delta():
                    assert decision is not None
                    writer = self._writer or await self._begin(decision, event.model, cached_headers(event))
                    await self._write(writer.delta(event))
                case Answer():
                    self._http_call.refuse_canned(event)
                    await self._finish(event)

    async def _begin(self, decision: Decision, model: str, more: Mapping[str, str]) -> EventWriter:
        """Begin the response with the first piece, and return its writer; `more` are further headers."""
        http_call, reply = self._http_call, self._http_call.reply
        headers = {**decision_headers(http_call.served.request_id, decision, model=model), **more}
        spec = http_call.pipeline.policy.models.get(model)
        headers["x-gateway-route"] = (Route.CANNED if spec is None else spec.route).lower()
        writer = self._dialect.events(http_call.body, http_call.served)
        await reply.begin(writer, headers)
        self._writer = writer
        facts = decision.routing_input
        await self._write(writer.begin(model, prompt_tokens=0 if facts is None else facts.prompt_tokens))
        return writer

    async def _finish(self, answer: Answer) -> None:
        shown = answer if answer.degraded is None else replace(answer, model=model_of(answer))
        writer = self._writer
        if writer is None:
            writer = await self._begin(
                answer.decision, shown.model, cached_headers(answer) | degraded_headers(answer)
            )
            for delta in deltas_of(shown):
                await self._write(writer.delta(delta))
        self._has_ended = True
        await self._write(writer.end(answer))
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
        while not self._has_ended:
            silent_s = 0.0 if self._writer is None else self._clock.monotonic_s() - self._written_s
            if self._writer is not None and silent_s >= PING_EVERY_S:
                with suppress(DeadlinePassed):  # The piece that follows says so, to the caller too.
                    await self._write(self._writer.ping())
                silent_s = 0.0
            await self._clock.sleep(PING_EVERY_S - silent_s)
