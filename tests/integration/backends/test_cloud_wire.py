"""The ends and the bounds of an answer over real sockets: when it is over, and when it is too much."""

import asyncio
import gzip
import time

import pytest
from yarl import URL

from gateway.backends.http import body as cloud_body
from gateway.domain.answer import FinishReason, Reply, Usage
from gateway.errors import BackendError, BackendFailed, BackendProtocol, StreamTruncated
from gateway.simulate.server import SimulatedCloud
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, http, streamed, whole
from tests.support.cloud_streams import ANSWER, COUNTS, EVERY, USAGE, outcome, writing
from tests.support.provider_bytes import chunk, line, plain, said, wire
from tests.support.waiting import until

SHORT_S = 0.15
"""For waits that come to nothing."""


SIGNS_OF_LIFE = [b": keepalive\n\n", line({"type": "ping"}), b"data: ping\n\n", b'data: {"choices": [{"ind']


@pytest.mark.parametrize(
    ("parts", "usage"),
    [
        ([ANSWER], None),
        *(([ANSWER, sign], None) for sign in SIGNS_OF_LIFE),
        ([ANSWER, b'data: {"choices": [{"ind'], None),
        ([ANSWER, COUNTS], USAGE),
        ([ANSWER, COUNTS, b"data: [DONE]\n\n"], USAGE),
        ([ANSWER, b"data: [DONE]\n\n"], None),
        ([EVERY, COUNTS], USAGE),
        ([EVERY, b"data: [DONE]\n\n"], None),
    ],
)
async def test_an_answer_that_is_over_ends_though_its_stream_stays_open(
    parts: list[bytes], usage: Usage | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By silence, which comments and pings do not break; else by DONE, or by counts of their own."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", SHORT_S)
    async with writing(*parts, pause_s=0.01, repeats=2000 if parts[-1] in SIGNS_OF_LIFE else 1) as base_url:
        async with asyncio.timeout(10):
            got = await outcome(streamed, base_url)
    assert got == Reply(text="one two", finish_reason=FinishReason.STOP, usage=usage)


async def test_counts_that_come_late_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are waited for as long as silence may last; after that the answer goes without them."""
    async with SimulatedCloud().serve() as cloud:
        for late_s, wait_s, is_counted in ((SHORT_S, 10.0, True), (30.0, 0.01, False)):
            monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", wait_s)
            got = await outcome(streamed, cloud.base_url, model=f"sim+late-usage={late_s}")
            assert isinstance(got, Reply)
            assert (got.usage is not None) is is_counted


async def test_the_wait_leaves_time_for_the_answer() -> None:
    """Where the deadline or a stall is nearer than two seconds, silence ends the answer before them."""
    async with writing(ANSWER) as base_url, backend_at(base_url) as backend:
        call = call_of(timeout_s=0.6)
        assert (await streamed(backend, call)).text == "one two"
        assert call.deadline.remaining_s(backend._clock) > 0.2


async def test_a_provider_that_repeats_its_finish_reason_may_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its silence is no end: the whole text comes, however long it thinks between two words."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", 0.01)
    async with SimulatedCloud().serve() as cloud:
        expected = await outcome(streamed, cloud.base_url)
        cloud.reset()  # Or the prompt would be cached.
        got = await outcome(streamed, cloud.base_url, model="sim+repeat-finish=0.05")
    assert got == expected


@pytest.mark.parametrize(
    "begun",
    [
        EVERY,
        line(chunk({"role": "assistant"}, "stop")) + line(said("one ")),
        line(said("one ")) + line(chunk({}, "stop")) + line(said("two")) + line(chunk({}, "stop")),
    ],
)
async def test_silence_of_such_a_provider_is_a_stall(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of which more may come is not taken for whole."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", 0.01)
    async with writing(begun) as base_url:
        assert type(await outcome(streamed, base_url, timeout_s=2 * SHORT_S)) is StreamTruncated


async def test_a_provider_that_was_seen_to_repeat_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one answer showed holds for the next one, whose first words look like any other's."""
    monkeypatch.setattr(cloud_body, "FINISH_WAIT_S", 0.01)
    shown = wire([said("a"), said("b", "stop"), said("c", "stop")])
    paused = [line(said("one ")), line(said("two ", "stop")), line(said("three")), b"data: [DONE]\n\n"]
    async with (
        writing(shown) as first,
        writing(*paused, pause_s=0.05) as second,
        backend_at(first) as backend,
    ):
        assert (await streamed(backend, call_of())).text == "abc"
        backend._client._url = URL(second) / "chat/completions"
        assert (await streamed(backend, call_of())).text == "one two three"


BOMB = gzip.compress(b" " * (64 * 1024 * 1024))
"""64 kB that become a thousand times as much."""


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip", "br", "deflate", "zstd"])
@pytest.mark.parametrize("status", [200, 500])
async def test_what_is_compressed_is_not_unpacked(ask: Ask, coding: str, status: int) -> None:
    """None was asked for, and a small body may become one that stops the process."""
    answer = http(status, BOMB, f"Content-Encoding: {coding}", content_type="text/event-stream")
    async with RawServer(answer, then="close").serve() as server:
        began_s = time.process_time()
        got = await outcome(ask, server.base_url)
        assert time.process_time() - began_s < 0.15  # To unpack it takes longer.
        assert b"accept-encoding: identity" in server.received[0].lower()
    assert type(got) is (BackendProtocol if status == 200 else BackendFailed)


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_coding_that_is_none_is_no_compression(ask: Ask) -> None:
    """Some say `identity`, and some name the character set there."""
    for coding in ("identity", "UTF-8", "none"):
        answer = http(200, wire(plain(["one ", "two"])), f"Content-Encoding: {coding}")
        async with RawServer(answer, then="close").serve() as server:
            got = await outcome(ask, server.base_url)
        assert isinstance(got, Reply)
        assert got.text == "one two"


@pytest.mark.parametrize(("ask", "ours"), [(whole, BackendProtocol), (streamed, StreamTruncated)])
async def test_an_answer_without_end_is_left(ask: Ask, ours: type[BackendError]) -> None:
    """What `max_tokens` can mean and a few megabytes more are read, then the connection is closed."""
    async with SimulatedCloud().serve() as cloud:
        got = await outcome(ask, cloud.base_url, model="sim+endless", max_tokens=1)
        await until(lambda: cloud.bill().disconnects == 1)
    assert type(got) is ours


@pytest.mark.parametrize(
    "junk", [b": keepalive\n", b"\n", b"data: {}\n\n", b"data: x\n", b"x" * 1024, b'data: {"a":\ndata: 1']
)
@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_body_of_junk_is_left(ask: Ask, junk: bytes) -> None:
    """However small its pieces, and others get their turn meanwhile."""
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, loop.time() - began_s)

    async with writing(junk * (64 * 1024 // len(junk)), repeats=2000) as base_url:
        watching = asyncio.create_task(watch())
        got = await outcome(ask, base_url, max_tokens=1)
        watching.cancel()
    assert type(got) is BackendProtocol
    assert longest_s < 0.5


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_the_body_of_an_error_is_bounded(ask: Ask) -> None:
    """Its words are at its beginning."""
    answer = b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\n\r\n" + b'{"error": "' + b"x" * 10_000_000
    async with RawServer(answer, then="hang").serve() as server:
        assert type(await outcome(ask, server.base_url)) is BackendFailed


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain", ""])
@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("is_events", [False, True])
async def test_an_answer_in_the_other_form_is_read(ask: Ask, is_events: bool, content_type: str) -> None:
    """Some stream unasked, and some do not when asked; what it is, its first byte says."""
    one_piece = (
        b'{"choices": [{"message": {"content": "one two"}, "finish_reason": "stop"}],\n "usage": null}'
    )
    body = wire(plain(["one ", "two"])) if is_events else one_piece
    async with RawServer(http(200, body, content_type=content_type), then="close").serve() as server:
        got = await outcome(ask, server.base_url)
    assert isinstance(got, Reply)
    assert (got.text, got.finish_reason) == ("one two", FinishReason.STOP)
    assert got.usage == (USAGE if is_events else None)
