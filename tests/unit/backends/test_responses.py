"""The Responses API: what it is asked with, and how its answers are read, whole and as events."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.events import EventReader
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.responses_answers import ResponsesReader, read_response
from gateway.backends.openai.responses_request import responses_body
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.domain.assembly import assembled
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import NotCapable
from gateway.policy.model import OpenAIModel
from tests.support.permits import permit_for
from tests.support.provider_bytes import BOUNDS, line

Event = dict[str, object]
HELLO = Message(role=Role.USER, content="Hi")
NO_CONFIG = GenerationConfig()


def said(role: Role, *parts: Part) -> Message:
    """Return a message of parts."""
    return Message(role=role, parts=parts)


def body_of(
    *messages: Message, config: GenerationConfig = NO_CONFIG, is_stream: bool = False, **fields: object
) -> dict[str, object]:
    """Return what a model named `cloud` is sent."""
    values = {"kind": "openai", "model": "gpt", "clearance": "public", "api": "responses", **fields}
    request = Request(request_id="r", tenant="t", messages=messages or (HELLO,), config=config)
    spec = OpenAIModel.model_validate(values)
    return responses_body("cloud", spec, permit_for(request), 50, is_stream=is_stream)


def test_everything_is_sent() -> None:
    """Nothing is stored at the provider, and encrypted thoughts are asked for."""
    config = GenerationConfig(
        temperature=0.5, top_p=0.9, json_schema="{}", top_logprobs=2, parallel_tool_calls=False,
        tools=(
            Tool(name="dig", parameters_json_schema='{"type": "object"}', description="Digs."),
            Tool(name="patch", kind=ToolKind.CUSTOM, input_grammar="start: x"),
        ),
        tool_choice=ToolChoice(mode=ToolChoiceMode.NAMED, name="patch"),
        reasoning=ReasoningConfig(effort=ReasoningEffort.HIGH),
    )  # fmt: skip
    assert body_of(config=config, is_stream=True, extra_body={"reasoning": {"summary": "auto"}}) == {
        "model": "gpt",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "max_output_tokens": 50,
        "store": False,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [
            {
                "type": "function",
                "name": "dig",
                "description": "Digs.",
                "parameters": {"type": "object"},
                "strict": False,
            },
            {
                "type": "custom",
                "name": "patch",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
            },
        ],
        "tool_choice": {"type": "custom", "name": "patch"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": {}}},
        "top_logprobs": 2,
        "reasoning": {"summary": "auto", "effort": "high"},
        "stream": True,
    }


def test_a_conversation_becomes_items() -> None:
    """Each part in its order; another model's thoughts are left out."""
    messages = (
        Message(role=Role.SYSTEM, content="Be brief."),
        said(
            Role.USER,
            Text("See"),
            Text(""),
            Image(data=b"png", media_type="image/png"),
            File(data=b"pdf", media_type="application/pdf"),
        ),
        said(
            Role.ASSISTANT,
            Reasoning(text="Hm.", model="cloud", opaque=b"enc"),
            Reasoning(text="Foreign.", model="edge", opaque=b"other"),
            Reasoning(text="Plain.", model="cloud"),
            Text("One "),
            Text("moment."),
            ToolCall(id="c1", name="dig", arguments_json='{"a":1}'),
            ToolCall(id="c2", name="patch", input="x", is_custom=True),
        ),
        said(
            Role.TOOL,
            ToolResult(tool_call_id="c1", parts=(Text("no"),), is_error=True),
            ToolResult(tool_call_id="c2", parts=(Text("ok"), Image(url="https://host/a.png"))),
        ),
    )
    assert body_of(*messages)["input"] == [
        {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,cG5n", "detail": "auto"},
                {
                    "type": "input_file",
                    "filename": "file.pdf",
                    "file_data": "data:application/pdf;base64,cGRm",
                },
            ],
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "enc",
        },
        {"role": "assistant", "content": "One moment."},
        {"type": "function_call", "call_id": "c1", "name": "dig", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "Error: no"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "ok"},
                {"type": "input_image", "image_url": "https://host/a.png", "detail": "auto"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (GenerationConfig(stop=("END",)), "config.stop"),
        (GenerationConfig(logit_bias={1: 1.0}), "config.logit_bias"),
        (GenerationConfig(grammar="root ::= x"), "config.grammar"),
    ],
)
def test_what_the_api_does_not_take_is_a_matter_of_capability(config: GenerationConfig, field: str) -> None:
    """The next model may do it."""
    with pytest.raises(NotCapable) as raised:
        body_of(config=config)
    assert raised.value.field == field


def test_fewer_tokens_than_the_api_takes_go_to_another_model() -> None:
    """More would be billed than the caller allowed, and less is refused."""
    request = Request(request_id="r", tenant="t", messages=(HELLO,))
    spec = OpenAIModel.model_validate(
        {"kind": "openai", "model": "gpt", "clearance": "public", "api": "responses"}
    )
    with pytest.raises(NotCapable) as raised:
        responses_body("cloud", spec, permit_for(request), 15, is_stream=False)
    assert raised.value.field == "config.max_tokens"
    assert responses_body("cloud", spec, permit_for(request), 16, is_stream=False)["max_output_tokens"] == 16


def test_what_is_dropped_is_dropped_by_its_name_here() -> None:
    """`reasoning_effort` is `reasoning`."""
    config = GenerationConfig(top_p=0.5, reasoning=ReasoningConfig(effort=ReasoningEffort.LOW))
    assert not {"reasoning", "top_p"} & set(body_of(config=config, drop=["reasoning_effort", "top_p"]))


@pytest.mark.parametrize(
    ("reasoning", "fields", "sent"),
    [
        (ReasoningConfig(), {}, {"summary": "auto"}),
        (ReasoningConfig(effort=ReasoningEffort.LOW), {}, {"effort": "low", "summary": "auto"}),
        (ReasoningConfig(effort=ReasoningEffort.LOW, hide=True), {}, {"effort": "low"}),
        (ReasoningConfig(effort=ReasoningEffort.NONE), {}, {"effort": "none"}),
        (ReasoningConfig(), {"drop": ["reasoning_summary"]}, None),
        (ReasoningConfig(), {"drop": ["reasoning_effort"]}, None),
        (ReasoningConfig(), {"reasoning": False}, None),
        (ReasoningConfig(), {"extra_body": {"reasoning": {"summary": "detailed"}}}, {"summary": "detailed"}),
    ],
)
def test_a_summary_of_the_thoughts_is_asked_for(
    reasoning: ReasoningConfig, fields: dict[str, Any], sent: object
) -> None:
    """Of a model that thinks, unless the caller does not want to see it or the policy says otherwise."""
    assert (
        body_of(config=GenerationConfig(reasoning=reasoning), model="gpt-5", **fields).get("reasoning")
        == sent
    )


def test_a_model_that_does_not_think_is_asked_for_no_summary() -> None:
    """OpenAI refuses the parameter for it."""
    assert "reasoning" not in body_of(model="gpt-4o")


USAGE = {
    "input_tokens": 300,
    "input_tokens_details": {"cached_tokens": 256},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 340,
}
THOUGHT: Event = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "A."}, {"type": "summary_text", "text": "B."}],
    "encrypted_content": "enc",
}
TEXT: Event = {
    "type": "message",
    "id": "msg",
    "content": [{"type": "output_text", "text": "One ", "annotations": [{"x": 1}]},
                {"type": "output_text", "text": "two"}],
}  # fmt: skip
DIG: Event = {
    "type": "function_call",
    "id": "fc1",
    "call_id": "c1",
    "name": "dig",
    "arguments": '{"a": [1, 2]}',
}
PATCH: Event = {"type": "custom_tool_call", "id": "fc2", "call_id": "c2", "name": "patch", "input": "*** x{"}
SEARCH: Event = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "q"}}
OUTPUT = [THOUGHT, SEARCH, TEXT, DIG, PATCH]


def response(output: Sequence[Event], status: str = "completed", **more: object) -> Event:
    """Return a whole response."""
    return {
        "object": "response",
        "status": status,
        "error": None,
        "output": list(output),
        "usage": USAGE,
        **more,
    }


def ended(output: Sequence[Event], status: str = "completed", **more: object) -> Event:
    """Return the event that ends a stream."""
    return {"type": f"response.{status}", "response": response(output, status, **more)}


def added(index: int, item: Event, *, is_done: bool = False) -> Event:
    """Return the event that begins, or ends, an item."""
    begun = {**item, "arguments": "", "input": "", "summary": [], "content": []}
    kind = "done" if is_done else "added"
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": item if is_done else begun}


def delta(index: int, kind: str, text: str, **more: object) -> Event:
    """Return an event with a piece of text."""
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


STREAM: list[Event] = [
    {"type": "response.created", "response": response([], "in_progress", usage=None)},
    added(0, THOUGHT),
    delta(0, "reasoning_summary_text", "A", summary_index=0),
    delta(0, "reasoning_summary_text", ".", summary_index=0),
    delta(0, "reasoning_summary_text", "B.", summary_index=1),
    added(0, THOUGHT, is_done=True),
    added(1, SEARCH),
    added(1, SEARCH, is_done=True),
    added(2, TEXT),
    delta(2, "output_text", "One ", content_index=0),
    {"type": "response.output_text.done", "output_index": 2, "content_index": 0, "text": "One "},
    delta(2, "output_text", "tw", content_index=1),
    added(2, TEXT, is_done=True),
    added(3, DIG),
    added(4, PATCH),
    delta(3, "function_call_arguments", '{"a": '),
    delta(4, "custom_tool_call_input", "*** "),
    delta(3, "function_call_arguments", "[1, 2]}"),
    {"type": "response.function_call_arguments.done", "output_index": 3, "arguments": '{"a": [1, 2]}'},
    added(3, DIG, is_done=True),
    delta(4, "custom_tool_call_input", "x{"),
    {"type": "response.custom_tool_call_input.done", "output_index": 4, "input": "*** x{"},
    {**added(4, PATCH | {"id": None}, is_done=True), "output_index": -1},
    ended(OUTPUT),
]


def whole(body: Event) -> Reply:
    """Read an answer in one piece."""
    return read_response(json.dumps(body).encode(), BOUNDS, lambda _: None)


def streamed(events: Sequence[Event], form: AnswerForm | None = None) -> Reply:
    """Read a stream of events."""
    reader = ResponsesReader(BOUNDS, lambda _: None, form or AnswerForm())
    return assembled([*map(reader.feed, events), reader.last_chunk()]).reply()


@pytest.mark.parametrize("reply", [whole(response(OUTPUT)), streamed(STREAM), streamed([ended(OUTPUT)])])
def test_an_answer_of_every_kind_is_read(reply: Reply) -> None:
    """Whole, as events, or in the last event alone; what ran at the provider is no call."""
    assert (reply.text, reply.finish_reason) == ("One two", FinishReason.TOOL_CALLS)
    assert [(each.text, each.opaque) for each in reply.reasoning] == [("A.\n\nB.", b"enc")]
    dig, patch = reply.tool_calls
    assert (dig.id, dig.name, dig.arguments_json) == ("c1", "dig", '{"a": [1, 2]}')
    assert (patch.id, patch.name, patch.input, patch.is_custom) == ("c2", "patch", "*** x{", True)
    assert reply.usage == Usage(
        prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=256, reasoning_tokens=30
    )


def test_arguments_may_come_at_the_end_of_their_item() -> None:
    """Without a delta."""
    for events in ([added(0, DIG), added(0, DIG, is_done=True)], [added(0, DIG, is_done=True)]):
        [call] = streamed([*events, ended([DIG])]).tool_calls
        assert call.arguments_json == '{"a": [1, 2]}'


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_answer_that_is_incomplete(is_whole: bool) -> None:
    """By its length, with a marked call or nothing at all, or by a filter."""
    half = {**DIG, "arguments": '{"a": [', "status": "incomplete"}

    def read(output: Sequence[Event], reason: str) -> Reply:
        last = ended(output, "incomplete", incomplete_details={"reason": reason})
        if is_whole:
            return whole(response(output, "incomplete", incomplete_details={"reason": reason}))
        return streamed([*(added(i, item, is_done=True) for i, item in enumerate(output)), last])

    cut = read([half], "max_output_tokens")
    [call] = cut.tool_calls
    assert (call.arguments_json, call.arguments_invalid) == ('{"a": [', True)
    assert cut.finish_reason is FinishReason.LENGTH
    empty = read([{"type": "reasoning", "id": "rs", "summary": []}], "max_output_tokens")
    assert (empty.text, empty.finish_reason) == ("", FinishReason.LENGTH)
    assert empty.usage is not None
    assert read([TEXT], "content_filter").finish_reason is FinishReason.CONTENT_FILTER
    assert read([TEXT], "something_else").finish_reason is FinishReason.LENGTH


def test_a_refusal_is_text_that_a_filter_ended() -> None:
    """As in chat completions."""
    item: Event = {"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    events = [added(0, item), delta(0, "refusal", "I can", content_index=0), added(0, item, is_done=True)]
    for reply in (whole(response([item])), streamed([*events, ended([item])])):
        assert (reply.text, reply.finish_reason) == ("I cannot.", FinishReason.CONTENT_FILTER)


FAILED: list[Event] = [
    ended([], "failed", error={"code": "server_error", "message": "x"}),
    ended([], "cancelled"),
    {"type": "error", "code": "rate_limit_exceeded", "message": "x"},
    {"type": "error", "error": {"code": "server_error", "message": "x"}},
]


@pytest.mark.parametrize("failure", FAILED)
def test_a_failure_ends_no_answer(failure: Event) -> None:
    """Wherever it comes."""
    for before in ([], STREAM[:-1]):
        with pytest.raises(ErrorEvent):
            streamed([*before, failure])
    if isinstance(failed := failure.get("response"), dict):
        with pytest.raises(ErrorEvent):
            whole(failed)


def test_what_does_not_agree_is_refused() -> None:
    """A part that is not what its deltas said, a wrong call, and a body that is no response."""
    with pytest.raises(UnreadableAnswer):
        streamed(
            [added(0, TEXT), delta(0, "output_text", "Three", content_index=0), added(0, TEXT, is_done=True)]
        )
    with pytest.raises(UnreadableAnswer):
        whole(response([{**DIG, "arguments": '{"a": 1} x'}]))
    bodies: list[Event] = [{}, {"choices": []}, response([], "in_progress")]
    for body in bodies:
        with pytest.raises(UnreadableAnswer):
            whole(body)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_stream_that_is_cut_anywhere_has_no_end(cut: int, middle: int) -> None:
    """Only with its last event is it an answer, and then it is the whole one."""
    raw = b"".join(map(line, STREAM))
    end = cut % (len(raw) + 1)
    middle %= end + 1
    reader, events = ResponsesReader(BOUNDS, lambda _: None), EventReader(BOUNDS)
    chunks: list[Chunk] = []
    try:
        for piece in (raw[:middle], raw[middle:end]):
            chunks += [reader.feed(event) for event in events.feed(piece)]
        chunks += [reader.feed(event) for event in events.rest(is_needed=not reader.may_be_over)]
        chunks.append(reader.last_chunk())
    except UnreadableAnswer:
        assert end < len(raw)
        return
    assert assembled(chunks).reply() == streamed(STREAM)
