"""The backend of the Messages API over real HTTP: what goes out, comes back, and is refused."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.backends.anthropic.backend import MessagesBackend
from gateway.backends.base import Call, open_backend
from gateway.clock import Clock, Deadline, SystemClock
from gateway.domain.answer import Chunk, FinishReason, Reply
from gateway.domain.assembly import assembled
from gateway.domain.conversation import Message, Role, Text, Tool, ToolResult
from gateway.domain.request import GenerationConfig
from gateway.errors import (
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendModelMissing,
    BackendOverloaded,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    Charge,
    ContextTooLong,
    NotCapable,
    NotPermitted,
    StartupError,
    StreamTruncated,
)
from gateway.policy.anthropic import AnthropicModel
from tests.support.calls import call_of
from tests.support.cloud_calls import RawServer, http
from tests.support.messages_api import events_of, message, text_block, thinking_block, tool_block, wire
from tests.support.messages_double import MessagesDouble
from tests.support.permits import WRONG, permit_for

Ask = Callable[[MessagesBackend, Call], Awaitable[Reply]]


@asynccontextmanager
async def backend_at(
    base_url: str, *, api_key: str | None = "key-1", clock: Clock | None = None, **keys: object
) -> AsyncIterator[MessagesBackend]:
    """Open a backend named `cloud` that is closed with the block."""
    spec = AnthropicModel.model_validate(
        {
            "kind": "anthropic",
            "model": "claude-sonnet-4-5",
            "clearance": "public",
            "base_url": base_url,
            **keys,
        }
    )
    backend = open_backend("cloud", spec, api_key=api_key, clock=clock or SystemClock())
    assert isinstance(backend, MessagesBackend)
    try:
        yield backend
    finally:
        await backend.aclose()


async def whole(backend: MessagesBackend, call: Call) -> Reply:
    """Ask for a whole answer."""
    return await backend.generate(call)


async def streamed(backend: MessagesBackend, call: Call) -> Reply:
    """Ask for a streamed answer and put it together."""
    chunks: list[Chunk] = [chunk async for chunk in backend.stream(call)]
    assert all(chunk.finish_reason is None and chunk.usage is None for chunk in chunks[:-1])
    return assembled(chunks).reply()


ASKS = [whole, streamed]


def asked(call: Call, *messages: Message, config: GenerationConfig | None = None) -> Call:
    """Return the call with another conversation, and a permit for it."""
    request = dataclasses.replace(
        call.request, messages=messages or call.request.messages, config=config or call.request.config
    )
    return dataclasses.replace(call, request=request, permit=permit_for(request))


@pytest.mark.parametrize("ask", ASKS)
async def test_only_what_is_named_here_is_sent(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key in its header, the version, and nothing of ours; the environment has no effect."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(variable, "leak-1")
    async with MessagesDouble(message(text_block("Hi"))).serve() as server:
        async with backend_at(server.base_url) as backend:
            read = await ask(backend, call_of("marked words"))
        assert (read.text, read.finish_reason) == ("Hi", FinishReason.STOP)
        (headers,), (body,) = server.headers, server.bodies
        assert headers.pop("content-length") == str(
            len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
        )
        assert headers == {
            "host": server.base_url.removeprefix("http://").removesuffix("/v1"),
            "accept": "application/json",
            "accept-encoding": "identity",
            "anthropic-version": "2023-06-01",
            "connection": "keep-alive",
            "content-type": "application/json",
            "user-agent": "edge-cloud-gateway",
            "x-api-key": "key-1",
        }
        assert "leak-1" not in json.dumps(body)
        assert not {"tenant-1", "label-1", "request-1"} & set(json.dumps(body).replace('"', " ").split())


async def test_without_a_key_none_is_sent() -> None:
    """A server of one's own may need none."""
    async with MessagesDouble(message(text_block("Hi"))).serve() as server:
        async with backend_at(server.base_url, api_key=None) as backend:
            await backend.generate(call_of())
        assert "x-api-key" not in server.headers[0]


@pytest.mark.parametrize("ask", ASKS)
async def test_a_loop_of_tools(ask: Ask) -> None:
    """The answer goes back as it came: its thought with the signature, its call, and the result."""
    config = GenerationConfig(tools=(Tool(name="weather"),))
    first = message(
        thinking_block("I need the weather.", "c2ln"),
        text_block("Let me see."),
        tool_block("weather", {"city": "Łódź"}),
        stop_reason="tool_use",
    )
    async with MessagesDouble(first, message(text_block("Sunny."))).serve() as server:
        async with backend_at(server.base_url) as backend:
            call = asked(call_of("How is it?"), config=config)
            read = await ask(backend, call)
            assert read.finish_reason is FinishReason.TOOL_CALLS
            answered = assembled([read.as_chunk()]).message("cloud")
            result = Message(
                role=Role.TOOL,
                parts=(ToolResult(tool_call_id=read.tool_calls[0].id, parts=(Text("sunny"),)),),
            )
            last = await ask(backend, asked(call, *call.request.messages, answered, result))
        assert last.text == "Sunny."
        assert server.problems == []
        assert server.bodies[1]["messages"][1]["content"] == first["content"]


@pytest.mark.parametrize("ask", ASKS)
async def test_an_answer_in_json(ask: Ask) -> None:
    """It comes as the input of a tool and goes on as text."""
    answer = message(tool_block("answer", {"name": "Ann"}), stop_reason="tool_use")
    async with MessagesDouble(answer).serve() as server, backend_at(server.base_url) as backend:
        read = await ask(backend, call_of(config=GenerationConfig(json_schema='{"type": "object"}')))
    assert json.loads(read.text) == {"name": "Ann"}
    assert read.finish_reason is FinishReason.STOP


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("name", sorted(WRONG))
async def test_nothing_leaves_without_a_permit_that_fits(ask: Ask, name: str) -> None:
    """Whatever is wrong with it, the server hears nothing."""
    async with MessagesDouble().serve() as server, backend_at(server.base_url) as backend:
        call = call_of()
        with pytest.raises(NotPermitted):
            await ask(backend, dataclasses.replace(call, permit=WRONG[name](call)))  # type: ignore[arg-type]  # What is tested.
        assert server.bodies == []


REFUSALS: tuple[tuple[int, str, str, type[BackendError]], ...] = (
    (400, "invalid_request_error", "messages: something is odd", BackendInvalid),
    (400, "invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum", ContextTooLong),
    (
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
        ContextTooLong,
    ),
    (
        400,
        "invalid_request_error",
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude",
        ContextTooLong,
    ),
    (400, "invalid_request_error", "`temperature` is deprecated for this model.", NotCapable),
    (400, "invalid_request_error", "This model does not support assistant message prefill.", NotCapable),
    (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
        BackendQuotaUsedUp,
    ),
    (401, "authentication_error", "invalid x-api-key", BackendCredentials),
    (402, "billing_error", "Your account has a problem.", BackendQuotaUsedUp),
    (403, "permission_error", "Your API key does not have permission to use this.", BackendCredentials),
    (404, "not_found_error", "model: claude-nonesuch", BackendModelMissing),
    (413, "request_too_large", "Request exceeds the maximum size", ContextTooLong),
    (
        429,
        "rate_limit_error",
        "This request would exceed your rate limit of 50 requests.",
        BackendRateLimited,
    ),
    (500, "api_error", "Internal server error", BackendFailed),
    (504, "timeout_error", "Request timed out", BackendFailed),
    (529, "overloaded_error", "Overloaded", BackendOverloaded),
    (302, "x", "x", BackendModelMissing),
)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(("status", "kind", "words", "wanted"), REFUSALS)
async def test_refusals(status: int, kind: str, words: str, wanted: type[BackendError], ask: Ask) -> None:
    """Each means what it says, waits as long as asked, and its words are not handed on."""
    error = {
        "type": "error",
        "error": {"type": kind, "message": f"{words} SECRET-TEXT"},
        "request_id": "req_1",
    }
    raw = http(status, json.dumps(error).encode(), "retry-after: 7", "Location: http://127.0.0.1:9/")
    async with RawServer(raw).serve() as server, backend_at(server.base_url) as backend:
        with pytest.raises(BackendError) as raised:
            await ask(backend, call_of())
        assert len(server.received) == 1
    assert type(raised.value) is wanted
    assert raised.value.http_status == status
    if status == 429:
        assert raised.value.retry_after_s == 7.0
    assert "SECRET" not in str(raised.value)
    assert raised.value.__cause__ is None


def sse(raw: bytes, *headers: str) -> bytes:
    """Return a stream as an HTTP answer."""
    return http(200, raw, *headers, content_type="text/event-stream")


EVENTS = events_of(message(text_block("Hello there, you")))
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([OVERLOADED], BackendOverloaded),
        ([*EVENTS[:2], OVERLOADED], BackendOverloaded),
        ([*EVENTS[:5], OVERLOADED], StreamTruncated),
        (EVENTS[:2], BackendProtocol),
        (EVENTS[:5], StreamTruncated),
        (EVENTS[:-2], StreamTruncated),
    ],
)
async def test_streams_that_fail(events: list[dict[str, Any]], wanted: type[BackendError]) -> None:
    """Before the first word an error is what it is; after it the answer is cut."""
    async with RawServer(sse(wire(events))).serve() as server, backend_at(server.base_url) as backend:
        with pytest.raises(BackendError) as raised:
            await streamed(backend, call_of())
    assert type(raised.value) is wanted
    assert raised.value.charge is Charge.UNKNOWN


async def test_a_stream_without_its_last_event_is_whole() -> None:
    """A stop reason was given, and the counts with it."""
    async with RawServer(sse(wire(EVENTS[:-1]))).serve() as server, backend_at(server.base_url) as backend:
        read = await streamed(backend, call_of())
    assert read.text == "Hello there, you"
    assert read.usage is not None


async def test_a_connection_that_closes_behind_the_stop_reason() -> None:
    """Without a length the close is the end; a call that is cut before it stays cut."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    async with (
        RawServer(head + wire(EVENTS[:-1]), then="close").serve() as server,
        backend_at(server.base_url) as backend,
    ):
        assert (await streamed(backend, call_of())).text == "Hello there, you"
    called = events_of(message(tool_block("f", {"a": "long enough"}), stop_reason="tool_use"))
    async with (
        RawServer(head + wire(called[:4]), then="close").serve() as server,
        backend_at(server.base_url) as backend,
    ):
        with pytest.raises(StreamTruncated):
            await streamed(backend, call_of())


async def test_a_stream_that_stays_open_behind_its_end() -> None:
    """The answer does not wait for it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with (
        RawServer(head + wire(EVENTS), then="keep").serve() as server,
        backend_at(server.base_url) as backend,
        asyncio.timeout(5),
    ):
        assert (await streamed(backend, call_of())).text == "Hello there, you"


@pytest.mark.parametrize("ask", ASKS)
async def test_the_other_form_than_was_asked_for(ask: Ask) -> None:
    """Some servers stream unasked, or never."""
    answer = message(text_block("Hi"))
    for raw in (sse(wire(events_of(answer))), http(200, json.dumps(answer).encode())):
        async with RawServer(raw).serve() as server, backend_at(server.base_url) as backend:
            assert (await ask(backend, call_of())).text == "Hi"


@pytest.mark.parametrize("ask", ASKS)
async def test_what_is_no_answer(ask: Ask) -> None:
    """An answer that cannot be read, or is compressed unasked, is the provider's failure."""
    body = json.dumps(message(text_block("Hi"))).encode()
    for raw in (http(200, b"<html>"), http(200, b"{}"), http(200, body, "Content-Encoding: gzip")):
        async with RawServer(raw).serve() as server, backend_at(server.base_url) as backend:
            with pytest.raises(BackendProtocol):
                await ask(backend, call_of())


@pytest.mark.parametrize("ask", ASKS)
async def test_connections_that_break(ask: Ask) -> None:
    """No connection, one that breaks and one that is silent are told apart."""
    async with backend_at("http://127.0.0.1:9/v1") as backend:
        with pytest.raises(BackendUnreachable):
            await ask(backend, call_of())
    async with RawServer(b"", then="reset").serve() as server, backend_at(server.base_url) as backend:
        with pytest.raises(BackendReset):
            await ask(backend, call_of())
    async with RawServer(b"").serve() as server, backend_at(server.base_url) as backend:
        call = dataclasses.replace(call_of(), deadline=Deadline.after(0.2, SystemClock()))
        with pytest.raises(BackendSilent):
            await ask(backend, call)


@pytest.mark.parametrize(
    ("keys", "api_key"),
    [({"base_url": "http://[::"}, None), ({"proxy": "http://[::"}, None), ({}, "a key\n")],
)
async def test_what_cannot_be_sent_is_found_at_the_start(
    keys: Mapping[str, str], api_key: str | None
) -> None:
    """A URL or a key that is none."""
    spec = AnthropicModel.model_validate({"kind": "anthropic", "model": "m", "clearance": "public", **keys})
    with pytest.raises(StartupError) as raised:
        MessagesBackend("cloud", spec, api_key=api_key, clock=SystemClock())
    assert "a key" not in str(raised.value)


async def test_a_trace_is_joined() -> None:
    """Only where there is one."""
    async with MessagesDouble(message(text_block("Hi"))).serve() as server:
        async with backend_at(server.base_url) as backend:
            await backend.generate(dataclasses.replace(call_of(), traceparent="00-1-2-01"))
        assert server.headers[0]["traceparent"] == "00-1-2-01"


async def test_connections_are_used_again() -> None:
    """Streams that ended well share one connection, so that a handshake is paid once."""
    async with RawServer(sse(wire(EVENTS))).serve() as server, backend_at(server.base_url) as backend:
        for _ in range(2):
            assert (await streamed(backend, call_of())).text == "Hello there, you"
    assert server.connections == 1
