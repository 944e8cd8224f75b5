"""Tools, thoughts, images and forms of answers, asked by OpenAI's own client."""

import base64
import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, TokenLogprob, ToolCallDelta, TopLogprob
from gateway.domain.conversation import Image, Reasoning, Text, ToolCall, ToolResult
from gateway.testing.scripted import Step
from tests.support.openai_client import MODEL, asked, called, ended

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Turin?"}]
LOOK: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}
THOUGHT = [
    Chunk(reasoning=(ReasoningDelta(text="I have to "),)),
    Chunk(reasoning=(ReasoningDelta(text="look."), ReasoningDelta(opaque=b"signed"))),
]
TWO_CALLS: Step = [
    *THOUGHT,
    Chunk(text="Let me look."),
    *called("weather", '{"city": "Turin"}', opaque=b"for the call"),
    *called("weather", '{"city": "Rome"}', index=1),
    ended(FinishReason.TOOL_CALLS),
]
SUNNY: Step = [Chunk(text="Sunny."), ended()]
SPOKEN = (
    Reasoning(text="I have to look.", model="smart", opaque=b"signed"),
    Text("Let me look."),
    ToolCall(
        id="call_0", name="weather", arguments_json='{"city": "Turin"}', opaque=b"for the call", model="smart"
    ),
    ToolCall(id="call_1", name="weather", arguments_json='{"city": "Rome"}'),
)


class City(BaseModel):
    """What an answer is parsed into."""

    name: str
    people: int


def results(message: Any) -> list[Any]:
    """Return the conversation after a message that calls two tools, as a client goes on with it."""
    return [
        *ASK,
        message,
        {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rainy"}]},
    ]


async def test_a_loop_of_tools_goes_round() -> None:
    """The message that the client got goes back as it is: the model gets all that it said."""
    async with asked([TWO_CALLS, SUNNY]) as (client, model):
        first = await client.chat.completions.create(model=MODEL, messages=ASK, tools=[LOOK])
        (choice,) = first.choices
        message = choice.message.to_dict()
        assert choice.finish_reason == "tool_calls"
        assert message["content"] == "Let me look."
        assert message["reasoning_content"] == "I have to look."
        second = await client.chat.completions.create(model=MODEL, messages=results(message), tools=[LOOK])
    assert second.choices[0].message.content == "Sunny."
    sent = model.calls[1].request.messages
    assert [(call.id, call.name, call.arguments_json) for call in sent[1].tool_calls] == [
        (call.id, call.name, call.arguments_json) for call in SPOKEN if isinstance(call, ToolCall)
    ]
    assert sent[1].parts[:3] == SPOKEN[:3]
    assert [message.parts for message in sent[2:]] == [
        (ToolResult(tool_call_id="call_0", parts=(Text("sunny"),)),),
        (ToolResult(tool_call_id="call_1", parts=(Text("rainy"),)),),
    ]


async def test_a_streamed_loop_goes_round_too() -> None:
    """What the client's own helper puts together from the chunks is the same message."""
    async with asked([TWO_CALLS, SUNNY]) as (client, model):
        async with client.chat.completions.stream(model=MODEL, messages=ASK, tools=[LOOK]) as stream:
            done = [
                (event.name, event.arguments)
                async for event in stream
                if event.type == "tool_calls.function.arguments.done"
            ]
            message = (await stream.get_final_completion()).choices[0].message.to_dict()
        assert done == [("weather", '{"city": "Turin"}'), ("weather", '{"city": "Rome"}')]
        for call in message["tool_calls"]:  # type: ignore[attr-defined]
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        message.pop("parsed", None)
        await client.chat.completions.create(model=MODEL, messages=results(message), tools=[LOOK])
    assert model.calls[1].request.messages[1].parts[:3] == SPOKEN[:3]
    assert len(model.calls[1].request.messages[1].tool_calls) == 2


async def test_chunks_are_as_strict_readers_want_them() -> None:
    """One thing of one call a chunk, its id and name once, "" as its first arguments, `choices` in each."""
    async with asked([TWO_CALLS]) as (client, _):
        stream = await client.chat.completions.create(model=MODEL, messages=ASK, tools=[LOOK], stream=True)
        chunks = [chunk.to_dict() async for chunk in stream]
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in chunks)  # type: ignore[arg-type]
    choices: list[Any] = [chunk["choices"][0] for chunk in chunks]  # type: ignore[index]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    calls = [choice["delta"]["tool_calls"] for choice in choices if "tool_calls" in choice["delta"]]
    assert {len(call) for call in calls} == {1}
    assert [(call["index"], call.get("id"), call.get("function")) for (call,) in calls] == [
        (0, "call_0", {"name": "weather", "arguments": ""}),
        (0, None, {"arguments": '{"city":'}),
        (0, None, {"arguments": ' "Turin"}'}),
        (1, "call_1", {"name": "weather", "arguments": ""}),
        (1, None, {"arguments": '{"city":'}),
        (1, None, {"arguments": ' "Rome"}'}),
    ]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["tool_calls"]


async def test_custom_tools_take_text() -> None:
    """Whole and streamed."""
    begun = ToolCallDelta(index=0, id="call_0", name="sh", input="ls", is_custom=True)
    step: Step = [
        Chunk(tool_calls=(begun,)),
        Chunk(tool_calls=(ToolCallDelta(index=0, input=" -l"),)),
        ended(FinishReason.TOOL_CALLS),
    ]
    async with asked([step]) as (client, model):
        members: dict[str, Any] = {
            "model": MODEL,
            "messages": ASK,
            "tools": [{"type": "custom", "custom": {"name": "sh"}}],
            "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
        }
        whole = await client.chat.completions.create(**members)
        stream = await client.chat.completions.create(**members, stream=True)
        pieces = [chunk.choices[0].delta.to_dict() async for chunk in stream]
    (call,) = whole.choices[0].message.tool_calls or []
    assert call.to_dict() == {
        "id": "call_0", "type": "custom", "custom": {"name": "sh", "input": "ls -l"},
    }  # fmt: skip
    assert [piece["tool_calls"] for piece in pieces if "tool_calls" in piece] == [
        [{"index": 0, "id": "call_0", "type": "custom", "custom": {"name": "sh", "input": ""}}],
        [{"index": 0, "custom": {"input": "ls"}}],
        [{"index": 0, "custom": {"input": " -l"}}],
    ]
    choice = model.calls[0].request.config.tool_choice
    assert choice is not None
    assert choice.name == "sh"


async def test_an_answer_is_parsed_by_a_schema() -> None:
    """Whole and streamed, by the client's own helpers; one that was cut off raises there."""
    turin: Step = [Chunk(text='{"name": "Turin", '), Chunk(text='"people": 850000}'), ended()]
    cut: Step = [Chunk(text='{"name": "Tu'), ended(FinishReason.LENGTH)]
    async with asked([turin, turin, cut]) as (client, model):
        whole = await client.chat.completions.parse(model=MODEL, messages=ASK, response_format=City)
        async with client.chat.completions.stream(model=MODEL, messages=ASK, response_format=City) as stream:
            streamed = await stream.get_final_completion()
        with pytest.raises(openai.LengthFinishReasonError):
            await client.chat.completions.parse(model=MODEL, messages=ASK, response_format=City)
    for answer in (whole, streamed):
        assert answer.choices[0].message.parsed == City(name="Turin", people=850_000)
    schema = json.loads(model.calls[0].request.config.json_schema or "")
    assert schema["properties"]["people"]["type"] == "integer"


async def test_arguments_are_parsed_by_the_clients_schema() -> None:
    """`pydantic_function_tool` asks for strict arguments."""
    step: Step = [*called("City", '{"name": "Turin", "people": 1}'), ended(FinishReason.TOOL_CALLS)]
    async with asked([step]) as (client, model):
        answer = await client.chat.completions.parse(
            model=MODEL, messages=ASK, tools=[openai.pydantic_function_tool(City)]
        )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == City(name="Turin", people=1)
    assert model.calls[0].request.config.tools[0].strict


async def test_log_probabilities() -> None:
    """Whole, and with the chunk that has the tokens."""
    token = TokenLogprob(
        token="Su", logprob=-0.1, token_bytes=b"Su", top=(TopLogprob(token="Ra", logprob=-2.5),)
    )
    step: Step = [Chunk(text="Su", logprobs=(token,)), Chunk(text="n."), ended()]
    async with asked([step]) as (client, model):
        whole = await client.chat.completions.create(model=MODEL, messages=ASK, logprobs=True, top_logprobs=1)
        stream = await client.chat.completions.create(
            model=MODEL, messages=ASK, logprobs=True, top_logprobs=1, stream=True
        )
        chunks = [chunk.choices[0] async for chunk in stream]
    streamed = [choice.logprobs for choice in chunks if choice.logprobs is not None]
    for shown in (whole.choices[0].logprobs, *streamed):
        assert shown is not None
        assert shown.content is not None
        (only,) = shown.content
        assert (only.token, only.logprob, only.bytes) == ("Su", -0.1, [83, 117])
        assert [(top.token, top.logprob, top.bytes) for top in only.top_logprobs] == [("Ra", -2.5, None)]
    assert len(streamed) == 1
    assert model.calls[0].request.config.top_logprobs == 1


async def test_images_and_files_reach_the_model() -> None:
    """Bytes as bytes; a URL as it is, which nobody fetches (the tests' guard would refuse it)."""
    pixel = base64.b64encode(b"\x89PNG").decode()
    content: list[Any] = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{pixel}"}},
    ]
    async with asked([SUNNY]) as (client, model):
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
    _, image, url, _ = model.calls[0].request.messages[0].parts
    assert isinstance(image, Image)
    assert isinstance(url, Image)
    assert (image.data, url.url) == (b"\x89PNG", "https://example.com/a.png")


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (FinishReason.STOP, "stop"),
        (FinishReason.STOP_SEQUENCE, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
    ],
)
async def test_finish_reasons(finish: FinishReason, word: str) -> None:
    """In OpenAI's words, also of an answer that has no text."""
    async with asked([[ended(finish)]]) as (client, _):
        whole = await client.chat.completions.create(model=MODEL, messages=ASK)
        stream = await client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        chunks = [chunk async for chunk in stream]
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("", word)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, word]


async def test_the_clients_errors() -> None:
    """Each has the class, code and parameter that programs look at."""
    async with asked([SUNNY]) as (client, model):
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="gpt-none", messages=ASK)
        with pytest.raises(openai.BadRequestError) as wrong:
            await client.chat.completions.create(model=MODEL, messages=ASK, temperature=9)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model=MODEL, messages=ASK, n=2)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert (wrong.value.code, wrong.value.param) == ("invalid_request", "temperature")
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")
    assert wrong.value.type == "invalid_request_error"
    assert wrong.value.request_id
    assert model.calls == []
