"""Every way in which a provider fails, over real sockets: what we make of it, and what it cost.

The promise behind it: an error that says "not charged" comes from a call that was not billed.
"""

import asyncio
import math
import ssl

import aiohttp
import pytest

from gateway.backends.http.errors import unanswered
from gateway.clock import Deadline
from gateway.domain.answer import FinishReason, Reply
from gateway.errors import (
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendModelMissing,
    BackendOverloaded,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    Charge,
    ContentFiltered,
    ContextTooLong,
    StreamTruncated,
)
from gateway.simulate.faults import KINDS
from gateway.simulate.server import SimulatedCloud
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, event_stream, http, streamed, whole
from tests.support.cloud_streams import outcome
from tests.support.fakes import FakeClock
from tests.support.waiting import until

SHORT_S = 0.15
"""For calls that meet silence: long enough for an answer on this host, short for a test."""

FAULTS: list[tuple[str, type[BackendError] | FinishReason, type[BackendError] | FinishReason]] = [
    ("status=503", BackendOverloaded, BackendOverloaded),
    ("status=500", BackendFailed, BackendFailed),
    ("status=404", BackendModelMissing, BackendModelMissing),
    ("status=429", BackendRateLimited, BackendRateLimited),
    ("status=307", BackendModelMissing, BackendModelMissing),
    ("unauthorized", BackendCredentials, BackendCredentials),
    ("context-too-long", ContextTooLong, ContextTooLong),
    ("content-filter", ContentFiltered, ContentFiltered),
    ("quota", BackendQuotaUsedUp, BackendQuotaUsedUp),
    ("reset", BackendReset, BackendReset),
    ("silence", BackendSilent, BackendSilent),
    ("slow=5", BackendSilent, BackendSilent),
    ("slow=0.01", FinishReason.STOP, FinishReason.STOP),
    ("drip=0.001", FinishReason.STOP, FinishReason.STOP),
    ("cut=0", BackendProtocol, BackendProtocol),
    ("cut=2", BackendProtocol, StreamTruncated),
    ("stall=0", BackendSilent, BackendSilent),
    ("stall=2", BackendSilent, StreamTruncated),
    ("stall-at-end", FinishReason.STOP, FinishReason.STOP),
    ("garbage=0", BackendProtocol, BackendProtocol),
    ("garbage=2", BackendProtocol, StreamTruncated),
    ("filtered=2", FinishReason.CONTENT_FILTER, FinishReason.CONTENT_FILTER),
    ("refusal", FinishReason.CONTENT_FILTER, FinishReason.CONTENT_FILTER),
    ("error-event=0", BackendFailed, BackendFailed),
    ("error-event=2", BackendFailed, StreamTruncated),
    ("no-finish", FinishReason.STOP, StreamTruncated),
    ("no-done", FinishReason.STOP, FinishReason.STOP),
    ("open-end", FinishReason.STOP, FinishReason.STOP),
    ("no-prefill", FinishReason.STOP, FinishReason.STOP),
    ("no-usage", FinishReason.STOP, FinishReason.STOP),
    ("zero-usage", FinishReason.STOP, FinishReason.STOP),
    ("late-usage=0.01", FinishReason.STOP, FinishReason.STOP),
    ("repeat-finish=0.001", FinishReason.STOP, FinishReason.STOP),
    ("endless", BackendProtocol, StreamTruncated),
    ("compressed", BackendProtocol, BackendProtocol),
    ("bomb", BackendProtocol, BackendProtocol),
    ("absurd-usage", FinishReason.STOP, FinishReason.STOP),
    ("length=40", FinishReason.STOP, FinishReason.STOP),
]
"""Fault; what a whole answer becomes; what a streamed one becomes."""


def test_every_fault_of_the_simulated_provider_is_met() -> None:
    """A fault that is added to the provider needs a row in the table."""
    assert {fault.partition("=")[0] for fault, *_ in FAULTS} == set(KINDS)


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    ("fault", "when_whole", "when_streamed"), FAULTS, ids=[fault for fault, *_ in FAULTS]
)
async def test_a_fault_becomes_the_right_error_and_never_costs_more_than_it_says(
    ask: Ask,
    fault: str,
    when_whole: type[BackendError] | FinishReason,
    when_streamed: type[BackendError] | FinishReason,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each failure is told apart; "not charged" means a bill of nothing, and usage means that very bill."""
    monkeypatch.setattr("gateway.backends.http.body.FINISH_WAIT_S", SHORT_S / 2)
    expected = when_whole if ask is whole else when_streamed
    timeout_s = SHORT_S if expected in (BackendSilent, StreamTruncated) else 30.0
    async with SimulatedCloud().serve() as cloud:
        got = await outcome(ask, cloud.base_url, model=f"sim+{fault}", timeout_s=timeout_s)
        bill = cloud.bill().models["sim"]
    if isinstance(got, BackendError):
        assert type(got) is expected
        if got.charge is Charge.NONE:
            assert bill.billed_usd_nanos == 0
    else:
        assert got.finish_reason is expected
        if got.usage is not None:
            assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (
                bill.prompt_tokens,
                bill.completion_tokens,
            )


@pytest.mark.parametrize("fault", ["no-usage", "stall-at-end"])
async def test_a_complete_stream_without_token_counts_is_complete(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is whole once the finish reason came; usage is None, so the ledger charges the reservation."""
    monkeypatch.setattr("gateway.backends.http.body.FINISH_WAIT_S", SHORT_S)
    async with SimulatedCloud().serve() as cloud:
        complete = await outcome(streamed, cloud.base_url)
        got = await outcome(streamed, cloud.base_url, model=f"sim+{fault}")
    assert isinstance(complete, Reply)
    assert isinstance(got, Reply)
    assert (got.text, got.usage) == (complete.text, None)


async def test_a_stream_keeps_what_came_before_the_cut() -> None:
    """The pieces reach the caller before the error does."""
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url, model="sim+cut=2") as backend:
        texts: list[str] = []

        async def read() -> None:
            async for chunk in backend.stream(call_of()):
                texts.append(chunk.text)

        with pytest.raises(StreamTruncated):
            await read()
    assert "".join(texts) == "This is"


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_refused_connection_is_unreachable(ask: Ask) -> None:
    """Nothing left, so nothing is charged, and another try may find the provider there."""
    async with RawServer(b"").serve() as server:
        base_url = server.base_url
    got = await outcome(ask, base_url)
    assert type(got) is BackendUnreachable
    assert got.charge is Charge.NONE


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_failed_handshake_is_unreachable(ask: Ask) -> None:
    """TLS to a server that does not speak it fails before the request leaves."""
    async with SimulatedCloud().serve() as cloud:
        got = await outcome(ask, cloud.base_url.replace("http:", "https:"))
        assert cloud.received() == ()
    assert type(got) is BackendUnreachable


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    ("reply", "then", "ours"),
    [
        (b"", "close", BackendReset),
        (b"", "reset", BackendReset),
        (b"HTTP/1.1 200 OK\r\nContent-", "close", BackendReset),
        (b"SMTP ready\r\n\r\n", "close", BackendProtocol),
        (http(200, b""), "keep", BackendProtocol),
        (http(204, b""), "keep", BackendProtocol),
        (http(200, b"<html>", content_type="text/html"), "keep", BackendProtocol),
        (http(200, b"{}"), "keep", BackendProtocol),
        (http(200, b"x")[:-1], "close", BackendProtocol),
        (http(500, b"x")[:-1], "close", BackendProtocol),
        (event_stream(b"[DONE]"), "keep", BackendProtocol),
    ],
)
async def test_an_answer_that_is_none_is_told_apart(
    ask: Ask, reply: bytes, then: str, ours: type[BackendError]
) -> None:
    """No byte of an answer: a reset. Bytes that are no answer: protocol. Either may have been billed."""
    async with RawServer(reply, then=then).serve() as server:
        got = await outcome(ask, server.base_url)
    assert type(got) is ours
    assert got.charge is Charge.UNKNOWN


@pytest.mark.parametrize("text", [b"", b'{"choices": [{"delta": {"content": "x"}}]}'])
@pytest.mark.parametrize(
    ("event", "ours"),
    [
        (b'{"error": {"message": "x", "code": "server_error"}}', BackendFailed),
        (b'{"error": {"message": "x", "code": "rate_limit_exceeded"}}', BackendRateLimited),
        (b'{"error": {"message": "x", "code": "unheard_of"}}', BackendProtocol),
        (b'{"error": {"message": "x", "code": "content_filter"}}', ContentFiltered),
        (b'{"error": {"message": "x", "type": "exceed_context_size_error"}}', ContextTooLong),
        (b'{"choices": [{"delta": {}, "finish_reason": "network_error"}]}', BackendProtocol),
        (b'{"choices": [{"delta": {}, "finish_reason": ["stop"]}]}', BackendProtocol),
        (b'{"choices": 1}', BackendProtocol),
        (b"[]", BackendProtocol),
    ],
)
async def test_an_event_that_is_wrong_ends_the_stream(
    text: bytes, event: bytes, ours: type[BackendError]
) -> None:
    """Before the first text it is what it is; after it the answer is truncated, never complete."""
    events = [text, event, b"[DONE]"] if text else [event, b"[DONE]"]
    async with RawServer(event_stream(*events)).serve() as server:
        got = await outcome(streamed, server.base_url)
    assert type(got) is (StreamTruncated if text else ours)


@pytest.mark.parametrize("lost", range(9))
async def test_an_event_that_is_cut_off_is_not_read(lost: int) -> None:
    """The last event needs no blank line, nor a line end, but its JSON has to be whole."""
    finish = b'data: {"choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}]}\n\n'
    body = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n' + finish[: len(finish) - lost]
    async with RawServer(http(200, body, content_type="text/event-stream")).serve() as server:
        got = await outcome(streamed, server.base_url)
    if lost <= 2:
        assert isinstance(got, Reply)
        assert got.text == "xy"
    else:
        assert type(got) is StreamTruncated


async def test_comments_and_empty_events_keep_a_stream_alive() -> None:
    """Some providers send comments while a model thinks."""
    finish = b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}\n\n'
    body = b": processing\n\n: processing\n\n" + finish + b"data: [DONE]\n\n"
    async with RawServer(http(200, body, content_type="text/event-stream")).serve() as server:
        got = await outcome(streamed, server.base_url)
    assert isinstance(got, Reply)
    assert got.text == "x"


CAUSES: list[tuple[Exception, type[BackendError]]] = [
    (aiohttp.ConnectionTimeoutError(), BackendUnreachable),
    (aiohttp.SocketTimeoutError(), BackendSilent),
    (aiohttp.ServerDisconnectedError(), BackendReset),
    (aiohttp.ClientOSError(), BackendReset),
    (aiohttp.ClientConnectionResetError(), BackendReset),
    (ConnectionResetError(), BackendReset),
    (aiohttp.ClientPayloadError(), BackendProtocol),
    (aiohttp.InvalidURL("x"), BackendUnreachable),
    (ssl.SSLError(), BackendProtocol),
    (ValueError(), BackendProtocol),
]


@pytest.mark.parametrize(("cause", "ours"), CAUSES, ids=[type(cause).__name__ for cause, _ in CAUSES])
def test_a_broken_connection_is_told_by_its_cause(cause: Exception, ours: type[BackendError]) -> None:
    """Its own class says what happened, or that of the error behind it."""
    outer = aiohttp.ClientError()
    outer.__cause__ = cause
    for error in (cause, outer):
        assert type(unanswered("cloud", error)) is ours


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_deadline_that_has_passed_ends_the_call(ask: Ask) -> None:
    """A timeout of zero would mean none to the transport, so the least one is used."""
    async with SimulatedCloud().serve() as cloud:
        async with asyncio.timeout(5):
            got = await outcome(ask, cloud.base_url, model="sim+silence", timeout_s=-1.0)
    assert isinstance(got, BackendUnreachable | BackendSilent)


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_deadline_that_never_comes_is_no_timeout(ask: Ask) -> None:
    """An infinite deadline is answered like any other."""
    async with SimulatedCloud().serve() as cloud, backend_at(cloud.base_url) as backend:
        reply = await ask(backend, call_of(timeout_s=math.inf))
    assert reply.finish_reason is FinishReason.STOP


async def test_the_deadline_is_the_calls_own_and_by_its_clock() -> None:
    """Half of the time that the clock says is left, not what was left when the call was made."""
    clock = FakeClock()
    async with (
        SimulatedCloud().serve() as cloud,
        backend_at(cloud.base_url, model="sim+silence", clock=clock) as backend,
    ):
        call = call_of(timeout_s=60.0, clock=clock)
        clock.advance(60.0 - SHORT_S)
        assert call.deadline == Deadline(clock.monotonic_s() + SHORT_S)
        async with asyncio.timeout(10):
            with pytest.raises(BackendSilent):
                await backend.generate(call)
        await until(lambda: cloud.bill().disconnects == 1)
