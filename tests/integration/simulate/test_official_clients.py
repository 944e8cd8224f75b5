"""The official clients of OpenAI and Anthropic read what the simulated provider says, as they read theirs.

Anthropic's is no dependency of the project: its test runs where it is installed.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"percent": {"type": "number"}, "number": {"type": "number"}},
}
TEXT = "What is 12.5 % of 840, and which day is it?"
ARGUMENTS = {"percent": 12.5, "number": 840}
DAY = {"name": "today", "description": "Says which day it is."}
PERCENT = {"name": "percent_of", "description": "Computes a percentage of a number."}


@pytest.fixture
async def openai_client() -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client at a simulated OpenAI."""
    async with (
        SimulatedCloud().serve() as cloud,
        openai.AsyncOpenAI(api_key="key-1", base_url=cloud.base_url, max_retries=0) as client,
    ):
        yield client


async def test_openai_reads_a_loop_of_tools_by_responses(openai_client: openai.AsyncOpenAI) -> None:
    """What its stream puts together is the whole answer; items go back as they are, and are answered."""
    tools: list[Any] = [
        {"type": "function", "parameters": SCHEMA, "strict": False, **PERCENT},
        {"type": "custom", **DAY},
    ]
    fields: dict[str, Any] = {
        "model": "sim",
        "tools": tools,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    items: list[Any] = [{"role": "user", "content": TEXT}]
    async with openai_client.responses.stream(input=items, **fields) as stream:
        numbers = [event.sequence_number async for event in stream]
        streamed = await stream.get_final_response()
    whole = await openai_client.responses.create(input=items, **fields)
    assert numbers == list(range(len(numbers)))
    dumped = [[item.model_dump(exclude_unset=True) for item in each.output] for each in (streamed, whole)]
    for each in dumped[0]:
        each.pop("parsed_arguments", None)
        each.pop("id")
    for each in dumped[1]:
        each.pop("id")
    assert dumped[0] == dumped[1]
    thought, called, custom = whole.output
    assert thought.type == "reasoning"
    assert thought.summary[0].text
    assert called.type == "function_call"
    assert json.loads(called.arguments) == ARGUMENTS
    assert custom.type == "custom_tool_call"
    assert custom.input == "which day is it?"
    results: list[Any] = [
        {"type": "function_call_output", "call_id": called.call_id, "output": "105"},
        {"type": "custom_tool_call_output", "call_id": custom.call_id, "output": "Monday"},
    ]
    said: list[Any] = [item.to_dict() for item in whole.output]
    ended = await openai_client.responses.create(input=[*items, *said, *results], **fields)
    assert ended.output_text == "The tools say: 105; Monday."
    assert ended.usage is not None
    assert ended.usage.input_tokens_details.cached_tokens > 0
    assert ended.usage.output_tokens_details.reasoning_tokens == 8
    count = await openai_client.responses.input_tokens.count(input=items, model="sim")
    assert count.input_tokens > 0


async def test_openai_reads_a_refusal(openai_client: openai.AsyncOpenAI) -> None:
    """Its words are in the field for them, by either API."""
    async with openai_client.responses.stream(model="sim+refusal", input=TEXT) as stream:
        kinds = {event.type async for event in stream}
        response = await stream.get_final_response()
    assert {"response.refusal.delta", "response.refusal.done"} <= kinds
    (message,) = response.output
    assert message.type == "message"
    assert message.content[0].type == "refusal"
    chat = await openai_client.chat.completions.create(
        model="sim+refusal", messages=[{"role": "user", "content": TEXT}]
    )
    assert chat.choices[0].message.refusal == message.content[0].refusal
    assert chat.choices[0].message.content is None


async def test_openai_reads_calls_by_chat_completions(openai_client: openai.AsyncOpenAI) -> None:
    """Its accumulator of streams gets the calls whole."""
    tools: list[Any] = [
        {"type": "function", "function": {**PERCENT, "parameters": SCHEMA}},
        {"type": "function", "function": DAY},
    ]
    async with openai_client.chat.completions.stream(
        model="sim", messages=[{"role": "user", "content": TEXT}], tools=tools
    ) as stream:
        completion = await stream.get_final_completion()
    calls = completion.choices[0].message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("percent_of", ARGUMENTS),
        ("today", {}),
    ]


async def test_openai_raises_for_errors(openai_client: openai.AsyncOpenAI) -> None:
    """Those of HTTP by their status, and those in the middle of a stream."""
    with pytest.raises(openai.RateLimitError):
        await openai_client.responses.create(model="sim+status=429", input=TEXT)
    thought: Any = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    after: Any = {"role": "assistant", "content": "Hm"}
    with pytest.raises(openai.BadRequestError, match="could not be verified"):
        await openai_client.responses.create(model="sim", input=[thought, after])
    stream = await openai_client.chat.completions.create(
        model="sim+error-event", messages=[{"role": "user", "content": TEXT}], stream=True
    )
    with pytest.raises(openai.APIError):
        assert [chunk async for chunk in stream] == []


async def test_anthropic_reads_a_loop_of_tools() -> None:
    """What its stream puts together is the whole message; it goes back as it is, and is answered."""
    anthropic: Any = pytest.importorskip("anthropic")
    fields: dict[str, Any] = {
        "model": "sim",
        "tools": [{**PERCENT, "input_schema": SCHEMA}, {**DAY, "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    turns: list[Any] = [{"role": "user", "content": TEXT}]
    async with (
        SimulatedCloud(dialect=DIALECTS["anthropic"]).serve() as cloud,
        anthropic.AsyncAnthropic(
            api_key="key-1", base_url=cloud.base_url.removesuffix("/v1"), max_retries=0
        ) as client,
    ):
        counted = await client.messages.count_tokens(messages=turns, **fields)
        async with client.messages.stream(messages=turns, max_tokens=2000, **fields) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(messages=turns, max_tokens=2000, **fields)
        assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
        assert streamed.usage.to_dict() == whole.usage.to_dict()
        assert counted.input_tokens == whole.usage.input_tokens
        thought, percent, day = whole.content
        assert (thought.type, percent.input, day.input) == ("thinking", ARGUMENTS, {})
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": text}
            for call, text in ((percent, "105"), (day, "Monday"))
        ]
        said = {"role": "assistant", "content": [block.to_dict() for block in whole.content]}
        after = {"role": "user", "content": results}
        ended = await client.messages.create(messages=[*turns, said, after], max_tokens=2000, **fields)
        assert ended.content[-1].text == "The tools say: 105; Monday."
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async with client.messages.stream(
                messages=turns, max_tokens=2000, **fields | {"model": "sim+error-event"}
            ) as stream:
                await stream.get_final_message()
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(
                messages=turns, max_tokens=2000, **fields | {"model": "sim+status=529"}
            )
        assert caught.value.status_code == 529
