"""A model behind Anthropic's Messages API.

Where bytes go, and which, is said by the policy alone; the client is that of all providers over HTTP. The
reader is our own: the official one returns a truncated input of a tool as a shorter one.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import aiohttp
import httpx2
import structlog

from gateway.backends.anthropic.message_body import messages_body
from gateway.backends.anthropic.reader import MessageReader, read_message
from gateway.backends.anthropic.tools import Json, ReplyForm
from gateway.backends.base import Call
from gateway.backends.http.body import StreamBody, is_json, read_whole
from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.client import (
    PLAIN_HEADERS,
    check_header,
    check_uncompressed,
    is_framed,
    open_http_client,
    timeout_of,
)
from gateway.backends.http.credentials import Credentials
from gateway.backends.http.errors import error_event, refused, unanswered, unreadable
from gateway.backends.http.events import EventReader
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.permit import permitted
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Reply
from gateway.domain.assembly import assembled
from gateway.domain.decision import EgressPermit
from gateway.errors import BackendCredentials, BackendError, BreakerVerdict, StartupError, StreamTruncated
from gateway.policy.anthropic import AnthropicModel
from gateway.policy.model import privacy_class

VERSION: Final = "2023-06-01"
"""Of the API, which every request names."""

_FAILURES = (httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError, RecursionError)
"""What a call may raise beside our own errors."""
_log = structlog.get_logger(__name__)


class MessagesBackend:
    """One model at one provider. `api_key` None sends no key; `aclose` it before its loop ends.

    Raises StartupError for a URL or key that cannot be sent. The deadline of a call becomes timeouts, which
    bound each wait for bytes; the caller bounds the whole. A call without routing's permit is a defect:
    NotPermitted, before anything is sent.
    """

    def __init__(self, name: str, spec: AnthropicModel, *, api_key: str | None, clock: Clock) -> None:
        self.name = name
        self._spec = spec
        self._clock = clock
        check_header(name, "api_key_env", api_key)
        try:
            self._url = httpx2.URL(spec.base_url.rstrip("/") + "/messages")
            self._client = open_http_client(spec.proxy)
        except (httpx2.InvalidURL, ValueError):
            raise StartupError(f"{name}: base_url or proxy is not a URL that can be called") from None
        self._credentials = Credentials(name, spec, api_key, clock)

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer; raises BackendError."""
        permit = self._permitted(call)
        body, form = messages_body(self.name, self._spec, permit, call.max_tokens, is_stream=False)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        try:
            async with self._answer(call, body) as (pieces, framed):
                raw = await read_whole(pieces, limit_bytes=bounds.json_bytes)
            if is_json(raw):
                return read_message(raw, bounds, self._note, form)
            return self._read_events(raw, bounds, form, framed=framed)
        except _FAILURES as error:
            # `from None`, for theirs holds the provider's words, and a logged traceback would show them.
            raise _translate(self.name, error) from None

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces, empty ones where the model only shows life; raises BackendError.

        Before the first text, thought or call a failure is what it is; after it, it is StreamTruncated, and
        so is an end without a stop reason.
        """
        permit = self._permitted(call)
        body, form = messages_body(self.name, self._spec, permit, call.max_tokens, is_stream=True)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        reader, events = MessageReader(bounds, self._note, form), EventReader(bounds)
        pieces_seen = 0
        try:
            async with self._answer(call, body) as (pieces, framed):
                incoming = StreamBody(
                    pieces, reader, wait_s=lambda: self._finish_wait_s(call), failures=_FAILURES
                )
                while raw := await incoming.next():
                    for event in events.feed(raw):
                        chunk = reader.feed(event)
                        if chunk.has_output or reader.pieces > pieces_seen:
                            pieces_seen = reader.pieces
                            yield chunk
                for event in events.rest(is_needed=not reader.may_be_over):
                    yield reader.feed(event)
            last_chunk = reader.last_chunk(is_framed=framed)
        except _FAILURES as error:
            failure = _translate(self.name, error)
            if reader.has_output:
                cause = failure
                failure = StreamTruncated(self.name, f"after it had begun: {type(cause).__name__}")
                if cause.breaker is BreakerVerdict.IGNORE:  # A rate or a filter says nothing of its health.
                    failure.breaker = BreakerVerdict.IGNORE
            raise failure from None
        yield last_chunk

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _answer(
        self, call: Call, body: Json
    ) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool], None]:
        """Send a request and give the body of its answer as it comes; the connection is let go at the end.

        With it whether the body has an end of its own. Raises our error for a refusal.
        """
        headers = PLAIN_HEADERS | {"anthropic-version": VERSION} | dict(await self._credentials.headers())
        if call.traceparent is not None:
            headers["traceparent"] = call.traceparent
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        request = self._client.build_request(
            "POST",
            self._url,
            content=content,
            headers=headers,
            params=dict(self._spec.query) or None,
            timeout=timeout_of(call.deadline, self._clock),
        )
        response = await self._client.send(request, stream=True)
        try:
            if not response.is_success:
                raise await self._refusal(response)
            check_uncompressed(response)
            async with aclosing(response.aiter_raw()) as pieces:
                yield pieces, is_framed(response)
        finally:
            await response.aclose()

    async def _refusal(self, response: httpx2.Response) -> BackendError:
        error = refused(
            self.name,
            status=response.status_code,
            body=await response.aread(),
            headers=response.headers,
            unix_s=self._clock.unix_s(),
        )
        if isinstance(error, BackendCredentials):
            self._credentials.forget()
        return error

    def _read_events(self, raw: bytes, bounds: AnswerBounds, form: ReplyForm, *, framed: bool) -> Reply:
        """Read a whole answer of a provider that streams unasked."""
        reader, events = MessageReader(bounds, self._note, form), EventReader(bounds)
        chunks = [reader.feed(event) for event in events.feed(raw)]
        chunks += [reader.feed(event) for event in events.rest()]
        return assembled([*chunks, reader.last_chunk(is_framed=framed)]).reply()

    def _note(self, what: str) -> None:
        _log.info("odd_answer", model=self.name, what=what)

    def _finish_wait_s(self, call: Call) -> float:
        """Return how long silence may be waited out: it must neither be a stall nor meet the deadline."""
        return min(call.stall_s / 2, call.deadline.remaining_s(self._clock) / 3)

    def _permitted(self, call: Call) -> EgressPermit:
        return permitted(call, model=self.name, clearance=privacy_class(self._spec.clearance))


def _translate(model: str, error: BaseException) -> BackendError:
    """Return our error for one that the transport or the reader raised."""
    match error:
        case ErrorEvent():
            return error_event(model, error.error)
        case UnreadableAnswer():
            return unreadable(model, str(error))
    return unanswered(model, error)
