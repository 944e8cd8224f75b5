"""A model at a provider over HTTP: a call and its answer, whatever the provider's API and client."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
import structlog

from gateway.backends.base import Call
from gateway.backends.http.body import EndingReader, StreamBody, is_json, read_events, read_whole
from gateway.backends.http.bounds import AnswerBounds
from gateway.backends.http.client import (
    PLAIN_HEADERS,
    HttpClient,
    check_header,
    check_uncompressed,
    error_body,
    is_framed,
    is_success,
    pieces_of,
    timeout_of,
)
from gateway.backends.http.credentials import Credentials
from gateway.backends.http.errors import refused, unanswered
from gateway.backends.http.events import EventReader
from gateway.backends.http.together import together
from gateway.backends.permit import permitted
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Reply
from gateway.domain.assembly import assembled
from gateway.domain.decision import EgressPermit
from gateway.errors import BackendCredentials, BackendError, BreakerVerdict, StartupError, StreamTruncated
from gateway.policy.model import privacy_class
from gateway.policy.provider_url import UrlModel

FAILURES: Final = (aiohttp.ClientError, OSError, ValueError, RecursionError)
"""What a call may raise beside our own errors: those of the transport, and of readers."""
_log = structlog.get_logger(__name__)


class AnswerReader(EndingReader, Protocol):
    """Puts one streamed answer together."""

    @property
    def has_output(self) -> bool:
        """Whether anything of the answer was given out."""
        ...

    def feed(self, event: object) -> Chunk:
        """Return what one event gives, perhaps nothing; raises UnreadableAnswer."""
        ...

    def last_chunk(self, *, is_framed: bool) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange:
    """What is sent to a provider, and how its answer is read."""

    body: dict[str, object]
    read: Callable[[bytes, AnswerBounds], Reply]
    """Reads an answer in one piece."""
    reader: Callable[[AnswerBounds], AnswerReader]
    """Makes what reads one in events."""
    more_bytes: int = 0
    """How much longer an answer in one piece may be than its tokens make it."""


class HttpBackend(ABC):
    """One model at one provider; `aclose` it before its loop ends.

    The deadline of a call becomes timeouts, which bound each wait for bytes; the caller bounds the whole. A
    call without routing's permit is a defect: NotPermitted, before anything is sent.
    """

    def __init__(
        self,
        name: str,
        spec: UrlModel,
        *,
        path: str,
        headers: Mapping[str, str],
        api_key: str | None,
        clock: Clock,
    ) -> None:
        """Raise StartupError for a URL, key or header that cannot be sent."""
        self.name = name
        self._clock = clock
        self._clearance = privacy_class(spec.clearance)
        self._remedies = spec.remedies
        check_header(name, "api_key_env", api_key)
        try:
            self._client = HttpClient(spec.base_url.rstrip("/") + path, query=spec.query, proxy=spec.proxy)
        except ValueError:
            raise StartupError(f"{name}: base_url or proxy is not a URL that can be called") from None
        self._headers = lowered({**PLAIN_HEADERS, **headers})
        self._credentials = Credentials(name, spec, api_key, clock)

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer; raises BackendError."""
        permit = self._permitted(call)
        exchange = self._exchange(permit, call.max_tokens, is_stream=False)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        try:
            async with self._answer(call, exchange.body) as (pieces, is_framed):
                raw = await read_whole(pieces, limit_bytes=bounds.json_bytes + exchange.more_bytes)
            if is_json(raw):
                return exchange.read(raw, bounds)
            return await _read_events(raw, exchange.reader(bounds), bounds, is_framed=is_framed)
        except FAILURES as error:
            # `from None`, for theirs holds the provider's words, and a logged traceback would show them.
            raise self._translate(error) from None

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces, empty ones where the model only shows life; raises BackendError.

        Before the first text, thought or call a failure is what it is; after it, it is StreamTruncated, and
        so is an end without a finish reason.
        """
        permit = self._permitted(call)
        exchange = self._exchange(permit, call.max_tokens, is_stream=True)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        reader, events = exchange.reader(bounds), EventReader(bounds)
        pieces_seen = 0
        try:
            async with self._answer(call, exchange.body) as (pieces, is_framed):
                incoming = StreamBody(
                    pieces, reader, wait_s=lambda: self._finish_wait_s(call), failures=FAILURES
                )
                while raw := await incoming.next():
                    for chunk in together(map(reader.feed, events.feed(raw))):
                        if chunk.has_output or reader.pieces > pieces_seen:
                            pieces_seen = reader.pieces
                            yield chunk
                for event in events.rest(is_needed=not reader.may_be_over):
                    yield reader.feed(event)
            last_chunk = reader.last_chunk(is_framed=is_framed)
        except FAILURES as error:
            failure = self._translate(error)
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

    @abstractmethod
    def _exchange(self, permit: EgressPermit, max_tokens: int, *, is_stream: bool) -> HttpExchange:
        """Return what to send of a request; raises BackendInvalid, NotCapable for what the API lacks."""

    @asynccontextmanager
    async def _answer(
        self, call: Call, body: dict[str, object]
    ) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool], None]:
        """Send a request and give the body of its answer as it comes; the connection is let go at the end.

        With it whether the body has an end of its own; else only the closing of the connection ends it.
        Raises our error for a refusal.
        """
        headers = {**self._headers, **lowered(await self._credentials.headers())}
        if call.traceparent is not None:
            headers["traceparent"] = call.traceparent
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        async with self._client.post(content, headers, timeout_of(call.deadline, self._clock)) as response:
            if not is_success(response):
                raise await self._refusal(response)
            check_uncompressed(response)
            yield pieces_of(response), is_framed(response)

    async def _refusal(self, response: aiohttp.ClientResponse) -> BackendError:
        return self._noted(
            refused(
                self.name,
                status=response.status,
                body=await error_body(response),
                headers=response.headers,
                unix_s=self._clock.unix_s(),
                remedies=self._remedies,
            )
        )

    def _translate(self, error: BaseException) -> BackendError:
        return self._noted(unanswered(self.name, error, self._remedies))

    def _noted(self, error: BackendError) -> BackendError:
        """Return an error; after one of credentials they are read again."""
        if isinstance(error, BackendCredentials):
            self._credentials.forget()
        return error

    def _note(self, what: str) -> None:
        _log.info("odd_answer", model=self.name, what=what)

    def _finish_wait_s(self, call: Call) -> float:
        """Return how long silence may be waited out: it must neither be a stall nor meet the deadline."""
        return min(call.stall_s / 2, call.deadline.remaining_s(self._clock) / 3)

    def _permitted(self, call: Call) -> EgressPermit:
        return permitted(call, model=self.name, clearance=self._clearance)


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in small letters, so that one that is set again takes the other's place."""
    return {name.lower(): value for name, value in headers.items()}


async def _read_events(raw: bytes, reader: AnswerReader, bounds: AnswerBounds, *, is_framed: bool) -> Reply:
    """Read a whole answer of a provider that streams unasked."""
    chunks = await read_events(raw, EventReader(bounds), reader.feed)
    return assembled([*chunks, reader.last_chunk(is_framed=is_framed)]).reply()
