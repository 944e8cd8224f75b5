"""What one caller over HTTP is sent: a whole body, a stream of events, or an error."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import NamedTuple

from aiohttp import web

from gateway.clock import Clock, Deadline
from gateway.domain.answer import Answer, CachedDelta, StreamEvent
from gateway.domain.decision import Decision
from gateway.errors import DeadlinePassed, GatewayError
from gateway.ledger.money import NANOS_PER_USD
from gateway.server.calls import OpenCall
from gateway.server.http.compact_json import compact_json
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


class RenderedBody(NamedTuple):
    """The JSON of a whole body, already written, with headers of its own."""

    content: bytes
    headers: Mapping[str, str]


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
        if isinstance(body, RenderedBody):
            own = {**headers, **body.headers}
            response = web.Response(body=body.content, headers=own, content_type="application/json")
        else:
            response = _json(body, 200, headers)
        await self._send(response, deadline.remaining_s(self._clock))

    async def begin(self, writer: EventWriter, headers: Mapping[str, str]) -> None:
        """Begin a stream of events."""
        self.response = web.StreamResponse(headers={**EVENT_STREAM, **headers})
        await self._taken(self.response.prepare(self._http), 0, TELL_S)
        self._writer = writer

    async def write(self, events: bytes, deadline: Deadline) -> None:
        """Go on with a stream; raises DeadlinePassed where the caller does not read."""
        if events:
            await self._taken(self.response.write(events), len(events), deadline.remaining_s(self._clock))

    async def end(self, deadline: Deadline) -> None:
        """End a stream well."""
        await self._taken(self.response.write_eof(), 0, deadline.remaining_s(self._clock))

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
            if self._writer is not None:
                event = self._writer.error(shown)
                await self._taken(self.response.write(event), len(event), TELL_S)
            elif not has_begun:
                headers = {**id_headers(request_id), **shown.headers}
                await self._send(_json(self._dialect.error(shown), shown.status, headers), TELL_S)
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

    async def _send(self, response: web.Response, timeout_s: float) -> None:
        self.response = response
        await response.prepare(self._http)
        await self._taken(response.write_eof(), response.content_length or 0, timeout_s)

    async def _taken(self, sending: Awaitable[object], size: int, timeout_s: float) -> None:
        """Send so many bytes; the caller may take so long to read what does not fit into the buffers."""
        try:
            if self._has_room(size):  # Then nothing waits, and a timer would cost more than the write.
                await sending
                return
            async with asyncio.timeout(timeout_s) as limit:
                await sending
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the answer was read") from None
        except ConnectionError:
            raise asyncio.CancelledError from None  # The connection is gone: nobody reads.

    def _has_room(self, size: int) -> bool:
        """Say whether a write returns immediately: a transport below its lower limit makes nobody wait."""
        transport = self._http.transport
        if transport is None:
            return False
        lower, _ = transport.get_write_buffer_limits()
        return transport.get_write_buffer_size() + size <= lower


def _json(body: object, status: int, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(body, status=status, headers=headers, dumps=compact_json)


def id_headers(request_id: str) -> dict[str, str]:
    """Return the id of a request, under the names that SDKs look for."""
    return {REQUEST_ID: request_id, "x-request-id": request_id, "request-id": request_id}


def decision_headers(request_id: str, decision: Decision, *, model: str) -> dict[str, str]:
    """Return what is known before an answer has ended: why it goes where it goes."""
    headers = id_headers(request_id) | {
        "x-gateway-model": model,
        "x-gateway-rule": decision.rule,
        "x-gateway-privacy-class": decision.privacy_class.name.lower(),
        "x-gateway-policy": decision.policy_hash[:12],
    }
    if (trimmed := decision.trimmed.get(model)) is not None:
        headers["x-gateway-trimmed"] = f"messages={trimmed.messages}, tokens={trimmed.tokens}"
    return headers


def answer_headers(request_id: str, answer: Answer) -> dict[str, str]:
    """Return what a whole answer says of itself."""
    headers = decision_headers(request_id, answer.decision, model=model_of(answer))
    headers["x-gateway-route"] = answer.route.lower()
    headers["x-gateway-cost-usd"] = f"{answer.cost_usd_nanos / NANOS_PER_USD:.9f}"
    return headers | cached_headers(answer) | degraded_headers(answer)


def cached_headers(told: StreamEvent) -> dict[str, str]:
    """Return how old an answer is that was made for an earlier request, as it or its first piece says."""
    age_s = told.cached_age_s if isinstance(told, Answer | CachedDelta) else None
    return {} if age_s is None else {"x-gateway-cached-age-s": f"{age_s:.3f}"}


def degraded_headers(answer: Answer) -> dict[str, str]:
    """Return why a canned reply was sent; nothing for the answer of a model."""
    return {} if answer.degraded is None else {"x-gateway-degraded": answer.degraded.reason.lower()}


def model_of(answer: Answer) -> str:
    """Return the name under which an answer is shown: a canned reply is never taken for a model's."""
    return answer.model if answer.degraded is None else f"canned:{answer.degraded.canned_id}"
