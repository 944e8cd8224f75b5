"""What one caller over HTTP is sent: a whole body, a stream of events, or an error."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.clock import Clock, Deadline
from gateway.domain.answer import Answer
from gateway.domain.decision import Decision
from gateway.errors import DeadlinePassed, GatewayError
from gateway.ledger.money import NANOS_PER_USD
from gateway.server.calls import OpenCall
from gateway.server.http.dialect import Body, EventWriter, HttpDialect
from gateway.server.http.http_error import http_error_of
from gateway.server.http.request_headers import REQUEST_ID

TELL_S = 1.0
"""How long a caller may take to read that its call has failed."""
EVENT_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
"""The last one keeps nginx from holding events back."""


class HttpReply:
    """The response to one request. An error is a status before the first byte, and an event after it."""

    def __init__(self, http: web.Request, dialect: HttpDialect, *, clock: Clock) -> None:
        self._http = http
        self._dialect = dialect
        self._clock = clock
        self._writer: EventWriter | None = None
        self.call: OpenCall | None = None
        """The call that is answered, once it is open."""
        self.body: Body = {}
        """The request, once it was read."""
        self.response: web.StreamResponse = web.Response(status=500)
        """What the server is given at the end; it was sent already."""

    async def send(self, body: object, headers: Mapping[str, str], deadline: Deadline) -> None:
        """Send a whole body; raises DeadlinePassed where the caller does not read."""
        response = web.json_response(body, headers=headers, dumps=_dumps)
        async with self._reading(deadline.remaining_s(self._clock)):
            await self._send(response)

    async def begin(self, writer: EventWriter, headers: Mapping[str, str]) -> None:
        """Begin a stream of events."""
        self.response = web.StreamResponse(headers={**EVENT_STREAM, **headers})
        await self.response.prepare(self._http)
        self._writer = writer

    async def write(self, events: bytes, deadline: Deadline) -> None:
        """Go on with a stream; raises DeadlinePassed where the caller does not read."""
        if events:
            async with self._reading(deadline.remaining_s(self._clock)):
                await self.response.write(events)

    async def end(self, deadline: Deadline) -> None:
        """End a stream well."""
        async with self._reading(deadline.remaining_s(self._clock)):
            await self.response.write_eof()

    async def fail(self, error: GatewayError, request_id: str) -> None:
        """Tell the caller of an error; what has begun is closed without its end, never taken for whole."""
        shown = http_error_of(
            error,
            request_id=request_id,
            place=lambda field: self._dialect.place(field, self.body),
            summary=None if self.call is None else self.call.summary,
        )
        has_begun = self.response.prepared
        try:
            async with self._reading(TELL_S):
                if self._writer is not None:
                    await self.response.write(self._writer.error(shown))
                elif not has_begun:
                    headers = {**id_headers(request_id), **shown.headers}
                    body = self._dialect.error(shown)
                    await self._send(
                        web.json_response(body, status=shown.status, headers=headers, dumps=_dumps)
                    )
        except DeadlinePassed:
            has_begun = True  # Whoever does not read its answer will not read this either.
        if has_begun:
            self._cut()

    def _cut(self) -> None:
        """Close the connection without the end of the body, once what was written is sent."""
        transport = self._http.transport
        if transport is not None:
            transport.close()
            asyncio.get_running_loop().call_later(TELL_S, transport.abort)

    @asynccontextmanager
    async def _reading(self, timeout_s: float) -> AsyncIterator[None]:
        """Bound how long the caller may take to read what the block sends."""
        try:
            async with asyncio.timeout(timeout_s) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the answer was read") from None
        except ConnectionError:
            raise asyncio.CancelledError from None  # The connection is gone: nobody reads.

    async def _send(self, response: web.Response) -> None:
        self.response = response
        await response.prepare(self._http)
        await response.write_eof()


def id_headers(request_id: str) -> dict[str, str]:
    """Return the id of a request, under the names that SDKs look for."""
    return {REQUEST_ID: request_id, "x-request-id": request_id, "request-id": request_id}


def decision_headers(request_id: str, decision: Decision, *, model: str) -> dict[str, str]:
    """Return what is known before an answer has ended: why it goes where it goes."""
    return id_headers(request_id) | {
        "x-gateway-model": model,
        "x-gateway-rule": decision.rule,
        "x-gateway-privacy-class": decision.privacy_class.name.lower(),
        "x-gateway-policy": decision.policy_hash[:12],
    }


def answer_headers(request_id: str, answer: Answer) -> dict[str, str]:
    """Return what a whole answer says of itself."""
    headers = decision_headers(request_id, answer.decision, model=model_of(answer))
    headers["x-gateway-route"] = answer.route.lower()
    headers["x-gateway-cost-usd"] = f"{answer.cost_usd_nanos / NANOS_PER_USD:.9f}"
    if answer.degraded is not None:
        headers["x-gateway-degraded"] = answer.degraded.reason.lower()
    return headers


def model_of(answer: Answer) -> str:
    """Return the name under which an answer is shown: a canned reply is never taken for a model's."""
    return answer.model if answer.degraded is None else f"canned:{answer.degraded.canned_id}"


def _dumps(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
