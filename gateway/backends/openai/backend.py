"""A model behind an API that speaks OpenAI's chat completions or responses; only here the SDK is known.

Where bytes go, and which, is said by the policy alone: the environment's base URL, organisation,
project, headers and proxies have no effect, redirects are not followed, and the SDK tells the
provider nothing about this machine.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx2
import openai

from gateway.backends.base import Call
from gateway.backends.http.backend import HTTP_FAILURES, AnswerReader, HttpBackend, HttpExchange
from gateway.backends.http.bounds import AnswerBounds
from gateway.backends.http.client import check_uncompressed, is_framed, timeout_of
from gateway.backends.http.errors import error_event, refused, unanswered
from gateway.backends.http.finish import finish_words
from gateway.backends.http.reading import Note
from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.answers import FinishHabit, StreamReader, read_reply
from gateway.backends.openai.chat_request import chat_body
from gateway.backends.openai.client import UNSENT, open_client
from gateway.backends.openai.responses_answers import ResponsesReader, read_response
from gateway.backends.openai.responses_request import responses_body
from gateway.clock import Clock
from gateway.domain.answer import Reply
from gateway.domain.decision import EgressPermit
from gateway.errors import BackendCredentials, BackendError
from gateway.policy.model import OpenAIModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API of a provider: where it is, how a request to it is written, and how its answers are read."""

    path: str
    body: Callable[..., dict[str, object]]
    read: Callable[[bytes, AnswerBounds, Note, AnswerForm], Reply]
    reader: Callable[[AnswerBounds, Note, AnswerForm, FinishHabit], AnswerReader]


APIS: Mapping[str, Api] = {
    "chat": Api(path="/chat/completions", body=chat_body, read=read_reply, reader=StreamReader),
    "responses": Api(
        path="/responses",
        body=responses_body,
        read=read_response,
        reader=lambda bounds, note, form, _: ResponsesReader(bounds, note, form),  # It ends an answer once.
    ),
}


class CloudBackend(HttpBackend):
    """A model behind an API of OpenAI's form. `api_key` None sends no key.

    Raises StartupError for a URL, key or header that cannot be sent.
    """

    failures = (openai.OpenAIError, *HTTP_FAILURES)
    """The SDK lets some errors of its transport, and of its JSON reader, through."""

    def __init__(self, name: str, spec: OpenAIModel, *, api_key: str | None, clock: Clock) -> None:
        self._client = open_client(name, spec, api_key)
        super().__init__(name, spec, api_key=api_key, clock=clock)
        self._spec = spec
        self._api = APIS[spec.api]
        self._finish_words = finish_words(spec.finish_reasons)
        self._finish_habit = FinishHabit()

    def _exchange(self, permit: EgressPermit, max_tokens: int, *, is_stream: bool) -> HttpExchange:
        form = AnswerForm.of(permit.request, self._finish_words)
        return HttpExchange(
            body=self._api.body(self.name, self._spec, permit, max_tokens, is_stream=is_stream),
            read=lambda raw, bounds: self._api.read(raw, bounds, self._note, form),
            reader=lambda bounds: self._api.reader(bounds, self._note, form, self._finish_habit),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    @asynccontextmanager
    async def _answer(
        self, call: Call, body: dict[str, object]
    ) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool], None]:
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


_UNREAD: bool = True
"""Asks the SDK for a response whose body is not read yet."""


def translate(model: str, error: BaseException, *, unix_s: float) -> BackendError:
    """Return our error for one that the SDK, or what is under it, raised."""
    for kind in type(error).__mro__:
        if kind in SDK_ERRORS:
            return SDK_ERRORS[kind](model, error, unix_s)
    return unanswered(model, error, OpenAIModel.remedies)


def _by_status(model: str, error: BaseException, unix_s: float) -> BackendError:
    if not isinstance(error, openai.APIStatusError):
        return unanswered(model, error)
    return refused(
        model,
        status=error.status_code,
        body=error.response.content,
        headers=error.response.headers,
        unix_s=unix_s,
        remedies=OpenAIModel.remedies,
    )


def _by_cause(model: str, error: BaseException, _: float) -> BackendError:
    return unanswered(model, error)


def _by_event(model: str, error: BaseException, _: float) -> BackendError:
    return error_event(model, getattr(error, "body", None), OpenAIModel.remedies)


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
