"""Between aiohttp and a dialect: who calls, until when, and errors on the way out; the same for all."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from aiohttp import web

from gateway.clock import Clock
from gateway.domain.delivery import Delivery
from gateway.errors import GatewayError, Unsupported
from gateway.server.access import Caller
from gateway.server.calls import Calls, OpenCall
from gateway.server.http.body import BodyReader, parse_body
from gateway.server.http.dialect import HttpDialect, Served
from gateway.server.http.event_stream import EventStream
from gateway.server.http.http_call import HttpCall
from gateway.server.http.reply import HttpReply, answer_headers, id_headers
from gateway.server.http.request_headers import (
    caller_of,
    check_headers,
    due_of,
    request_id_of,
    shows_decision,
)
from gateway.telemetry.report import Operation

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpMiddleware:
    """Wraps dialects; its calls are among those of `calls`."""

    def __init__(self, calls: Calls, *, max_request_bytes: int, clock: Clock) -> None:
        self._calls = calls
        self._bodies = BodyReader(max_bytes=max_request_bytes, clock=clock)
        self._clock = clock

    def answers(self, dialect: HttpDialect, route: str = "") -> Handler:
        """Return the handler of an endpoint that answers, whole or in a stream as the request wants it.

        `route` is its path, for traces.
        """
        operation = _operation(dialect.method, route)

        async def answer(http_call: HttpCall) -> None:
            if http_call.body.get("stream") is True:
                await self._stream(http_call, dialect)
            else:
                await self._whole(http_call, dialect)

        return self._handler(operation, dialect, answer)

    def unary(
        self,
        method: str,
        dialect: HttpDialect,
        handler: Callable[[HttpCall], Awaitable[Any]],
        *,
        verb: str = "POST",
        route: str = "",
    ) -> Handler:
        """Return the handler of an endpoint that returns one JSON value; errors have the dialect's shape."""

        async def answer(http_call: HttpCall) -> None:
            value = await handler(http_call)
            with http_call.call.reading(self._clock):
                headers = id_headers(http_call.served.request_id)
                await http_call.reply.send(value, headers, http_call.context.deadline)

        return self._handler(_operation(method, route, verb), dialect, answer)

    def _handler(
        self, operation: Operation, dialect: HttpDialect, answer: Callable[[HttpCall], Awaitable[None]]
    ) -> Handler:
        """Return a handler that opens a call, begins it, and sends what `answer` or an error says."""

        async def serve(http: web.Request) -> web.StreamResponse:
            reply, caller = HttpReply(http, dialect, clock=self._clock), caller_of(http)
            async with self._calls.open(operation, caller, fail=reply.fail) as call:
                reply.call = call
                await self._serve(call, caller, http, reply, answer)
            return reply.response

        return serve

    async def _serve(
        self,
        call: OpenCall,
        caller: Caller,
        http: web.Request,
        reply: HttpReply,
        answer: Callable[[HttpCall], Awaitable[None]],
    ) -> None:
        """Serve a call; what it leaves for afterwards is done when its answer was sent.

        A stranger's bytes are not read. What the path names, a model, is a member of the body.
        """
        headers = caller.headers
        due = due_of(headers, self._clock)
        await call.authenticate(due=due, own_id=partial(request_id_of, headers, new_id=""))
        check_headers(headers)
        data = b""
        try:
            if http.body_exists:
                data = await self._bodies.read(http, tenant=call.tenant, deadline=call.deadline)
            body = reply.body = {**(parse_body(data) if data else {}), **http.match_info}
        except GatewayError:
            call.count_unread()
            raise
        _check_can_stream(body, http)
        served = Served(
            request_id=request_id_of(headers, new_id=call.request_id),
            created_unix_s=int(self._clock.unix_s()),
            shows_decision=shows_decision(headers),
        )
        with call.begin(request_id=served.request_id) as (context, pipeline):
            await answer(
                HttpCall(
                    call=call,
                    headers=caller,
                    query=http.query,
                    body=body,
                    size=len(data),
                    context=context,
                    pipeline=pipeline,
                    reply=reply,
                    served=served,
                )
            )
        if (afterwards := call.summary.afterwards) is not None:
            afterwards()

    async def _whole(self, http_call: HttpCall, dialect: HttpDialect) -> None:
        answer = await http_call.pipeline.run(http_call.incoming(dialect), http_call.context)
        http_call.refuse_canned(answer)
        body = dialect.whole(answer, http_call.body, http_call.served)
        headers = answer_headers(http_call.served.request_id, answer)
        with http_call.call.reading(self._clock):
            await http_call.reply.send(body, headers, http_call.context.deadline)

    async def _stream(self, http_call: HttpCall, dialect: HttpDialect) -> None:
        """Send the pieces as they come. The first one decides between a status and an event for an error."""
        events = http_call.pipeline.stream(
            http_call.incoming(dialect), http_call.context, delivery=Delivery.FINAL_PIECES
        )
        stream = EventStream(http_call, dialect, clock=self._clock)
        async with aclosing(events), stream.pinging():
            await stream.send(events)


def _operation(method: str, route: str, verb: str = "POST") -> Operation:
    path = route or method
    attributes = {"http.request.method": verb, "http.route": path}
    return Operation(transport="http", method=method, span_name=f"{verb} {path}", span_attributes=attributes)


def _check_can_stream(body: dict[str, Any], http: web.Request) -> None:
    """Raise Unsupported for a stream over HTTP/1.0, where one that is cut looks like a whole one."""
    if body.get("stream") is True and http.version < (1, 1):
        raise Unsupported("stream", "needs HTTP/1.1; in nginx, proxy_http_version 1.1")
