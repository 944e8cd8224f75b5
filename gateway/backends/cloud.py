"""A model behind an API that speaks OpenAI's chat completions; the only file that knows the SDK.

Where bytes go, and which, is said by the policy alone: the environment's base URL, organisation,
project, headers and proxies have no effect, redirects are not followed, and the SDK tells the
provider nothing about this machine.
"""

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final

import aiohttp
import httpx2
import openai

from gateway.backends.base import Call
from gateway.backends.cloud_answers import ErrorEvent, StreamReader, UnreadableAnswer, read_reply
from gateway.backends.cloud_errors import error_event, refused, unanswered, unreadable
from gateway.backends.permit import permitted
from gateway.clock import Clock, Deadline
from gateway.errors import BackendError, BackendInvalid, StartupError, StreamTruncated
from gateway.policy.model import OpenAIModel, privacy_class
from gateway.types import Chunk, EgressPermit, Reply

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
CONNECT_TIMEOUT_S: Final = 5.0
"""The SDK's own default; a provider that is there takes a connection within it."""
LEAST_TIMEOUT_S: Final = 0.001
"""For a deadline that has passed: aiohttp takes 0 for no limit at all."""
USAGE_WAIT_S: Final = 0.5
"""How long a streamed answer that is complete waits for its token counts: they follow at once or not at
all, and half of what is left of the deadline is the most that it may cost."""
END_WAIT_S: Final = 0.05
"""How long it then waits for the end of the stream."""

_PATH = "/chat/completions"
_NO_KEY = "none"
"""The SDK insists on a key; without one of ours the header that would carry it is left out."""


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
        self._client = _open_client(name, spec, api_key)
        self._unsent = dict.fromkeys(_UNSENT if api_key else (*_UNSENT, "Authorization"), openai.omit)

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer; raises BackendError."""
        body = chat_body(self.name, self._spec, self._permitted(call), call.max_tokens, is_stream=False)
        try:
            response = await self._client.post(
                _PATH,
                cast_to=httpx2.Response,
                body=body,
                options={"timeout": self._timeout(call.deadline), "headers": self._headers(call)},
            )
            return read_reply(response.content)
        except _FAILURES as error:
            # `from None`, for theirs holds the provider's words, and a logged traceback would show them.
            raise translate(self.name, error, unix_s=self._clock.unix_s()) from None

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces; raises BackendError.

        Before the first text a failure is what it is; after it, it is StreamTruncated, and so is an
        end without a finish reason. Once the finish reason was read the answer is complete, and
        nothing that happens afterwards but the loss of its token counts can spoil it.
        """
        body = chat_body(self.name, self._spec, self._permitted(call), call.max_tokens, is_stream=True)
        reader = StreamReader()
        try:
            async with await self._client.post(
                _PATH,
                cast_to=object,
                body=body,
                options={"timeout": self._timeout(call.deadline), "headers": self._headers(call)},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            ) as events:
                async for event in events:
                    text = reader.feed(event)
                    if text:
                        yield Chunk(text=text)
                    if reader.is_finished:
                        break
                await _read_usage(events, reader, left_s=call.deadline.remaining_s(self._clock))
            last_chunk = reader.last_chunk()
        except _FAILURES as error:
            failure = translate(self.name, error, unix_s=self._clock.unix_s())
            if reader.has_text:
                failure = StreamTruncated(self.name, f"after its first text: {type(failure).__name__}")
            raise failure from None
        yield last_chunk

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _headers(self, call: Call) -> Mapping[str, str | openai.Omit]:
        return self._unsent if call.traceparent is None else {**self._unsent, "traceparent": call.traceparent}

    def _permitted(self, call: Call) -> EgressPermit:
        return permitted(call, model=self.name, clearance=privacy_class(self._spec.clearance))

    def _timeout(self, deadline: Deadline) -> httpx2.Timeout:
        left_s = deadline.remaining_s(self._clock)
        if math.isinf(left_s):
            return httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S)
        left_s = max(left_s, LEAST_TIMEOUT_S)
        return httpx2.Timeout(left_s, connect=min(left_s, CONNECT_TIMEOUT_S))


def chat_body(
    name: str, spec: OpenAIModel, permit: EgressPermit, max_tokens: int, *, is_stream: bool
) -> dict[str, object]:
    """Return all that is sent of a call: of what the permit names, so that there is nothing to send without.

    Raises BackendInvalid for a schema that is not JSON.
    """
    config = permit.request.config
    tokens_field = spec.max_tokens_field or ("max_tokens" if spec.base_url else "max_completion_tokens")
    body: dict[str, object] = {
        "model": spec.model,
        "messages": [{"role": m.role.value, "content": m.content} for m in permit.request.messages],
        tokens_field: max_tokens,
    }
    sampling = {"temperature": config.temperature, "top_p": config.top_p, "seed": config.seed}
    body |= {key: value for key, value in sampling.items() if value is not None and key not in spec.drop}
    if config.stop:
        body["stop"] = list(config.stop)
    if config.json_schema is not None:
        body["response_format"] = _response_format(name, config.json_schema)
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _response_format(name: str, json_schema: str) -> dict[str, object]:
    try:
        schema = json.loads(json_schema)
    except (ValueError, RecursionError):
        raise BackendInvalid(name, "json_schema is not JSON") from None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


async def _read_usage(events: openai.AsyncStream[object], reader: StreamReader, *, left_s: float) -> None:
    """Read what follows the finish reason; a complete answer whose token counts do not come has none."""
    if not reader.is_finished:
        return
    with contextlib.suppress(*_FAILURES):
        async with asyncio.timeout(min(USAGE_WAIT_S, left_s / 2)) as limit:
            async for event in events:
                reader.feed(event)
                if reader.has_usage:
                    # Only [DONE] can follow. Its end lets the connection be used again, so it is worth a
                    # moment; a provider that leaves the stream open is not waited for.
                    limit.reschedule(asyncio.get_running_loop().time() + END_WAIT_S)


class _Client(openai.AsyncOpenAI):
    """The SDK's client with headers of our own choice: its own take some from the environment, and
    tell the version of Python and the operating system."""

    sent_headers: Mapping[str, str] = {}

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        return dict(self.sent_headers)


_UNSENT = ("X-Stainless-Retry-Count", "X-Stainless-Read-Timeout")
"""Headers that the SDK adds to every request unless told not to; the second would tell our deadline."""


def _open_client(name: str, spec: OpenAIModel, api_key: str | None) -> _Client:
    silence_sdk_loggers()
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "edge-cloud-gateway",
    }
    if spec.organization is not None:
        headers["OpenAI-Organization"] = spec.organization
    if spec.project is not None:
        headers["OpenAI-Project"] = spec.project
    for what, value in (
        ("api_key_env", api_key),
        ("organization", spec.organization),
        ("project", spec.project),
    ):
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise StartupError(
                f"{name}: {what}: the value has a space, a line end or another unfit character"
            )
    try:
        client = _Client(
            api_key=api_key or _NO_KEY,
            base_url=spec.base_url or OPENAI_BASE_URL,
            organization=spec.organization or "",
            project=spec.project or "",
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(
                proxy=spec.proxy, trust_env=False, follow_redirects=False
            ),
        )
    except (httpx2.InvalidURL, ValueError):
        raise StartupError(f"{name}: base_url or proxy is not a URL that can be called") from None
    client.sent_headers = headers
    return client


def silence_sdk_loggers() -> None:
    """Turn the loggers of the SDK and its transport off, whatever OPENAI_LOG says: they show URLs."""
    for logger in ("openai", "httpx2"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)


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
        error=error.body,
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
