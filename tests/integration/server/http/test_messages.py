"""Whole answers of the Messages API, asked by Anthropic's own client."""

import asyncio
import base64
import json
from typing import Any

import anthropic
import pydantic
import pytest
from anthropic import beta_async_tool

from gateway.domain.answer import Chunk, FinishReason, ToolCallDelta
from gateway.domain.conversation import File, Image, Reasoning, Role, Text, ToolCall, ToolResult
from gateway.testing.scripted import ScriptedBackend, Step
from tests.support.anthropic_client import (
    HELLO,
    MODEL,
    POLICY,
    USAGE,
    asked,
    called,
    ended,
    thought,
)
from tests.support.served import ANY_PORT, served

SAID: Step = [Chunk(text="Hello, "), Chunk(text="you."), ended()]
PIXEL = base64.b64encode(b"a picture").decode()
WEATHER: Any = {
    "name": "weather",
    "description": "Says how the weather is.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALLS: Step = [
    thought("They want "),
    thought("the weather."),
    thought("", b"signed"),
    Chunk(text="Let me look."),
    *called("weather", '{"city": "Łódź"}', opaque=b"of the call"),
    *called("weather", '{"city": "Oslo"}', index=1),
    ended(FinishReason.TOOL_CALLS),
]


async def test_text_comes_whole() -> None:
    """With the model that made it; what a cache held is counted beside the rest."""
    async with asked([SAID]) as (client, able):
        answer = await client.messages.create(
            model=MODEL,
            max_tokens=512,
            system="Be kind.",
            messages=[{"role": "user", "content": "hello"}],
            stop_sequences=["END"],
            extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 7},
        )
    (block,) = answer.content
    assert block.type == "text"
    assert (block.text, answer.stop_reason, answer.model) == ("Hello, you.", "end_turn", "able")
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (13, USAGE.cached_prompt_tokens)
    assert (usage.cache_creation_input_tokens, usage.output_tokens) == (2, USAGE.completion_tokens)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == USAGE.reasoning_tokens
    (call,) = able.calls
    assert [(each.role, each.content) for each in call.request.messages] == [
        ("system", "Be kind."),
        ("user", "hello"),
    ]
    config = call.request.config
    assert (config.max_tokens, config.temperature, config.top_p, config.top_k) == (512, 0.5, 0.9, 7)
    assert config.stop == ("END",)


@pytest.mark.parametrize(
    ("reason", "expected", "sequence"),
    [
        (FinishReason.STOP, "end_turn", None),
        (FinishReason.LENGTH, "max_tokens", None),
        (FinishReason.STOP_SEQUENCE, "stop_sequence", "END"),
        (FinishReason.CONTENT_FILTER, "refusal", None),
    ],
)
async def test_why_it_ended(reason: FinishReason, expected: str, sequence: str | None) -> None:
    """In Anthropic's words, and the stop sequence where only one can be meant."""
    async with asked([[Chunk(text="So"), ended(reason)]]) as (client, _):
        answer = await client.messages.create(
            model=MODEL, max_tokens=9, messages=[HELLO], stop_sequences=["END"]
        )
    assert (answer.stop_reason, answer.stop_sequence) == (expected, sequence)


async def test_which_stop_sequence_it_was() -> None:
    """As far as the model says; it leaves it open which of several it met."""
    stops = ["END", "STOP"]
    met = Chunk(text="So", finish_reason=FinishReason.STOP_SEQUENCE, stop_sequence="STOP")
    async with asked([met, [Chunk(text="So"), ended(FinishReason.STOP_SEQUENCE)]]) as (client, _):
        answers = [
            await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO], stop_sequences=stops)
            for _ in range(2)
        ]
    assert [(each.stop_reason, each.stop_sequence) for each in answers] == [
        ("stop_sequence", "STOP"),
        ("stop_sequence", None),
    ]


async def test_tokens_are_estimated_where_a_model_counts_none() -> None:
    """Clients add them up: no count is missing."""
    async with asked([[Chunk(text="x" * 40), ended(usage=None)]]) as (client, _):
        usage = (await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO])).usage
    assert (usage.input_tokens, usage.output_tokens) == (2, 10)


RESULTS: list[Any] = [
    {
        "type": "tool_result",
        "tool_use_id": "toolu_0",
        "content": [
            {"type": "text", "text": "Rain."},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ],
    },
    {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no such city"},
    {"type": "text", "text": "And tomorrow?"},
]
"""Of two calls, with what the user says next."""


async def test_a_loop_of_tools() -> None:
    """Calls come with thoughts and text, go back as they came, and their results go to the model."""
    async with asked([CALLS, SAID]) as (client, able):
        messages: list[Any] = [{"role": "user", "content": "How is the weather?"}]
        first = await client.messages.create(
            model=MODEL,
            max_tokens=4096,
            tools=[WEATHER],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            thinking={"type": "enabled", "budget_tokens": 2048},
            messages=messages,
        )
        assert first.stop_reason == "tool_use"
        messages += [first.to_param(), {"role": "user", "content": RESULTS}]
        second = await client.messages.create(
            model=MODEL, max_tokens=4096, tools=[WEATHER], messages=messages
        )
    assert [block.type for block in first.content] == [
        "thinking", "text", "redacted_thinking", "tool_use", "tool_use",
    ]  # fmt: skip
    said = {block.id: block.input for block in first.content if block.type == "tool_use"}
    assert said == {"toolu_0": {"city": "Łódź"}, "toolu_1": {"city": "Oslo"}}
    assert second.stop_reason == "end_turn"
    asked_first, asked_second = (call.request for call in able.calls)
    config = asked_first.config
    assert (config.parallel_tool_calls, config.reasoning.budget_tokens) == (False, 2048)
    assert config.tool_choice is not None
    assert config.tool_choice.mode == "required"
    assert json.loads(config.tools[0].parameters_json_schema) == WEATHER["input_schema"]
    _, assistant, tool, user = asked_second.messages
    assert assistant.parts == (
        Reasoning(text="They want the weather.", model="able", opaque=b"signed"),
        Text("Let me look."),
        ToolCall(
            id="toolu_0",
            name="weather",
            arguments_json='{"city": "Łódź"}',
            opaque=b"of the call",
            model="able",
        ),
        ToolCall(id="toolu_1", name="weather", arguments_json='{"city": "Oslo"}'),
    )
    assert tool.role is Role.TOOL
    assert tool.parts == (
        ToolResult(
            tool_call_id="toolu_0",
            parts=(Text("Rain."), Image(data=b"a picture", media_type="image/png")),
        ),
        ToolResult(tool_call_id="toolu_1", parts=(Text("no such city"),), is_error=True),
    )
    assert (user.role, user.content) == (Role.USER, "And tomorrow?")


async def test_the_runner_of_the_sdk_runs_tools() -> None:
    """It learns that the gateway keeps no conversations, and goes on until the model asks for no tool."""

    @beta_async_tool
    async def weather(city: str) -> str:
        """Say how the weather is."""
        return f"Rain in {city}."

    async with asked([CALLS, SAID]) as (client, able):
        runner = client.beta.messages.tool_runner(
            model=MODEL, max_tokens=1024, tools=[weather], messages=[{"role": "user", "content": "Weather?"}]
        )
        last = await runner.until_done()
    assert last.stop_reason == "end_turn"
    results = able.calls[1].request.messages[-1].tool_results
    assert [part.parts for part in results] == [(Text("Rain in Łódź."),), (Text("Rain in Oslo."),)]


async def test_images_and_documents_reach_the_model() -> None:
    """A text is sent as text, which is scanned; what cannot be read keeps its bytes and its name."""
    content: Any = [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "title": "Terms",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL},
        },
        {
            "type": "document",
            "title": "Notes",
            "source": {"type": "text", "media_type": "text/plain", "data": "Buy milk."},
        },
        {"type": "text", "text": "What is this?"},
    ]
    async with asked([SAID]) as (client, able):
        await client.messages.create(
            model=MODEL, max_tokens=9, messages=[{"role": "user", "content": content}]
        )
    assert able.calls[0].request.messages[0].parts == (
        Image(url="https://example.com/a.png"),
        File(data=b"a picture", media_type="application/pdf", name="Terms"),
        Text("Notes\n\nBuy milk."),
        Text("What is this?"),
    )


class Answer(pydantic.BaseModel):
    """What a model is to say."""

    city: str
    rain: bool


async def test_an_answer_by_a_schema_is_parsed() -> None:
    """The helper of the SDK sends the schema and reads the answer by it."""
    text = '{"city": "Oslo", "rain": true}'
    async with asked([[Chunk(text=text), ended()]]) as (client, able):
        answer = await client.messages.parse(
            model=MODEL, max_tokens=99, messages=[HELLO], output_format=Answer
        )
    assert answer.parsed_output == Answer(city="Oslo", rain=True)
    schema = able.calls[0].request.config.json_schema
    assert schema is not None
    assert set(json.loads(schema)["properties"]) == {"city", "rain"}


async def test_a_cut_call_is_not_one_to_run() -> None:
    """Its arguments are no JSON: the answer counts as cut, and the call holds what came of them."""
    cut = Chunk(tool_calls=(ToolCallDelta(index=0, arguments_invalid=True),))
    first, half, _ = called("weather", '{"city": "Os')
    async with asked([[first, half, cut, ended(FinishReason.TOOL_CALLS)]]) as (client, _):
        answer = await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO], tools=[WEATHER])
    (call,) = answer.content
    assert call.type == "tool_use"
    assert (answer.stop_reason, call.input) == ("max_tokens", {"arguments": '{"city'})


async def test_tokens_are_counted_for_the_model_that_would_answer() -> None:
    """Without `max_tokens`, and no model is called."""
    async with asked([SAID]) as (client, able):
        short = await client.messages.count_tokens(model=MODEL, messages=[HELLO])
        long = await client.messages.count_tokens(
            model=MODEL, messages=[HELLO], system="x" * 4000, tools=[WEATHER], thinking={"type": "adaptive"}
        )
        beta = await client.beta.messages.count_tokens(model=MODEL, messages=[HELLO])
    assert short.input_tokens == beta.input_tokens == 2
    assert long.input_tokens > 1000
    assert able.calls == []


async def test_the_synchronous_client() -> None:
    """It reads whole answers and streams of the same bytes."""
    models = {name: ScriptedBackend(name, [SAID]) for name in ("able", "plain")}
    async with served(models, http=ANY_PORT, policy=POLICY) as gateway:

        def ask() -> tuple[str, str]:
            with anthropic.Anthropic(
                base_url=gateway.http_url, api_key="k", max_retries=0, open_telemetry=False
            ) as client:
                answer = client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO])
                with client.messages.stream(model=MODEL, max_tokens=9, messages=[HELLO]) as stream:
                    streamed = stream.get_final_text()
            (block,) = answer.content
            assert block.type == "text"
            return block.text, streamed

        assert await asyncio.to_thread(ask) == ("Hello, you.", "Hello, you.")


async def test_the_decision_is_in_the_body_on_request() -> None:
    """The SDK keeps members that it does not know."""
    async with asked([SAID]) as (client, _):
        answer = await client.messages.create(
            model=MODEL, max_tokens=9, messages=[HELLO], extra_headers={"x-gateway-decision": "true"}
        )
    assert answer.model_extra is not None
    assert answer.model_extra["gateway"]["decision"]["rule"] == "default"
