"""A model behind an API that speaks OpenAI's chat completions or responses; only here the SDK is known.

Where bytes go, and which, is said by the policy alone: the environment's base URL, organisation,
project, headers and proxies have no effect, redirects are not followed, and the SDK tells the
provider nothing about this machine.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import httpx2
import openai
import structlog

from gateway.backends.base import Call
from gateway.backends.http.body import StreamBody, is_json, read_whole
from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.client import check_uncompressed, is_framed, timeout_of
from gateway.backends.http.credentials import Credentials
from gateway.backends.http.errors import error_event, refused, unanswered, unreadable
from gateway.backends.http.events import EventReader
from gateway.backends.http.finish import finish_words
from gateway.backends.http.reading import ErrorEvent, Note
from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.answers import StreamReader, read_reply
from gateway.backends.openai.chat_request import chat_body
from gateway.backends.openai.client import UNSENT, open_client
from gateway.backends.openai.responses_answers import ResponsesReader, read_response
from gateway.backends.openai.responses_request import responses_body
from gateway.backends.permit import permitted
from gateway.clock import Clock
from gateway.domain.answer import Chunk, Reply
from gateway.domain.assembly import assembled
from gateway.domain.decision import EgressPermit
from gateway.errors import BackendCredentials, BackendError, BreakerVerdict, StreamTruncated
from gateway.policy.model import OpenAIModel, privacy_class

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API of a provider: where it is, how a request to it is written, and how its answers are read."""

    path: str
    body: Callable[..., dict[str, object]]
    read: Callable[[bytes, AnswerBounds, Note, AnswerForm], Reply]
    reader: type[StreamReader] | type[ResponsesReader]


APIS: Mapping[str, Api] = {
    "chat": Api(path="/chat/completions", body=chat_body, read=read_reply, reader=StreamReader),
    "responses": Api(path="/responses", body=responses_body, read=read_response, reader=ResponsesReader),
}


class CloudBackend:
    """One model at one provider. `api_key` None sends no key; `aclose` it before its loop ends.

    Raises StartupError for a URL, key or header that cannot be sent. The deadline of a call becomes
    the SDK's timeouts, which bound each wait for bytes; the caller bounds the whole. A call without
    routing's permit is a defect: NotPermitted, before anything is sent.
    """

    def __init__(self, name: str, spec: OpenAIModel, *, api_key: str | None, clock: Clock) -> None:
        self.name = name
        self._spec = spec
        self._clock = clock
        self._client = open_client(name, spec, api_key)
        self._api = APIS[spec.api]
        self._credentials = Credentials(name, spec, api_key, clock)
        self._finish_words = finish_words(spec.finish_reasons)
        self._repeats_finish = False
        """Whether this provider was seen to go on after a finish reason."""

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer; raises BackendError."""
        permit = self._permitted(call)
        body = self._api.body(self.name, self._spec, permit, call.max_tokens, is_stream=False)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        form = AnswerForm.of(permit.request, self._finish_words)
        try:
            async with self._answer(call, body) as (pieces, is_framed):
                raw = await read_whole(pieces, limit_bytes=bounds.json_bytes)
            if is_json(raw):
                return self._api.read(raw, bounds, self._note, form)
            return self._read_events(raw, bounds, form, is_framed=is_framed)
        except _FAILURES as error:
            # `from None`, for theirs holds the provider's words, and a logged traceback would show them.
            raise self._translate(error) from None

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces, empty ones where the model only shows life; raises BackendError.

        Before the first text, thought or call a failure is what it is; after it, it is StreamTruncated, and
        so is an end without a finish reason.
        """
        permit = self._permitted(call)
        body = self._api.body(self.name, self._spec, permit, call.max_tokens, is_stream=True)
        bounds = AnswerBounds.of(permit.request, max_tokens=call.max_tokens)
        form = AnswerForm.of(permit.request, self._finish_words)
        reader = self._api.reader(bounds, self._note, form, repeats_finish=self._repeats_finish)
        events = EventReader(bounds)
        pieces_seen = 0
        try:
            async with self._answer(call, body) as (pieces, is_framed):
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
            last_chunk = reader.last_chunk(is_framed=is_framed)
        except _FAILURES as error:
            failure = self._translate(error)
            if reader.has_output:
                cause = failure
                failure = StreamTruncated(self.name, f"after it had begun: {type(cause).__name__}")
                if cause.breaker is BreakerVerdict.IGNORE:  # A rate or a filter says nothing of its health.
                    failure.breaker = BreakerVerdict.IGNORE
            raise failure from None
        finally:
            self._repeats_finish = reader.repeats_finish
        yield last_chunk

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    @asynccontextmanager
    async def _answer(
        self, call: Call, body: dict[str, object]
    ) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool], None]:
        """Send a request and give the body of its answer as it comes; the connection is let go at the end.

        With it whether the body has an end of its own; else only the closing of the connection ends it.
        """
        headers = await self._headers(call)
        response: httpx2.Response = await self._client.post(
            self._api.path,
            cast_to=httpx2.Response,
            body=body,
            options={
                "timeout": timeout_of(call.deadline, self._clock),
                "headers": headers,
                "params": dict(self._spec.query),
            },
            stream=_UNREAD,
        )
        try:
            check_uncompressed(response)
            async with aclosing(response.aiter_raw()) as pieces:
                yield pieces, is_framed(response)
        finally:
            await response.aclose()

    def _read_events(self, raw: bytes, bounds: AnswerBounds, form: AnswerForm, *, is_framed: bool) -> Reply:
        """Read a whole answer of a provider that streams unasked."""
        reader, events = self._api.reader(bounds, self._note, form), EventReader(bounds)
        chunks = [reader.feed(event) for event in events.feed(raw)]
        chunks += [reader.feed(event) for event in events.rest()]
        return assembled([*chunks, reader.last_chunk(is_framed=is_framed)]).reply()

    def _note(self, what: str) -> None:
        _log.info("odd_answer", model=self.name, what=what)

    def _finish_wait_s(self, call: Call) -> float:
        """Return how long silence may be waited out: it must neither be a stall nor meet the deadline."""
        return min(call.stall_s / 2, call.deadline.remaining_s(self._clock) / 3)

    async def _headers(self, call: Call) -> Mapping[str, str | openai.Omit]:
        headers: dict[str, str | openai.Omit] = dict.fromkeys((*UNSENT, "Authorization"), openai.omit)
        for name, value in (await self._credentials.headers()).items():
            headers["Authorization" if name.lower() == "authorization" else name] = value
        return headers if call.traceparent is None else {**headers, "traceparent": call.traceparent}

    def _translate(self, error: BaseException) -> BackendError:
        failure = translate(self.name, error, unix_s=self._clock.unix_s())
        if isinstance(failure, BackendCredentials):
            self._credentials.forget()
        return failure

    def _permitted(self, call: Call) -> EgressPermit:
        return permitted(call, model=self.name, clearance=privacy_class(self._spec.clearance))


_UNREAD: bool = True
"""Asks the SDK for a response whose body is not read yet."""


def translate(model: str, error: BaseException, *, unix_s: float) -> BackendError:
    """Return our error for one that the SDK, or what is under it, raised."""
    for kind in type(error).__mro__:
        if kind in SDK_ERRORS:
            return SDK_ERRORS[kind](model, error, unix_s)
    match error:
        case ErrorEvent():
            return error_event(model, error.error)
        case UnreadableAnswer():
            return unreadable(model, str(error))
    return unanswered(model, error)


def _by_status(model: str, error: BaseException, unix_s: float) -> BackendError:
    if not isinstance(error, openai.APIStatusError):
        return unanswered(model, error)
    return refused(
        model,
        status=error.status_code,
        body=error.response.content,
        headers=error.response.headers,
        unix_s=unix_s,
    )


def _by_cause(model: str, error: BaseException, _: float) -> BackendError:
    return unanswered(model, error)


def _by_event(model: str, error: BaseException, _: float) -> BackendError:
    return error_event(model, getattr(error, "body", None))


SDK_ERRORS: Mapping[type[BaseException], Callable[[str, BaseException, float], BackendError]] = {
    openai.APIStatusError: _by_status,
    openai.BadRequestError: _by_status,
    openai.AuthenticationError: _by_status,
    openai.OAuthError: _by_status,
    openai.PermissionDeniedError: _by_status,
    openai.NotFoundError: _by_status,
    openai.ConflictError: _by_status,
    openai.UnprocessableEntityError: _by_status,
    openai.RateLimitError: _by_status,
    openai.InternalServerError: _by_status,
    openai.APIConnectionError: _by_cause,
    openai.APITimeoutError: _by_cause,
    openai.APIError: _by_event,  # Itself, not a subclass: an error in the middle of a stream.
    # These come from parts of the SDK that a chat completion never reaches.
    openai.OpenAIError: _by_cause,
    openai.APIResponseValidationError: _by_cause,
    openai.LengthFinishReasonError: _by_cause,
    openai.ContentFilterFinishReasonError: _by_cause,
    openai.InvalidWebhookSignatureError: _by_cause,
    openai.WebSocketConnectionClosedError: _by_cause,
    openai.WebSocketQueueFullError: _by_cause,
}
"""Every exception that the SDK exports; a test finds one that is missing."""

_FAILURES = (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError, RecursionError)
"""What a call may raise: the SDK lets some of its transport's and of its JSON reader's through."""
