"""Streams of the Responses API that end early, and answers at a limit; OpenAI's client is the judge."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, TokenLogprob, ToolCallDelta, TopLogprob
from gateway.errors import StreamTruncated
from gateway.testing.scripted import Act, ScriptedBackend, Step
from tests.support.known_responses import RESPONSES
from tests.support.openai_client import MODEL, PATIENCE_S, SMART, asked, called, ended
from tests.support.raw_http import connected, exchanged, recorded_response
from tests.support.replayed import Replay
from tests.support.served import ANY_PORT, served

HELLO: list[Act] = [Chunk(text="Hi"), ended()]
PIECES: dict[str, list[Act]] = {
    "text": HELLO,
    "call": [
        Chunk(reasoning=(ReasoningDelta(text="I look."),)),
        *called("f", "{}"),
        ended(FinishReason.TOOL_CALLS),
    ],
}
WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}


async def outcome(client: openai.AsyncOpenAI) -> list[Any]:
    """Read a stream to its end; raises what the client raises."""
    stream = await client.responses.create(model=MODEL, input="hello", stream=True)
    return [event async for event in stream]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "step"), [("text", 1), ("call", 7)])
async def test_a_cut_at_any_byte_raises(kind: str, step: int) -> None:
    """There is no last word but the end of the body: until it has come, the client raises."""
    smart = ScriptedBackend("smart", [PIECES[kind]])
    async with (
        served({"smart": smart}, http=ANY_PORT, policy=SMART) as gateway,
        connected(gateway.http_address) as connection,
    ):
        body = json.dumps({"model": MODEL, "input": "hello", "stream": True}).encode()
        replay = Replay(await recorded_response(connection, RESPONSES, body))
    async with (
        replay.serving(),
        openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{replay.port}/v1",
            api_key="unused",
            max_retries=0,
            timeout=PATIENCE_S,
        ) as client,
    ):
        assert (await outcome(client))[-1].type == "response.completed"
        for length in range(replay.response.index(b"\r\n\r\n"), len(replay.response), step):
            replay.length = length
            with pytest.raises(Exception):  # noqa: B017, PT011  Its HTTP library's errors come through, too.
                await outcome(client)


async def helped(client: openai.AsyncOpenAI) -> None:
    """The same with the client's helper for streams."""
    async with client.responses.stream(model=MODEL, input="hello") as stream:
        await stream.get_final_response()


@pytest.mark.parametrize("read", [outcome, helped])
@pytest.mark.parametrize("kind", PIECES)
async def test_a_model_that_breaks_off_after_any_piece_raises(
    kind: str, read: Callable[[openai.AsyncOpenAI], Awaitable[object]]
) -> None:
    """Before the first piece as a status, after it as an event: an exception, however a client reads."""
    pieces = PIECES[kind]
    cuts: list[Step] = [
        [*pieces[:count], StreamTruncated("smart", "broke off")] for count in range(len(pieces))
    ]
    async with asked(cuts) as (client, model):
        for _ in cuts:
            with pytest.raises(openai.APIError):
                await read(client)
    assert len(model.calls) == len(cuts)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_last_item_of_a_cut_answer_is_incomplete(is_streamed: bool) -> None:
    """The items before it are whole; a client that keeps items knows which one to drop."""
    step: Step = [Chunk(text="I look."), *called("weather", '{"city": "Os'), ended(FinishReason.LENGTH)]
    async with asked([step]) as (client, _):
        if is_streamed:
            stream = await client.responses.create(model=MODEL, input="x", tools=[WEATHER], stream=True)
            events = [event async for event in stream]
            done: list[Any] = [event for event in events if event.type == "response.output_item.done"]
            assert [event.item.status for event in done] == ["completed", "incomplete"]
            last: Any = events[-1]
            answer = last.response
        else:
            answer = await client.responses.create(model=MODEL, input="x", tools=[WEATHER])
    assert [item.status for item in answer.output] == ["completed", "incomplete"]
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_a_model_wants_back_with_a_call_goes_back(is_streamed: bool) -> None:
    """Some models refuse a conversation without the signature of their calls."""
    step: Step = [*called("weather", "{}", opaque=b"signed"), ended(FinishReason.TOOL_CALLS)]
    async with asked([step, HELLO]) as (client, model):
        if is_streamed:
            async with client.responses.stream(model=MODEL, input="x", tools=[WEATHER]) as stream:
                answer: Any = await stream.get_final_response()
        else:
            answer = await client.responses.create(model=MODEL, input="x", tools=[WEATHER])
        items: list[Any] = [item.to_dict() for item in answer.output]
        result: Any = {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "rain"}
        await client.responses.create(
            model=MODEL, input=[{"role": "user", "content": "x"}, *items, result], tools=[WEATHER]
        )
    (call,) = model.calls[1].request.messages[1].tool_calls
    assert (call.opaque, call.model) == (b"signed", "smart")


LOGPROB = TokenLogprob(
    token="Hi",
    logprob=-0.5,
    token_bytes=b"Hi",
    top=(TopLogprob(token="Ho", logprob=-1.5, token_bytes=b"Ho"),),
)


@pytest.mark.parametrize(
    ("members", "asked_for"),
    [
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 1}, 1),
        ({"top_logprobs": 0}, None),
    ],
)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_log_probabilities_come_where_they_are_asked_for(
    members: dict[str, Any], asked_for: int | None, is_streamed: bool
) -> None:
    """In the events of the text, and in the text of the whole response."""
    async with asked([[Chunk(text="Hi", logprobs=(LOGPROB,)), ended()]]) as (client, model):
        if is_streamed:
            stream = await client.responses.create(model=MODEL, input="x", stream=True, **members)
            events: list[Any] = [event async for event in stream]
            found = [event for event in events if event.type == "response.output_text.delta"]
            assert [event.logprobs[0].token for event in found] == ["Hi"]
            answer = events[-1].response
        else:
            answer = await client.responses.create(model=MODEL, input="x", **members)
    assert model.calls[0].request.config.top_logprobs == asked_for
    (told,) = answer.output[0].content[0].logprobs
    assert (told.token, told.logprob, told.bytes, told.top_logprobs[0].token) == ("Hi", -0.5, [72, 105], "Ho")


EVENTS: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
"""The client itself takes what lacks a member as it is; its types say which must be there."""


async def test_every_event_has_all_that_its_type_needs() -> None:
    """Reasoning, text, both kinds of calls, log probabilities; and so has the whole response."""
    custom = ToolCallDelta(index=1, id="call_1", name="patch", input="x", is_custom=True)
    step: Step = [
        Chunk(reasoning=(ReasoningDelta(text="Hm.", opaque=b"signed"),)),
        Chunk(text="Hi", logprobs=(LOGPROB,)),
        *called("weather", "{}"),
        Chunk(tool_calls=(custom,)),
        Chunk(logprobs=(LOGPROB,)),
        ended(FinishReason.TOOL_CALLS),
    ]
    smart = ScriptedBackend("smart", [step])
    asking = {
        "model": MODEL,
        "input": "x",
        "tools": [WEATHER, {"type": "custom", "name": "patch"}],
        "include": ["message.output_text.logprobs"],
    }
    async with served({"smart": smart}, http=ANY_PORT, policy=SMART) as gateway:
        address = gateway.http_address
        streamed = await exchanged(address, RESPONSES, json.dumps({**asking, "stream": True}).encode())
        whole = await exchanged(address, RESPONSES, json.dumps(asking).encode())
    assert streamed.is_whole
    for event in streamed.events:
        EVENTS[event["type"]].model_validate(event)
    (completed,) = [event for event in streamed.events if event["type"] == "response.completed"]
    items = completed["response"]["output"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "custom_tool_call"]
    Response.model_validate(whole.json)
    assert [item["type"] for item in whole.json["output"]] == [item["type"] for item in items]
