"""What a request for a chat completion means in the contract, and what of it is refused by name."""

import base64
import json
import re
from typing import Any

import pytest

from gateway.domain.conversation import (
    File,
    Image,
    ImageDetail,
    Message,
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
from gateway.errors import InvalidRequest, Unsupported
from gateway.pipeline.steps import finished
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.completions import HARMLESS, REFUSED, ChatCompletions
from gateway.server.http.opaque import wrap
from gateway.server.validation.request import checking_steps
from tests.support.repository import ROOT

PIXEL = b"\x89PNG\r\n\x1a\n"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
USER: dict[str, Any] = {"role": "user", "content": "hello"}
CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"at": 1}'},
}
ASKED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": "none", "content": "x"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
BASE = Request(request_id="r", tenant="t", messages=())
CHAT = ChatCompletions()


def parsed(*, _section: HttpPolicy | None = None, **body: Any) -> Request:
    """Return what a body means, checked."""
    body.setdefault("messages", [USER])
    return finished(checking_steps(CHAT.parse(body, BASE, _section or HttpPolicy())))


def with_part(role: str, part: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose only message has one part."""
    return {"messages": [{"role": role, "content": [part]}]}


def with_format(schema: object) -> dict[str, Any]:
    """Return a body that wants its answer by a schema."""
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


def refused(body: dict[str, Any], section: HttpPolicy | None = None) -> InvalidRequest:
    """Return the error of a body, its field as callers are shown it."""
    body.setdefault("messages", [USER])
    section = section or HttpPolicy()
    try:
        request = CHAT.parse(body, BASE, section)
    except InvalidRequest as error:
        return error
    with pytest.raises(InvalidRequest) as raised:
        finished(checking_steps(request))
    return InvalidRequest(CHAT.place(raised.value.field, body), raised.value.description)


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ({"role": "system", "content": "x"}, Message(role=Role.SYSTEM, content="x")),
        ({"role": "developer", "content": "x"}, Message(role=Role.SYSTEM, content="x")),
        ({"role": "user", "content": "x", "name": "ann"}, Message(role=Role.USER, content="x", name="ann")),
        (
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            Message(role=Role.USER, content="x"),
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
            Message(
                role=Role.USER,
                parts=(
                    Text("What is it?"),
                    Image(data=PIXEL, media_type="image/png", detail=ImageDetail.LOW),
                    Image(url="https://example.com/a.png"),
                ),
            ),
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": DATA_URL.replace("png", "jpg")}]},
            Message(role=Role.USER, parts=(Image(data=PIXEL, media_type="image/jpeg"),)),
        ),
        (
            {
                "role": "user",
                "content": [
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
                    },
                    {"type": "file", "file": {"filename": "a.csv", "file_data": "eA=="}},
                ],
            },
            Message(
                role=Role.USER,
                parts=(
                    File(data=b"x", media_type="application/pdf", name="a.pdf"),
                    File(data=b"x", media_type="text/csv", name="a.csv"),
                ),
            ),
        ),
        ({"role": "assistant", "content": "x", "refusal": None}, Message(role=Role.ASSISTANT, content="x")),
        ({"role": "assistant", "refusal": "No."}, Message(role=Role.ASSISTANT, content="No.")),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            Message(role=Role.ASSISTANT, content="No."),
        ),
        (
            ASKED | {"content": ""},
            Message(
                role=Role.ASSISTANT,
                parts=(ToolCall(id="call_1", name="look", arguments_json='{"at": 1}'),),
            ),
        ),
        (
            ASKED | {"tool_calls": [CALL | {"function": {"name": "look", "arguments": '{"at": '}}]},
            Message(
                role=Role.ASSISTANT,
                parts=(ToolCall(id="call_1", name="look", arguments_json='{"at": ', arguments_invalid=True),),
            ),
        ),
        (
            ASKED | {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
            Message(role=Role.ASSISTANT, parts=(ToolCall(id="c", name="sh", input="ls", is_custom=True),)),
        ),
    ],
)
def test_messages(message: dict[str, Any], meant: Message) -> None:
    """Of every role, as a string or in parts."""
    assert parsed(messages=[message]).messages == (meant,)


def test_results_of_tools() -> None:
    """Text, or text and images; empty ones too."""
    image = {"type": "image_url", "image_url": {"url": DATA_URL}}
    calls = [CALL | {"id": f"call_{i}"} for i in range(3)]
    contents: list[Any] = ["42", [{"type": "text", "text": "42"}, image], ""]
    results = [
        {"role": "tool", "tool_call_id": f"call_{i}", "content": content}
        for i, content in enumerate(contents)
    ]
    _, *found = parsed(messages=[ASKED | {"tool_calls": calls}, *results]).messages
    assert [message.parts for message in found] == [
        (ToolResult(tool_call_id="call_0", parts=(Text("42"),)),),
        (ToolResult(tool_call_id="call_1", parts=(Text("42"), Image(data=PIXEL, media_type="image/png"))),),
        (ToolResult(tool_call_id="call_2", parts=(Text(""),)),),
    ]


def test_turns_that_say_nothing_are_left_out() -> None:
    """Clients keep them in their histories; an error behind one still names the right message."""
    messages: list[Any] = [{"role": "system", "content": ""}, {"role": "assistant", "content": None}, USER]
    assert len(parsed(messages=messages).messages) == 1
    assert refused({"messages": [*messages, {"role": "user", "content": ""}]}).field == "messages[3].content"


def test_thoughts_go_back_to_the_model_that_had_them() -> None:
    """By the gateway's own item; words alone to the model that is asked for, changed words to none."""
    details = [
        {"type": "reasoning.encrypted", "format": "gateway-v1", "chars": 3, "data": wrap("edge", b"sig")},
        {"type": "reasoning.encrypted", "format": "gateway-v1", "chars": 2, "data": wrap("cloud", b"")},
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "foreign", "signature": "x"},
    ]
    said = {"role": "assistant", "content": "42", "reasoning_content": "abcde"}

    def thoughts(model: str, message: dict[str, Any]) -> list[Reasoning]:
        (found,) = parsed(model=model, messages=[message]).messages
        return [part for part in found.parts if isinstance(part, Reasoning)]

    whole = said | {"reasoning_details": details}
    assert thoughts("auto", whole) == [
        Reasoning(text="abc", model="edge", opaque=b"sig"),
        Reasoning(text="de", model="cloud"),
    ]
    assert thoughts("auto", whole | {"reasoning_content": "abcd"}) == []
    assert thoughts("cloud", said) == [Reasoning(text="abcde", model="cloud")]
    assert thoughts("cloud", {"role": "assistant", "content": "4", "reasoning": "r"}) == [
        Reasoning(text="r", model="cloud")
    ]
    assert thoughts("cloud", said | {"reasoning": "abcde"}) == thoughts("cloud", said)
    assert thoughts("auto", said) == []


def test_a_call_keeps_what_its_model_wants_back() -> None:
    """Where clients of Gemini keep it; what no gateway made is dropped."""
    for signature, kept in ((wrap("edge", b"sig"), ("edge", b"sig")), ("foreign", ("", b""))):
        call = CALL | {"extra_content": {"google": {"thought_signature": signature}}}
        (message,) = parsed(messages=[ASKED | {"tool_calls": [call]}]).messages
        assert (message.tool_calls[0].model, message.tool_calls[0].opaque) == kept


@pytest.mark.parametrize(
    ("members", "meant"),
    [
        ({}, GenerationConfig()),
        ({"max_tokens": 5}, GenerationConfig(max_tokens=5)),
        ({"max_completion_tokens": 5, "max_tokens": 5}, GenerationConfig(max_tokens=5)),
        ({"temperature": 0, "top_p": 0.5, "seed": 7}, GenerationConfig(temperature=0, top_p=0.5, seed=7)),
        ({"stop": "\n"}, GenerationConfig(stop=("\n",))),
        ({"stop": ["a", "b"]}, GenerationConfig(stop=("a", "b"))),
        (
            {"frequency_penalty": 1, "presence_penalty": -1},
            GenerationConfig(frequency_penalty=1, presence_penalty=-1),
        ),
        ({"logit_bias": {"50256": -100}}, GenerationConfig(logit_bias={50256: -100.0})),
        ({"logprobs": True}, GenerationConfig(top_logprobs=0)),
        ({"logprobs": True, "top_logprobs": 3}, GenerationConfig(top_logprobs=3)),
        ({"logprobs": False, "top_logprobs": 0}, GenerationConfig()),
        ({"top_k": 40, "min_p": 0.1}, GenerationConfig(top_k=40, min_p=0.1)),
        (
            {"reasoning_effort": "max"},
            GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.XHIGH)),
        ),
        (
            {"reasoning": {"effort": "low", "max_tokens": 9, "exclude": True}},
            GenerationConfig(
                reasoning=ReasoningConfig(effort=ReasoningEffort.LOW, budget_tokens=9, hide=True)
            ),
        ),
        ({"response_format": {"type": "text"}}, GenerationConfig()),
        ({"response_format": {"type": "json_object"}}, GenerationConfig(json_object=True)),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "n",
                        "strict": True,
                        "description": "d",
                        "schema": {"type": "object"},
                    },
                }
            },
            GenerationConfig(json_schema=json.dumps({"type": "object", "description": "d"})),
        ),
        (
            {"tools": [], "tool_choice": "auto"},
            GenerationConfig(tool_choice=ToolChoice(mode=ToolChoiceMode.AUTO)),
        ),
        (
            {
                "tools": [
                    TOOL,
                    {"type": "function", "function": {"name": "now", "description": "d", "strict": True}},
                ],
                "tool_choice": {"type": "function", "function": {"name": "now"}},
                "parallel_tool_calls": False,
            },
            GenerationConfig(
                tools=(
                    Tool(name="look", parameters_json_schema='{"type": "object"}'),
                    Tool(name="now", description="d", strict=True),
                ),
                tool_choice=ToolChoice(mode=ToolChoiceMode.NAMED, name="now"),
                parallel_tool_calls=False,
            ),
        ),
        (
            {
                "tools": [
                    {"type": "custom", "custom": {"name": "sh", "format": {"type": "text"}}},
                    {
                        "type": "custom",
                        "custom": {
                            "name": "sql",
                            "format": {
                                "type": "grammar",
                                "grammar": {"syntax": "lark", "definition": "start: A"},
                            },
                        },
                    },
                    {
                        "type": "custom",
                        "custom": {
                            "name": "date",
                            "format": {
                                "type": "grammar",
                                "grammar": {"syntax": "regex", "definition": r"\d+/\d+"},
                            },
                        },
                    },
                ],
                "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
            },
            GenerationConfig(
                tools=(
                    Tool(name="sh", kind=ToolKind.CUSTOM),
                    Tool(name="sql", kind=ToolKind.CUSTOM, input_grammar="start: A"),
                    Tool(name="date", kind=ToolKind.CUSTOM, input_grammar=r"start: /\d+\/\d+/"),
                ),
                tool_choice=ToolChoice(mode=ToolChoiceMode.NAMED, name="sh"),
            ),
        ),
    ],
)
def test_members_of_the_configuration(members: dict[str, Any], meant: GenerationConfig) -> None:
    """Under the contract's own names."""
    assert parsed(**members).config == meant


def test_harmless_members_are_ignored() -> None:
    """Those of the list, and the values of others that ask for nothing."""
    asks_nothing: dict[str, Any] = {
        "n": 1,
        "modalities": ["text"],
        "store": False,
        "stream": False,
        "audio": None,
    }
    asks_nothing |= dict.fromkeys(HARMLESS, "x")
    assert parsed(**asks_nothing).config == GenerationConfig()
    options = {"include_usage": True, "include_obfuscation": False}
    assert parsed(stream=True, stream_options=options).config == GenerationConfig()


@pytest.mark.parametrize(
    ("members", "field"),
    [
        *(({name: {"x": 1}}, name) for name in REFUSED),
        ({"store": True}, "store"),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"nothing_known": 1}, "nothing_known"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL | {"x": 1}]}, "tools[0].x"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice.type"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
        ({"messages": [USER | {"x": 1}]}, "messages[0].x"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}, "messages[0].function_call"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "messages[0].content[0].file.file_id",
        ),
    ],
)
def test_what_is_not_had_is_refused_by_name(members: dict[str, Any], field: str) -> None:
    """As a parameter that is not supported, never ignored in silence."""
    error = refused(members)
    assert isinstance(error, Unsupported)
    assert error.field == field


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [USER | {"name": "a b"}]}, "messages[0].name"),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": DATA_URL}]}]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png,x"}]}
                ]
            },
            "messages[0].content[0].image_url",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]}
                ]
            },
            "messages[0].content[0]",
        ),
        (
            {"messages": [USER, RESULT]},
            "messages[1].tool_call_id",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [ASKED | {"tool_calls": [CALL, CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [ASKED | {"tool_calls": [{"type": "function"}]}]}, "messages[0].tool_calls[0].id"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_completion_tokens": 5, "max_tokens": 6}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stop": [1]}, "stop[0]"),
        ({"stop": ["a", ""]}, "stop[1]"),
        ({"logit_bias": {"hello": 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias[5]"),
        ({"seed": 2**63}, "seed"),
        ({"reasoning_effort": "utmost"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            with_format({"type": 1}),
            "response_format.json_schema.schema",
        ),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [TOOL, {"type": "custom", "custom": {"name": "look"}}]}, "tools[1].custom.name"),
        (
            {"tools": [TOOL | {"function": {"name": "f", "parameters": {"type": 1}}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "no"}}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"stream": "yes"}, "stream"),
        ({"model": 5}, "model"),
    ],
)
def test_what_is_wrong_is_named_in_the_dialects_words(members: dict[str, Any], field: str) -> None:
    """So that a caller finds it in its own request."""
    error = refused(members)
    assert error.field == field
    assert not isinstance(error, Unsupported)


def test_hosted_tools_are_dropped_where_the_policy_says_so() -> None:
    """And the tools behind them are still named by their own place."""
    section = HttpPolicy(drop_hosted_tools=True)
    tools: list[Any] = [{"type": "web_search"}, TOOL, {"type": "function", "function": {"name": "a b"}}]
    assert [tool.name for tool in parsed(_section=section, tools=tools[:2]).config.tools] == ["look"]
    assert refused({"tools": tools}, section).field == "tools[2].function.name"


def test_the_page_lists_what_is_ignored_and_what_is_refused() -> None:
    """So that nobody has to find it out."""
    page = (ROOT / "docs" / "reference" / "chat.md").read_text(encoding="utf-8")
    ignored = page.partition("Ignored, since")[2].partition("Refused with")[0]
    refused_there = page.partition("Refused with")[2].partition("## What comes back")[0]
    assert set(re.findall("`([a-z_]+)`", ignored)) == HARMLESS
    assert set(REFUSED) <= set(re.findall("`([a-z_]+)`", refused_there))
