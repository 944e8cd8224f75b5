"""Requests of the Messages API: what becomes of each field, and what is refused under which name."""

import base64
import json
from typing import Any

import pytest

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)
from gateway.domain.request import Request
from gateway.errors import InvalidRequest, Unsupported
from gateway.pipeline.steps import finished
from gateway.policy.http import HttpPolicy
from gateway.server.http.messages.messages_dialect import MessagesDialect, TokenCountDialect
from gateway.server.http.opaque import wrap
from gateway.server.validation.request import checking_steps

Json = dict[str, Any]

DIALECT = MessagesDialect()
BASE = Request(request_id="r-1", tenant="t", messages=())
HELLO: Json = {"role": "user", "content": "hello"}
PIXEL: Json = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"x").decode()}
LOOK: Json = {"name": "look", "input_schema": {"type": "object"}}
SEARCH: Json = {"type": "web_search_20250305", "name": "web_search"}
USE: Json = {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "sea"}}


def parsed(*, drops: bool = False, **fields: object) -> Request:
    """Return a request of one message, with other fields as given."""
    body = {"model": "m", "max_tokens": 9, "messages": [HELLO], **fields}
    return DIALECT.parse(body, BASE, HttpPolicy(drop_hosted_tools=drops))


def said(*blocks: Json, role: str = "user") -> tuple[Message, ...]:
    """Return the messages that a turn of blocks becomes."""
    return parsed(messages=[{"role": role, "content": list(blocks)}]).messages


def refused(body: Json) -> InvalidRequest:
    """Return what the gateway says of a request that it does not take, with the dialect's own place."""
    with pytest.raises(InvalidRequest) as raised:
        _check(body)
    return raised.value


def _check(body: Json) -> None:
    request = DIALECT.parse(body, BASE, HttpPolicy())
    try:
        finished(checking_steps(request))
    except InvalidRequest as error:
        raise InvalidRequest(DIALECT.place(error.field, body), error.description) from None


def text(words: str, **fields: object) -> Json:
    """Return a block of text."""
    return {"type": "text", "text": words, **fields}


BILLING = "x-anthropic-billing-header: cc_version=2.1.0.1ab; cc_entrypoint=cli; cch=%s;"


@pytest.mark.parametrize(
    "system",
    [
        [text(BILLING % "a1b2c"), text("Be kind."), text("Be short.", cache_control={"type": "ephemeral"})],
        [text(BILLING % "00000" + "\nBe kind."), text("Be short.")],
        BILLING % "fffff" + "\n\nBe kind.\n\nBe short.",
        "Be kind.\n\nBe short.",
    ],
)
def test_the_system_text_is_one_message_without_the_line_that_changes(system: object) -> None:
    """Two requests of one conversation begin with the same text."""
    request = parsed(system=system)
    assert request.messages[0] == Message(role=Role.SYSTEM, content="Be kind.\n\nBe short.")


@pytest.mark.parametrize("system", ["", [], [text(BILLING % "a1b2c")], None])
def test_an_empty_system_text_is_none(system: object) -> None:
    """No message is made of it."""
    assert [each.role for each in parsed(system=system).messages] == [Role.USER]


def test_that_line_is_kept_where_it_is_no_header() -> None:
    """What a user says of it is the user's."""
    assert said(text(BILLING % "1"))[0].content == BILLING % "1"


def test_system_messages_stand_where_they_were() -> None:
    """Claude Code puts reminders into the conversation."""
    messages = [HELLO, {"role": "system", "content": [text("Mind"), text("the gap.")]}]
    assert parsed(messages=messages).messages[1] == Message(role=Role.SYSTEM, content="Mind\n\nthe gap.")


def test_results_come_before_what_the_user_says() -> None:
    """They answer the calls of the message before; all else stays in its order."""
    results = [
        text("first"),
        {"type": "tool_result", "tool_use_id": "c1", "content": "found", "cache_control": {"type": "x"}},
        {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
        text("last"),
    ]
    tool, user = said(*results)
    assert tool == Message(
        role=Role.TOOL,
        parts=(
            ToolResult(tool_call_id="c1", parts=(Text("found"),)),
            ToolResult(tool_call_id="c2", is_error=True),
        ),
    )
    assert user == Message(role=Role.USER, parts=(Text("first"), Text("last")))


def test_documents_in_results_follow_them() -> None:
    """A result holds text and images only; nothing of it is lost."""
    pdf = {**PIXEL, "media_type": "application/pdf"}
    content = [
        text("See:"),
        {"type": "image", "source": PIXEL},
        {"type": "document", "source": {"type": "text", "data": "read"}},
        {"type": "search_result", "title": "T", "source": "S", "content": [text("found")]},
        {"type": "tool_reference", "tool_name": "look"},
        {"type": "document", "source": pdf, "title": "a.pdf", "context": "old"},
    ]
    tool, user = said({"type": "tool_result", "tool_use_id": "c1", "content": content})
    assert tool.tool_results[0].parts == (
        Text("See:"),
        Image(data=b"x", media_type="image/png"),
        Text("read"),
        Text("T\n\nS\n\nfound"),
        Text("look"),
        Text("old"),
    )
    assert user.parts == (File(data=b"x", media_type="application/pdf", name="a.pdf"),)


def test_documents_of_content_are_their_content() -> None:
    """Text and images of one document, in order."""
    source = {"type": "content", "content": [text("one"), {"type": "image", "source": PIXEL}]}
    (message,) = said({"type": "document", "source": source, "title": "T"})
    assert message.parts == (Text("T"), Text("one"), Image(data=b"x", media_type="image/png"))
    plain = {"type": "content", "content": "words"}
    assert said({"type": "document", "source": plain})[0].content == "words"


def test_what_a_model_said_comes_back() -> None:
    """Thoughts to their model, also those without words; a signature of another gateway to nobody."""
    (message,) = said(
        {"type": "thinking", "thinking": "Hm.", "signature": wrap("able", b"s")},
        {"type": "redacted_thinking", "data": wrap("able", b"r")},
        {"type": "thinking", "thinking": "of another", "signature": "EqQBCkYIARgC"},
        {"type": "redacted_thinking", "data": "EqQBCkYIARgC"},
        text("So."),
        text(""),
        {**USE, "caller": {"type": "direct"}},
        role="assistant",
    )
    assert message.parts == (
        Reasoning(text="Hm.", model="able", opaque=b"s"),
        Reasoning(model="able", opaque=b"r"),
        Text("So."),
        ToolCall(id="c1", name="look", arguments_json='{"at": "sea"}'),
    )


def test_the_beginning_of_an_answer_is_kept_and_an_empty_one_dropped() -> None:
    """Anthropic allows an empty last message of the assistant, and nobody else does."""
    begun = parsed(messages=[HELLO, {"role": "assistant", "content": "Well, "}])
    assert begun.messages[-1] == Message(role=Role.ASSISTANT, content="Well, ")
    for empty in ("", [], [text("")]):
        assert len(parsed(messages=[HELLO, {"role": "assistant", "content": empty}]).messages) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ReasoningConfig()),
        ({"thinking": {"type": "disabled"}}, ReasoningConfig(effort=ReasoningEffort.NONE)),
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
            ReasoningConfig(effort=ReasoningEffort.NONE),
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}},
            ReasoningConfig(budget_tokens=2048, hide=True),
        ),
        (
            {"thinking": {"type": "adaptive", "budget_tokens": 0}},
            ReasoningConfig(effort=ReasoningEffort.HIGH, is_optional=True),
        ),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
            ReasoningConfig(effort=ReasoningEffort.LOW, is_optional=True),
        ),
        (
            {"output_config": {"effort": "max"}},
            ReasoningConfig(effort=ReasoningEffort.XHIGH, is_optional=True),
        ),
    ],
)
def test_how_much_to_think(fields: Json, expected: ReasoningConfig) -> None:
    """A budget is a need, an effort a wish."""
    assert parsed(**fields).config.reasoning == expected


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(mode=ToolChoiceMode.AUTO), None),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            ToolChoice(mode=ToolChoiceMode.REQUIRED),
            False,
        ),
        ({"type": "none"}, ToolChoice(mode=ToolChoiceMode.NONE), None),
        (
            {"type": "tool", "name": "look", "disable_parallel_tool_use": False},
            ToolChoice(mode=ToolChoiceMode.NAMED, name="look"),
            True,
        ),
    ],
)
def test_which_tools_may_be_called(choice: Json, expected: ToolChoice, parallel: bool | None) -> None:
    """In the words of Anthropic."""
    config = parsed(tools=[LOOK], tool_choice=choice).config
    assert (config.tool_choice, config.parallel_tool_calls) == (expected, parallel)


def test_tools_are_those_that_the_caller_describes() -> None:
    """What says how Anthropic loads them is passed over."""
    tool = {**LOOK, "type": "custom", "description": "Looks.", "strict": True, "defer_loading": True}
    (read,) = parsed(
        tools=[tool | {"cache_control": {"type": "ephemeral"}, "input_examples": []}]
    ).config.tools
    assert (read.name, read.description, read.strict) == ("look", "Looks.", True)
    assert json.loads(read.parameters_json_schema) == {"type": "object"}


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_20250305", "web_fetch_20250910", "bash_20250124", "text_editor_20250728",
        "computer_toolset_20260801", "code_execution_20250825", "memory_20250818",
        "tool_search_tool_bm25_20251119",
    ],
)  # fmt: skip
def test_tools_of_the_provider_are_refused_by_name_or_dropped(kind: str) -> None:
    """The policy says which; blocks of their use are dropped from the history with them."""
    tools = [{"type": kind, "name": "x"}, LOOK]
    with pytest.raises(Unsupported, match=kind) as raised:
        parsed(tools=tools)
    assert raised.value.field == "tools[0].type"
    used = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
    messages = [HELLO, {"role": "assistant", "content": [used, found, text("So.")]}, HELLO]
    request = parsed(drops=True, tools=tools, messages=messages)
    assert [tool.name for tool in request.config.tools] == ["look"]
    assert request.messages[1].content == "So."


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        ("user_" + "0" * 64 + "_account__session_11111111-2222-4333-8444-555555555555",
         "11111111-2222-4333-8444-555555555555"),
        ('{"device_id":"d","account_uuid":"a","session_id":"s-1"}', "s-1"),
        ("somebody", ""),
        ("[1]", ""),
        ('{"session_id": 3}', ""),
        (None, ""),
    ],
)  # fmt: skip
def test_of_the_user_only_the_session_is_kept(user_id: str | None, session: str) -> None:
    """Who it is stays with the caller."""
    assert parsed(metadata={"user_id": user_id}).session_id == session


def test_the_header_of_a_session_goes_before() -> None:
    """It is the more explicit one."""
    base = Request(request_id="r-1", tenant="t", messages=(), session_id="mine")
    body = {"model": "m", "max_tokens": 9, "messages": [HELLO], "metadata": {"user_id": "u_session_other"}}
    assert DIALECT.parse(body, base, HttpPolicy()).session_id == "mine"


def test_harmless_fields_are_passed_over() -> None:
    """They say what Anthropic does with a request beside answering it."""
    request = parsed(
        service_tier="auto",
        speed="fast",
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"task_budget": {"type": "tokens", "total": 20_000}},
        cache_control={"type": "ephemeral"},
        betas=["x"],
        mcp_servers=[],
        container=None,
        stream=True,
    )
    assert request.config == parsed().config


def test_max_tokens_is_cut_to_what_can_be_said() -> None:
    """Nobody is refused for asking for much."""
    assert parsed(max_tokens=10**9).config.max_tokens == 1_000_000
    with pytest.raises(InvalidRequest, match="max_tokens"):
        parsed(max_tokens=None)
    counted = TokenCountDialect().parse({"model": "m", "messages": [HELLO]}, BASE, HttpPolicy())
    assert counted.config.max_tokens is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [HELLO, {**HELLO, "name": "ann"}]}, "messages[1].name"),
        ({"messages": [{"role": "user", "content": [text(" ")]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [text("a", colour="red")]}]},
            "messages[0].content[0].colour",
        ),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": 0.5}, "top_k"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop_sequences": [3]}, "stop_sequences[0]"),
        ({"stop_sequences": ["a", ""]}, "stop_sequences[1]"),
        ({"stop_sequences": list("abcde")}, "stop_sequences"),
        ({"thinking": {"type": "often"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "vast"}}, "output_config.effort"),
        ({"output_config": {"colour": "red"}}, "output_config.colour"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": 3}}}},
            "output_config.format.schema",
        ),
        ({"tools": [{"name": "look"}]}, "tools[0].input_schema"),
        ({"tools": [{**LOOK, "name": "a b"}]}, "tools[0].name"),
        ({"tools": [LOOK, {**LOOK, "name": "two", "input_schema": {"type": 3}}]}, "tools[1].input_schema"),
        ({"tools": [LOOK, LOOK]}, "tools[1].name"),
        ({"tools": [{**LOOK, "colour": "red"}]}, "tools[0].colour"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool", "name": "other"}, "tools": [LOOK]}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"stream": "yes"}, "stream"),
        ({"system": [{"type": "image", "source": PIXEL}]}, "system[0].type"),
        ({"n": 2}, "n"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"fallbacks": "default"}, "fallbacks"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"inference_geo": "eu"}, "inference_geo"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_in_the_words_of_anthropic(fields: Json, place: str) -> None:
    """Also where a system text moves the messages on by one."""
    body = {"model": "m", "max_tokens": 9, "messages": [HELLO], **fields}
    assert refused(body).field == place
    if "system" not in fields:
        assert refused({**body, "system": "Be kind."}).field == place


RESULT: Json = {"type": "tool_result", "tool_use_id": "c1", "content": "x"}


@pytest.mark.parametrize(
    ("turns", "place"),
    [
        ([[text("a"), RESULT]], "messages[0].content[1].tool_use_id"),
        ([[USE, {**USE, "id": "c1"}]], "messages[0].content[1].id"),
        ([[{**USE, "name": "a b"}]], "messages[0].content[0].name"),
        ([[USE], [text("a"), RESULT, {**RESULT, "tool_use_id": "c2"}]], "messages[1].content[2].tool_use_id"),
        (
            [[text("a"), {"type": "image", "source": {**PIXEL, "media_type": "image/tiff"}}]],
            "messages[0].content[1].source.media_type",
        ),
        (
            [[{"type": "image", "source": {"type": "url", "url": "file:///x"}}]],
            "messages[0].content[0].source.url",
        ),
        (
            [[{"type": "image", "source": {"type": "file", "file_id": "f"}}]],
            "messages[0].content[0].source.type",
        ),
        (
            [[{"type": "document", "source": {**PIXEL, "media_type": "application/zip"}}]],
            "messages[0].content[0].source.media_type",
        ),
        (
            [[{"type": "document", "source": PIXEL, "citations": {"enabled": True}}]],
            "messages[0].content[0].citations.enabled",
        ),
        ([[{"type": "image", "source": {**PIXEL, "data": "?"}}]], "messages[0].content[0].source.data"),
        ([[{**USE, "input": "{}"}]], "messages[0].content[0].input"),
    ],
)  # fmt: skip
def test_a_block_is_named_where_it_was_written(turns: list[list[Json]], place: str) -> None:
    """Whatever became of its message."""
    messages = [
        {"role": "assistant" if turn[0] == USE or turn[0]["type"] == "tool_use" else "user", "content": turn}
        for turn in turns
    ]
    assert refused({"model": "m", "max_tokens": 9, "system": "S", "messages": messages}).field == place


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "my PESEL is 44051401359", "name": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "my PESEL is 44051401359"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "my PESEL is 44051401359"}]}]},
    ],
)
def test_errors_repeat_nothing_that_a_caller_wrote(fields: Json) -> None:
    """Where a type should be, there may be anything."""
    assert "44051401359" not in str(refused({"model": "m", "max_tokens": 9, "messages": [HELLO], **fields}))
