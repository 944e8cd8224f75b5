"""Streamed answers as a caller reads them: what holds, what is void, and what is no answer at all."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway.client import (
    CallFailed,
    DeadlineExceeded,
    GatewayClient,
    StreamIncomplete,
    SyncGatewayClient,
    prompt,
)
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import (
    ANSWER,
    Context,
    ScriptedGateway,
    completed,
    delta,
    failing,
    restart,
)

ASK = prompt("hello")
DECISION = pb.StreamGenerateResponse(decision=ANSWER.decision)

Seen = list[tuple[str | None, str]]
"""Kind of each event, and the text that holds after it."""
Read = Callable[[str, Seen], pb.GenerateResponse]


async def _read_async(target: str, seen: Seen) -> pb.GenerateResponse:
    async with GatewayClient(target) as client, client.stream(ASK, timeout_s=10.0) as events:
        async for event in events:
            seen.append((event.WhichOneof("event"), events.text))
        return events.answer


def _read_sync(target: str, seen: Seen) -> pb.GenerateResponse:
    with SyncGatewayClient(target) as client, client.stream(ASK, timeout_s=10.0) as events:
        for event in events:
            seen.append((event.WhichOneof("event"), events.text))
        return events.answer


@pytest.fixture(params=["async", "sync"])
def read(
    request: pytest.FixtureRequest, target: str
) -> Callable[[Seen], "asyncio.Future[pb.GenerateResponse]"]:
    """Read a whole stream, by one of the two clients."""

    def start(seen: Seen) -> "asyncio.Future[pb.GenerateResponse]":
        if request.param == "async":
            return asyncio.ensure_future(_read_async(target, seen))
        return asyncio.ensure_future(asyncio.to_thread(_read_sync, target, seen))

    return start


Reader = Callable[[Seen], "asyncio.Future[pb.GenerateResponse]"]


async def test_a_stream_grows_into_its_answer(service: ScriptedGateway, read: Reader) -> None:
    """The text so far grows with each piece, and the last message is the answer."""
    service.events = (DECISION, delta("hel"), delta("lo"), completed())
    seen: Seen = []
    assert (await read(seen)).text == "hello"
    assert seen == [("decision", ""), ("delta", "hel"), ("delta", "hello"), ("completed", "hello")]


async def test_a_restart_voids_the_text(service: ScriptedGateway, read: Reader) -> None:
    """What came before a restart is in no text, and not in the answer."""
    service.events = (delta("wrong"), restart("edge"), delta("hello", attempt=1), completed())
    seen: Seen = []
    assert (await read(seen)).text == "hello"
    assert [text for _, text in seen] == ["wrong", "", "hello", "hello"]


TRUNCATED = error_details_pb2.ErrorInfo(
    reason="STREAM_TRUNCATED", domain="gateway.v1", metadata={"request_id": "r-1"}
)


async def test_a_cut_is_an_error_with_a_type(service: ScriptedGateway, read: Reader) -> None:
    """A stream that the gateway ends as truncated raises StreamIncomplete, and says what to do."""
    service.events = (delta("hel"), completed())
    service.behaviour = failing(code_pb2.ABORTED, TRUNCATED)
    seen: Seen = []
    with pytest.raises(StreamIncomplete) as cut:
        await read(seen)
    assert (cut.value.code, cut.value.reason, cut.value.request_id) == ("ABORTED", "STREAM_TRUNCATED", "r-1")
    assert "new answer" in cut.value.hint
    assert seen == [("delta", "hel")]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((delta("hello"),), "status OK alone does not make an answer complete"),
        ((DECISION,), "there is nothing at all"),
        ((delta("wrong"), restart("edge")), "the model that begins anew said nothing"),
    ],
)
async def test_a_stream_without_its_last_message_is_cut(
    service: ScriptedGateway, read: Reader, events: Sequence[pb.StreamGenerateResponse], why: str
) -> None:
    """A stream that just ends is no answer, whatever its status says."""
    service.events = tuple(events)
    with pytest.raises(StreamIncomplete, match="not complete"):
        await read([])
    assert why


async def test_a_gateway_that_dies_cuts_the_answer(service: ScriptedGateway, read: Reader) -> None:
    """UNAVAILABLE after some text is a cut and not "nobody is there": a blind retry would show text twice."""
    service.events = (delta("hel"), completed())
    service.behaviour = failing(code_pb2.UNAVAILABLE)
    with pytest.raises(StreamIncomplete):
        await read([])


async def test_other_errors_keep_their_type(service: ScriptedGateway, read: Reader) -> None:
    """A deadline that passes in the middle is a deadline."""
    service.events = (delta("hel"), completed())
    service.behaviour = failing(
        code_pb2.DEADLINE_EXCEEDED, error_details_pb2.ErrorInfo(reason="DEADLINE", domain="gateway.v1")
    )
    with pytest.raises(DeadlineExceeded) as failed:
        await read([])
    assert failed.value.hint == "set a longer deadline, or ask for fewer tokens"


async def test_leaving_early_cancels_the_call(service: ScriptedGateway, target: str) -> None:
    """Who leaves the sync stream stops the model, as with the async one."""

    async def hang(context: Context) -> None:
        await asyncio.Event().wait()

    service.behaviour = hang
    loop = asyncio.get_running_loop()

    def leave() -> str:
        with SyncGatewayClient(target) as client, client.stream(ASK, timeout_s=60.0) as events:
            for _ in events:
                break
            asyncio.run_coroutine_threadsafe(service.was_called.wait(), loop).result(30.0)
            return events.text

    assert await asyncio.to_thread(leave) == "hel"
    await asyncio.wait_for(service.was_cancelled.wait(), timeout=30.0)


async def test_the_answer_is_not_there_before_the_end(target: str) -> None:
    """Nobody reads half an answer as a whole one."""
    async with GatewayClient(target) as client, client.stream(ASK, timeout_s=10.0) as events:
        await anext(events)
        with pytest.raises(CallFailed, match="not complete"):
            _ = events.answer
