"""What a caller over HTTP is told of a failure, and what stops when it leaves."""

import asyncio
from contextlib import suppress

import openai
import pytest

from gateway.domain.answer import Chunk
from gateway.domain.decision import Reason
from gateway.errors import (
    HTTP_STATUS,
    BackendFailed,
    BackendQuotaUsedUp,
    BackendRateLimited,
    StreamTruncated,
)
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.openai_client import MODEL, client_of, ended
from tests.support.policies import POLICY
from tests.support.raw_http import (
    CHAT,
    LAST_CHUNK,
    PATIENCE_S,
    RawReply,
    connected,
    exchanged,
    request_bytes,
    said,
)
from tests.support.served import ANY_PORT, served
from tests.support.waiting import until

EDGE_ONLY = POLICY.replace("route: [edge, cloud]", "route: [edge]").replace(
    "resilience: {attempts: 1, deadline_s: {default: 5, max: 10}}",
    "resilience: {attempts: 1, deadline_s: {default: 60, max: 60}, first_token_s: 60}",
)
CUT: Step = [Chunk(text="Half of"), StreamTruncated("edge", "the stream broke")]
FOREVER: Step = [Chunk(text="Once upon"), Delay(3600.0), ended()]


def models(step: Step) -> dict[str, ScriptedBackend]:
    """Return a model at the edge that does one thing, and none behind it."""
    return {"edge": ScriptedBackend("edge", lambda _: step), "cloud": ScriptedBackend("cloud", [reply("-")])}


async def failed(step: Step, *, stream: bool, **headers: str) -> RawReply:
    """Return the response to a request that a model fails."""
    async with served(models(step), http=ANY_PORT, policy=EDGE_ONLY) as gateway:
        return await exchanged(gateway.http_address, CHAT, said(stream=stream), headers=headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_first_byte_is_a_status(stream: bool) -> None:
    """A stream, too, is an error in one piece, so that SDKs see it before they read."""
    told = await failed(BackendFailed("edge", "HTTP 500"), stream=stream)
    assert told.status == HTTP_STATUS[Reason.UPSTREAM_ERROR]
    assert told.json["error"]["type"] == "server_error"
    assert told.json["error"]["code"] == "upstream_error"
    assert told.json["gateway"]["degraded"]["reason"] == "UPSTREAM_ERROR"
    assert told.json["gateway"]["request_id"] == told.headers["x-gateway-request-id"]
    assert told.headers["content-type"].startswith("application/json")


async def test_a_failure_after_it_is_an_event_and_a_body_without_end() -> None:
    """Whatever a client makes of the event, the body is not whole, and nothing says that it has ended."""
    told = await failed(CUT, stream=True)
    assert told.status == 200
    *pieces, last = told.events
    assert [piece["choices"][0]["delta"]["content"] for piece in pieces] == ["", "Half of"]
    assert {piece["choices"][0]["finish_reason"] for piece in pieces} == {None}
    assert last["error"]["code"] == "stream_truncated"
    assert not told.is_whole
    assert b"[DONE]" not in told.body


async def test_sdk_raises_for_a_stream_that_breaks() -> None:
    """It is the same error, whichever model broke off."""
    async with served(models(CUT), http=ANY_PORT, policy=EDGE_ONLY) as gateway, client_of(gateway) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        assert (await anext(stream)).choices[0].delta.role == "assistant"
        assert (await anext(stream)).choices[0].delta.content == "Half of"
        with pytest.raises(openai.APIError, match="edge"):
            await anext(stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_cancels_down_to_the_model(stream: bool) -> None:
    """A caller that closes its connection pays for nothing more, and is in the log as one that left."""
    backends, reports = models(FOREVER), list[CallReport]()
    async with served(backends, http=ANY_PORT, policy=EDGE_ONLY, observers=(reports.append,)) as gateway:
        async with connected(gateway.http_address) as (reader, writer):
            writer.write(request_bytes(CHAT, said(stream=stream)))
            if stream:
                async with asyncio.timeout(PATIENCE_S):
                    await reader.readuntil(b"Once upon")
            else:
                await until(lambda: bool(backends["edge"].calls))
        await until(lambda: bool(backends["edge"].stopped))
        await until(lambda: gateway.calls.in_flight == 0)
    assert [report.code for report in reports] == ["CANCELLED"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reader_that_stands_still_is_left_at_its_deadline(stream: bool) -> None:
    """An answer that nobody reads holds no slot and no buffer for ever."""
    endless: Step = [*([Chunk(text="x" * 100_000)] * 300), ended()]
    reports = list[CallReport]()
    async with (
        served(models(endless), http=ANY_PORT, policy=EDGE_ONLY, observers=(reports.append,)) as gateway,
        connected(gateway.http_address) as (_, writer),
    ):
        writer.write(request_bytes(CHAT, said(stream=stream), headers={"x-gateway-deadline-s": "2"}))
        await until(lambda: bool(reports))
        await until(lambda: gateway.calls.in_flight == 0)
    assert [(report.code, report.reason) for report in reports] == [("DEADLINE_EXCEEDED", Reason.DEADLINE)]


async def test_a_connection_of_a_reader_that_stands_still_is_closed() -> None:
    """With what it was sent and did not take."""
    endless: Step = [*([Chunk(text="x" * 100_000)] * 300), ended()]
    async with (
        served(models(endless), http=ANY_PORT, policy=EDGE_ONLY) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        writer.write(request_bytes(CHAT, said(stream=True), headers={"x-gateway-deadline-s": "2"}))
        await until(lambda: gateway.calls.in_flight == 1)
        await until(lambda: gateway.calls.in_flight == 0)
        body = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while piece := await reader.read(1 << 20):
                    body = (body + piece)[-len(LAST_CHUNK) :]
    assert body != LAST_CHUNK


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (
            BackendRateLimited("edge", "HTTP 429", retry_after_s=7.2),
            429,
            "rate_limit_exceeded",
            {"retry-after": "8", "retry-after-ms": "7200"},
        ),
        (BackendQuotaUsedUp("edge", "HTTP 402"), 429, "rate_limit_exceeded", {"x-should-retry": "false"}),
        (BackendFailed("edge", "HTTP 500"), 503, "upstream_error", {}),
    ],
)
async def test_headers_say_whether_to_try_again(
    error: Exception, status: int, code: str, headers: dict[str, str]
) -> None:
    """SDKs do what they say before they look at the status."""
    told = await failed(error, stream=False)
    names = ("retry-after", "retry-after-ms", "x-should-retry")
    assert (told.status, told.json["error"]["code"]) == (status, code)
    assert {name: told.headers[name] for name in names if name in told.headers} == headers


async def test_no_canned_reply_unless_it_is_asked_for() -> None:
    """SDKs take any text for the answer of a model, hence a status; where welcome, it says so."""
    step = BackendFailed("edge", "HTTP 500")
    assert (await failed(step, stream=False)).status == 503
    welcome = {"x-gateway-allow-degraded": "true"}
    whole = await failed(step, stream=False, **welcome)
    assert (whole.status, whole.json["model"]) == (200, "canned:sorry")
    assert whole.json["choices"][0]["message"]["content"] == "Sorry."
    assert whole.json["gateway"]["degraded"] == {"reason": "UPSTREAM_ERROR", "canned_id": "sorry"}
    assert whole.headers["x-gateway-degraded"] == "upstream_error"
    streamed = await failed(step, stream=True, **welcome)
    events = streamed.events
    assert {event["model"] for event in events} == {"canned:sorry"}
    assert [event["gateway"]["degraded"]["canned_id"] for event in events if "gateway" in event] == ["sorry"]
    assert streamed.headers["x-gateway-route"] == "canned"
    assert streamed.headers["x-gateway-degraded"] == "upstream_error"


async def test_a_policy_may_allow_canned_replies() -> None:
    """And a caller may still decline them."""
    policy = EDGE_ONLY + "http: {allow_degraded: true}\n"
    backends = models(BackendFailed("edge", "HTTP 500"))
    async with served(backends, http=ANY_PORT, policy=policy) as gateway, client_of(gateway) as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}]
        )
        assert answer.model == "canned:sorry"
        with pytest.raises(openai.InternalServerError) as raised:
            await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "hello"}],
                extra_headers={"x-gateway-allow-degraded": "false"},
            )
        assert raised.value.status_code == 503
