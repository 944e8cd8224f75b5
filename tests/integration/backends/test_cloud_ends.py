"""What ends a streamed answer for good, and what does not: over real sockets."""

import asyncio
import contextlib

import pytest

from gateway.backends.http import body as cloud_body
from gateway.domain.answer import FinishReason, Reply
from gateway.errors import BackendError, BackendProtocol, BreakerVerdict, StreamTruncated
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, http, streamed, whole
from tests.support.cloud_streams import ANSWER, COUNTS, EVERY, USAGE, outcome, writing
from tests.support.provider_bytes import chunk, line, said

REFUSAL = line({"error": {"message": "the server had an error", "code": 500}})


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    "after",
    [
        REFUSAL,
        b"event: error\n" + line({"x": 1}),
        line(said("three")),
        line(said("three", "error")),
        b"data: [1, 2\n\n",
        b'data: {"choices": 7}\n\n',
        b"garbage {" * 1000,
    ],
    ids=lambda after: after[:24].decode().strip(),
)
async def test_nothing_behind_done_takes_the_answer_back(after: bytes, ask: Ask) -> None:
    """Neither what cannot be read, nor an error, nor too much: the answer was whole before."""
    begun = ANSWER + COUNTS + b"data: [DONE]\n\n"
    async with RawServer(http(200, begun + after, content_type="text/event-stream")).serve() as server:
        got = await outcome(ask, server.base_url)
    assert got == Reply(text="one two", finish_reason=FinishReason.STOP, usage=USAGE)


@pytest.mark.parametrize("after", [REFUSAL, COUNTS, b": ping\n\n" * 10_000, b"\n" * 60_000, b"x" * 60_000])
async def test_a_flood_behind_done_is_left(after: bytes) -> None:
    """The answer is given out though its provider never stops."""
    async with writing(ANSWER, COUNTS, b"data: [DONE]\n\n", after, repeats=100_000) as base_url:
        async with asyncio.timeout(10):
            got = await outcome(streamed, base_url)
    assert got == Reply(text="one two", finish_reason=FinishReason.STOP, usage=USAGE)


ROLE_FIRST = line(chunk({"role": "assistant"}, "stop")) + line(said("one ")) + line(said("two"))
THOUGHT_FIRST = line(chunk({"reasoning": "hm"})) + line(said("one two", "stop"))
RESUMED = line(said("one ")) + line(chunk({}, "stop")) + line(said("two")) + line(chunk({}, "stop"))


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("begun", [EVERY, ROLE_FIRST, RESUMED, THOUGHT_FIRST])
async def test_a_closed_connection_does_not_end_what_such_a_provider_says(
    begun: bytes, then: str, ask: Ask
) -> None:
    """It may as well be a cut, unless the body has an end of its own or says that it is done."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    async with RawServer(head + begun, then=then).serve() as server:
        got = await outcome(ask, server.base_url)
        assert type(got) is (StreamTruncated if ask is streamed else BackendProtocol)
        server.reply = http(200, begun, content_type="text/event-stream")
        got = await outcome(ask, server.base_url)
        assert isinstance(got, Reply)
        assert got.text == "one two"
    for end in (COUNTS, b"data: [DONE]\n\n", b"data: [DONE]"):
        async with RawServer(head + begun + end, then="close").serve() as server:
            got = await outcome(ask, server.base_url)
            assert isinstance(got, Reply)
            assert got.text == "one two"


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_closed_connection_ends_what_has_a_finish_reason_behind_it(ask: Ask) -> None:
    """Old servers send a body without a length."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with RawServer(head + ANSWER, then="close").serve() as server:
        got = await outcome(ask, server.base_url)
    assert isinstance(got, Reply)
    assert got.text == "one two"


EMPTY = [
    line(said("")),
    line(chunk({})),
    line(chunk(None)),
    line(chunk({"role": "assistant", "content": None})),
    line({"choices": [{"index": 1, "delta": {"content": "another"}}]}),
]


@pytest.mark.parametrize("empty", EMPTY)
async def test_an_empty_event_is_no_sign_of_life_behind_the_first_word(empty: bytes) -> None:
    """It keeps a connection open; a model that says nothing more has stalled. Sooner it is one."""

    async def signs_of_life(begun: bytes) -> int:
        seen = 0
        async with (
            writing(begun, empty, pause_s=0.001, repeats=50) as base_url,
            backend_at(base_url) as backend,
        ):
            with contextlib.suppress(BackendError):
                async for _ in backend.stream(call_of(timeout_s=0.5)):
                    seen += 1
        return seen

    assert await signs_of_life(line(said("one "))) == 1
    assert await signs_of_life(line(chunk({"role": "assistant"}))) > 10


@pytest.mark.parametrize("empty", [*EMPTY, line(chunk({}, "stop"))])
async def test_empty_events_do_not_put_off_the_end(empty: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a finish reason that is given again without a word."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", 0.1)
    async with writing(ANSWER, empty, pause_s=0.01, repeats=2000) as base_url, asyncio.timeout(10):
        got = await outcome(streamed, base_url)
    assert got == Reply(text="one two", finish_reason=FinishReason.STOP, usage=None)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ({"code": 429, "message": "too many requests"}, BreakerVerdict.IGNORE),
        ({"code": "content_filter", "message": "x"}, BreakerVerdict.IGNORE),
        ({"message": "maximum context length is 80 tokens"}, BreakerVerdict.IGNORE),
        ({"code": 502, "message": "bad gateway"}, BreakerVerdict.FAILURE),
        ({"message": "x"}, BreakerVerdict.FAILURE),
    ],
)
async def test_an_error_behind_text_counts_as_it_would_before(
    error: dict[str, object], verdict: BreakerVerdict
) -> None:
    """The stream is cut either way; a rate limit or a filter says nothing about the model's health."""
    body = line(said("one ")) + line({"error": error})
    async with RawServer(http(200, body, content_type="text/event-stream")).serve() as server:
        got = await outcome(streamed, server.base_url)
    assert type(got) is StreamTruncated
    assert got.breaker is verdict


async def test_silence_behind_a_finish_that_came_with_the_first_text_is_a_stall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the model thought before: its provider may repeat the finish reason with every text."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", 0.01)
    async with writing(THOUGHT_FIRST) as base_url:
        assert type(await outcome(streamed, base_url, timeout_s=0.3)) is StreamTruncated
