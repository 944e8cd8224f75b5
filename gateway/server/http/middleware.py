"""Between aiohttp and a dialect: who calls, until when, and errors on the way out; the same for all."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from aiohttp import web

from gateway.clock import Clock
from gateway.dispatch.failure_summary import code_of
from gateway.domain.answer import Answer, Delta, Route, StreamEvent
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.request import Request
from gateway.errors import InvalidRequest, NotDegraded
from gateway.pipeline.buffered import deltas_of
from gateway.pipeline.context import CallContext, IncomingRequest
from gateway.pipeline.run import Pipeline
from gateway.pipeline.steps import Steps
from gateway.server.access import Caller
from gateway.server.calls import Calls, OpenCall
from gateway.server.http.body import parse_body, read_body
from gateway.server.http.dialect import Body, EventWriter, HttpDialect, Served
from gateway.server.http.reply import HttpReply, answer_headers, decision_headers, model_of
from gateway.server.http.request_headers import (
    caller_of,
    check_headers,
    due_of,
    hints_of,
    labels_of,
    request_id_of,
    session_id_of,
    shows_decision,
)
from gateway.server.validation.request import checking_steps
from gateway.tasks import child
from gateway.telemetry.report import Operation

BYTES_PER_TOKEN = 4
PING_EVERY_S = 15.0
"""A stream that says nothing for so long is given a sign of life, for proxies between."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A call that has begun: its request as bytes and as JSON, and the pipeline that serves it."""

    call: OpenCall
    headers: Caller
    body: Body
    size: int
    """Bytes of the body."""
    context: CallContext
    pipeline: Pipeline
    reply: HttpReply
    served: Served

    def incoming(self, dialect: HttpDialect) -> IncomingRequest:
        """Return a request that is checked when it is admitted."""
        return IncomingRequest(
            prompt_tokens=math.ceil(self.size / BYTES_PER_TOKEN),
            parse=lambda: self._steps(dialect),
        )

    def _steps(self, dialect: HttpDialect) -> Steps[Request]:
        """Take what the body says, which writes its schemas out as texts, then check it."""
        yield _schema_chars(self.body)
        request = dialect.parse(self.body, self._base(), self.pipeline.policy.http)
        return (yield from checking_steps(request))

    def _base(self) -> Request:
        """Return what the headers say of a request."""
        headers, context = self.headers.headers, self.context
        hints = hints_of(headers, allow_degraded=self.pipeline.policy.http.allow_degraded)
        if self.pipeline.policy.handoff is not None:
            # A person is asked in place of models also where the canned reply itself is held back.
            hints = replace(hints, allow_degraded=True)
        return Request(
            request_id=context.request_id,
            tenant=context.tenant,
            messages=(),
            hints=hints,
            labels=labels_of(headers),
            languages=context.languages,
            session_id=session_id_of(headers),
        )

    def refuse_canned(self, answer: Answer) -> None:
        """Raise NotDegraded for a canned reply that the caller does not take."""
        degraded = answer.degraded
        allowed = hints_of(self.headers.headers, allow_degraded=self.pipeline.policy.http.allow_degraded)
        if degraded is None or allowed.allow_degraded:
            return
        raise NotDegraded(
            f"no model may or can answer ({degraded.reason})",
            reason=degraded.reason,
            code=code_of(degraded.reason, answer.decision),
            attempts=answer.attempts,
            retry_after_s=degraded.retry_after_s,
            degraded=degraded,
        )


class HttpMiddleware:
    """Wraps dialects; its calls are among those of `calls`."""

    def __init__(self, calls: Calls, *, max_request_bytes: int, clock: Clock) -> None:
        self._calls = calls
        self._max_bytes = max_request_bytes
        self._clock = clock

    def answers(self, dialect: HttpDialect) -> Handler:
        """Return the handler of an endpoint that answers, whole or in a stream as the request wants it."""
        operation = _operation(dialect.method)

        async def serve(http: web.Request) -> web.StreamResponse:
            reply = HttpReply(http, dialect, clock=self._clock)
            async with self._begun(operation, http, reply) as http_call:
                if http_call.body.get("stream") is True:
                    await self._stream(http_call, dialect)
                else:
                    await self._whole(http_call, dialect)
            return reply.response

        return serve

    def unary(
        self, method: str, dialect: HttpDialect, handler: Callable[[HttpCall], Awaitable[Any]]
    ) -> Handler:
        """Return the handler of an endpoint that returns one JSON value; errors have the dialect's shape."""
        operation = _operation(method)

        async def serve(http: web.Request) -> web.StreamResponse:
            reply = HttpReply(http, dialect, clock=self._clock)
            async with self._begun(operation, http, reply) as http_call:
                await reply.send(await handler(http_call), {})
            return reply.response

        return serve

    @asynccontextmanager
    async def _begun(
        self, operation: Operation, http: web.Request, reply: HttpReply
    ) -> AsyncIterator[HttpCall]:
        """Open and begin a call; what it leaves for afterwards is done when its answer was sent.

        A stranger's bytes are not read.
        """
        caller = caller_of(http)
        headers = caller.headers
        async with self._calls.open(operation, caller, fail=reply.fail) as call:
            due = due_of(headers, self._clock)
            await call.authenticate(due=due, own_id=partial(request_id_of, headers, new_id=""))
            check_headers(headers)
            data = b""
            if http.body_exists:
                data = await read_body(
                    http, max_bytes=self._max_bytes, deadline=call.deadline, clock=self._clock
                )
            try:
                body = _with_model(parse_body(data) if data else {}, http)
            except InvalidRequest:
                call.count_unread()
                raise
            served = Served(
                request_id=request_id_of(headers, new_id=call.request_id),
                created_unix_s=int(self._clock.unix_s()),
                shows_decision=shows_decision(headers),
            )
            with call.begin(request_id=served.request_id) as (context, pipeline):
                yield HttpCall(
                    call=call,
                    headers=caller,
                    body=body,
                    size=len(data),
                    context=context,
                    pipeline=pipeline,
                    reply=reply,
                    served=served,
                )
            if (afterwards := call.summary.afterwards) is not None:
                afterwards()

    async def _whole(self, http_call: HttpCall, dialect: HttpDialect) -> None:
        answer = await http_call.pipeline.run(http_call.incoming(dialect), http_call.context)
        http_call.refuse_canned(answer)
        body = dialect.whole(answer, http_call.body, http_call.served)
        await http_call.reply.send(body, answer_headers(http_call.served.request_id, answer))

    async def _stream(self, http_call: HttpCall, dialect: HttpDialect) -> None:
        """Send the pieces as they come. The first one decides between a status and an event for an error."""
        events = http_call.pipeline.stream(
            http_call.incoming(dialect), http_call.context, delivery=Delivery.FINAL_PIECES
        )
        stream = _Stream(http_call, dialect.events(http_call.body, http_call.served), clock=self._clock)
        async with aclosing(events), stream.pinging():
            await stream.send(events)


class _Stream:
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
        await self._write(self._writer.begin(model))

    async def _finish(self, answer: Answer) -> None:
        if not self._has_begun:
            shown = replace(answer, model=model_of(answer))
            await self._begin(answer.decision, shown.model)
            for delta in deltas_of(shown):
                await self._write(self._writer.delta(delta))
        await self._write(self._writer.end(answer))
        await self._http_call.reply.end()

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


def _operation(method: str) -> Operation:
    attributes = {"http.request.method": "POST", "http.route": method}
    return Operation(transport="http", method=method, span_name=f"POST {method}", span_attributes=attributes)


def _with_model(body: dict[str, Any], http: web.Request) -> dict[str, Any]:
    """Return the body, with the model that the path names."""
    model = http.match_info.get("model")
    return body if model is None else {**body, "model": model}


def _schema_chars(body: Body) -> int:
    """Return about how many characters the JSON schemas of a request have."""
    return sum(_length(body.get(name)) for name in ("tools", "response_format", "text", "output_config"))


def _length(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(len(key) + 4 + _length(each) for key, each in value.items())
        case list():
            return sum(2 + _length(each) for each in value)
    return 4
