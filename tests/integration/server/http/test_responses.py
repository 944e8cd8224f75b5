"""The Responses API, asked by OpenAI's own client."""

import json
import re
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, ToolCallDelta
from gateway.domain.conversation import Reasoning, Text, ToolCall, ToolChoiceMode, ToolKind, ToolResult
from gateway.errors import StreamTruncated
from gateway.server.http.responses.responses_api import HARMLESS
from gateway.server.http.responses.responses_api import REFUSED as UNSUPPORTED
from gateway.testing.scripted import Step
from tests.support.openai_client import MODEL, USAGE, asked, called, ended
from tests.support.repository import ROOT

HELLO: list[Step] = [[Chunk(text="Hello, "), Chunk(text="you."), ended()]]
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
THINKS = [
    Chunk(reasoning=(ReasoningDelta(text="They want "),)),
    Chunk(reasoning=(ReasoningDelta(text="weather.", opaque=b"c2lnbmVk"),)),
]
CALLS: Step = [*THINKS, *called("weather", '{"city": "Oslo"}'), ended(FinishReason.TOOL_CALLS)]


async def test_text_comes_whole() -> None:
    """With the model that made it, every token counted once, and nothing stored."""
    async with asked(HELLO) as (client, edge):
        answer = await client.responses.create(
            model=MODEL, instructions="Be kind.", input="hello", max_output_tokens=50, temperature=0.5
        )
    assert (answer.output_text, answer.status, answer.model) == ("Hello, you.", "completed", "smart")
    assert answer.usage is not None
    assert answer.usage.total_tokens == USAGE.prompt_tokens + USAGE.completion_tokens
    assert answer.usage.input_tokens_details.cached_tokens == USAGE.cached_prompt_tokens
    assert answer.usage.output_tokens_details.reasoning_tokens == USAGE.reasoning_tokens
    (call,) = edge.calls
    assert [(each.role, each.content) for each in call.request.messages] == [
        ("system", "Be kind."),
        ("user", "hello"),
    ]
    assert (call.request.config.max_tokens, call.request.config.temperature) == (50, 0.5)


async def test_every_event_has_its_place_in_the_sequence() -> None:
    """The order is the documented one, and the last event has the whole response."""
    async with asked(HELLO) as (client, _):
        stream = await client.responses.create(model=MODEL, input="hello", stream=True)
        events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Hello, you."


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_an_answer_at_its_limit_is_incomplete(is_streamed: bool) -> None:
    """A client that reads the status knows that more would have come."""
    async with asked([[Chunk(text="Once"), ended(FinishReason.LENGTH)]]) as (client, _):
        if is_streamed:
            async with client.responses.stream(model=MODEL, input="hello") as stream:
                types = [event.type async for event in stream]
            assert types[-1] == "response.incomplete"
        else:
            answer = await client.responses.create(model=MODEL, input="hello")
            assert answer.status == "incomplete"
            assert answer.incomplete_details is not None
            assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_was_answered_goes_back_as_it_is(is_streamed: bool) -> None:
    """A thought, a call, and its result: one turn of the model, and one of tools."""
    async with asked([CALLS, HELLO[0]]) as (client, edge):
        asking: list[Any] = [{"role": "user", "content": "How is Oslo?"}]
        if is_streamed:
            async with client.responses.stream(model=MODEL, input=asking, tools=[WEATHER]) as stream:
                answer: Any = await stream.get_final_response()
        else:
            answer = await client.responses.create(model=MODEL, input=asking, tools=[WEATHER])
        call = answer.output[-1]
        assert (call.type, call.name, json.loads(call.arguments)) == (
            "function_call",
            "weather",
            {"city": "Oslo"},
        )
        asking += [item.to_dict() for item in answer.output]
        result = [{"type": "input_text", "text": "rain"}]
        asking.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
        await client.responses.create(model=MODEL, input=asking, tools=[WEATHER])
    _, said, told = edge.calls[1].request.messages
    thought, asked_for = said.parts
    assert thought == Reasoning(text="They want weather.", model="smart", opaque=b"c2lnbmVk")
    assert isinstance(asked_for, ToolCall)
    assert (asked_for.id, asked_for.name) == (call.call_id, "weather")
    assert told.parts == (ToolResult(tool_call_id=call.call_id, parts=(Text("rain"),)),)


async def test_a_thought_of_another_provider_is_dropped() -> None:
    """Nobody here can use it, and the client cannot know."""
    item: Any = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAAAABo",
    }
    async with asked(HELLO) as (client, edge):
        await client.responses.create(
            model=MODEL,
            input=[{"role": "user", "content": "a"}, item, {"role": "user", "content": "b"}],
        )
    assert [each.content for each in edge.calls[0].request.messages] == ["a", "b"]


async def test_custom_tools_take_text() -> None:
    """Their calls have `input`, in the events too, and their results go back."""
    piece = ToolCallDelta(index=0, id="call_0", name="patch", input="*** Begin", is_custom=True)
    step: Step = [Chunk(tool_calls=(piece,)), ended(FinishReason.TOOL_CALLS)]
    tool: Any = {
        "type": "custom",
        "name": "patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'},
    }
    async with asked([step, HELLO[0]]) as (client, edge):
        stream = await client.responses.create(model=MODEL, input="go", tools=[tool], stream=True)
        events = [event async for event in stream]
        done = next(event for event in events if event.type == "response.custom_tool_call_input.done")
        assert done.input == "*** Begin"
        last = events[-1]
        assert last.type == "response.completed"
        items: list[Any] = [item.to_dict() for item in last.response.output]
        output: Any = {"type": "custom_tool_call_output", "call_id": "call_0", "output": "ok"}
        await client.responses.create(
            model=MODEL, input=[{"role": "user", "content": "go"}, *items, output], tools=[tool]
        )
    offered = edge.calls[0].request.config.tools[0]
    assert (offered.kind, offered.input_grammar) == (ToolKind.CUSTOM, 'start: "a"')
    (call,) = edge.calls[1].request.messages[1].tool_calls
    assert (call.input, call.is_custom) == ("*** Begin", True)


async def test_tools_in_namespaces_have_one_name_for_models() -> None:
    """Clients get the call with the names that they gave."""
    step: Step = [*called("github__issues", "{}"), ended(FinishReason.TOOL_CALLS)]
    inner = {"type": "function", "name": "issues", "parameters": {"type": "object"}}
    tool: Any = {"type": "namespace", "name": "github", "description": "G.", "tools": [inner]}
    async with asked([step]) as (client, edge):
        answer = await client.responses.create(model=MODEL, input="go", tools=[tool])
    assert [each.name for each in edge.calls[0].request.config.tools] == ["github__issues"]
    call = answer.output[0]
    assert call.type == "function_call"
    assert (call.namespace, call.name) == ("github", "issues")


class Place(BaseModel):
    """What an answer is to be."""

    city: str


async def test_structured_answers_are_parsed() -> None:
    """The schema reaches the model, and the client reads its object."""
    async with asked([[Chunk(text='{"city": "Oslo"}'), ended()]]) as (client, edge):
        answer = await client.responses.parse(model=MODEL, input="where?", text_format=Place)
    assert answer.output_parsed == Place(city="Oslo")
    schema = edge.calls[0].request.config.json_schema
    assert schema is not None
    assert json.loads(schema)["properties"]["city"]["type"] == "string"


async def test_a_stream_that_breaks_raises() -> None:
    """The nested error is what the client raises for; the body has no end either."""
    async with asked([[Chunk(text="Half"), StreamTruncated("edge", "cut")]]) as (client, _):
        stream = await client.responses.create(model=MODEL, input="hello", stream=True)
        with pytest.raises(openai.APIError, match="cut after it had begun"):
            _ = [event async for event in stream]


async def test_tool_choice_narrows_the_tools() -> None:
    """A list of allowed tools leaves the others out."""
    other: Any = {**WEATHER, "name": "news"}
    choice: Any = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "news"}, {"type": "web_search"}],
    }
    async with asked(HELLO) as (client, edge):
        await client.responses.create(
            model=MODEL,
            input="hello",
            tools=[WEATHER, other],
            tool_choice=choice,
        )
    config = edge.calls[0].request.config
    assert [tool.name for tool in config.tools] == ["news"]
    assert config.tool_choice is not None
    assert config.tool_choice.mode is ToolChoiceMode.REQUIRED


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "stored": ({"store": True}, "store"),
    "goes on": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "in the background": ({"background": True}, "background"),
    "shortened": ({"truncation": "auto"}, "truncation"),
    "a hosted tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    "a reference": ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    "sound": (
        {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "input[0].content[0].type",
    ),
    "a longer thought": ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    "a call that waits": ({"tools": [{**WEATHER, "async": True}]}, "tools[0].async"),
    "not known": ({"colour": "red"}, "colour"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_here_is_refused_by_name(case: str) -> None:
    """Never ignored: the error has the member."""
    members, param = REFUSED[case]
    async with asked(HELLO) as (client, edge):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(
                **{"model": MODEL, "input": "hello"} | ({} if "colour" in members else members),
                extra_body=members if "colour" in members else None,
            )
    assert (refused.value.param, refused.value.code) == (param, "unsupported_parameter")
    assert edge.calls == []


async def test_what_codex_sends_is_taken() -> None:
    """Empty tools with a choice, metadata of the client, what to include, and cached prompts."""
    async with asked(HELLO) as (client, _):
        answer = await client.responses.create(
            model=MODEL,
            input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            tools=[],
            tool_choice="auto",
            parallel_tool_calls=False,
            store=False,
            include=["reasoning.encrypted_content"],
            prompt_cache_key="c0ffee",
            reasoning={"effort": "medium", "summary": "auto"},
            text={"verbosity": "low"},
            extra_body={"client_metadata": {"session": "x"}},
        )
    assert answer.output_text == "Hello, you."


NAMESPACE: Any = {"type": "namespace", "name": "n", "tools": [WEATHER, {**WEATHER, "name": "a b"}]}


def test_the_page_lists_what_is_ignored_and_what_is_refused() -> None:
    """So that nobody has to find it out."""
    page = (ROOT / "docs" / "reference" / "responses.md").read_text(encoding="utf-8")
    ignored = page.partition("Ignored, since")[2].partition("Refused with")[0]
    refused_there = page.partition("Refused with")[2].partition("## What comes back")[0]
    assert set(re.findall("`([a-z_]+)`", ignored)) == HARMLESS
    assert set(UNSUPPORTED) <= set(re.findall("`([a-z_]+)`", refused_there))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"input": []}, "input"),
    "a long answer": ({"max_output_tokens": 0}, "max_output_tokens"),
    "a name": ({"tools": [{**WEATHER, "name": "a b"}]}, "tools[0].name"),
    "a name in a namespace": ({"tools": [WEATHER, NAMESPACE]}, "tools[1].tools[1].name"),
    "nothing said": ({"input": [{"role": "user", "content": []}]}, "input[0].content"),
    "nothing returned": (
        {"input": [{"type": "function_call_output", "call_id": "x"}]},
        "input[0].output",
    ),
    "a result of nothing": (
        {
            "input": [
                {"role": "user", "content": "a"},
                {"type": "function_call_output", "call_id": "x", "output": "y"},
            ]
        },
        "input[1]",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_an_error_names_the_member(case: str) -> None:
    """In the words of this API, not in those of the contract."""
    members, param = WRONG[case]
    async with asked(HELLO) as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(**{"model": MODEL, "input": "hello"} | members)
    assert refused.value.param == param


SPOILED: Any = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Os'}
RESULT: Any = {"type": "function_call_output", "call_id": "c", "output": "no JSON"}
USER: Any = {"role": "user", "content": "a"}


async def test_a_history_is_taken_as_clients_keep_it() -> None:
    """Turns of a model without words say nothing, and arguments that are no JSON are what the model said."""
    asking = [
        USER,
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": []},
        SPOILED,
        RESULT,
    ]
    async with asked(HELLO) as (client, edge):
        await client.responses.create(model=MODEL, input=asking, tools=[WEATHER])
    _, said, _ = edge.calls[0].request.messages
    (call,) = said.parts
    assert isinstance(call, ToolCall)
    assert (call.arguments_json, call.arguments_invalid) == (SPOILED["arguments"], True)
