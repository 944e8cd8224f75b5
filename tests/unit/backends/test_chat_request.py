"""What a chat completion is asked with: every field of a request, in the form of its provider."""

import json
from dataclasses import replace

import pytest

from gateway.backends.openai.chat_request import chat_body
from gateway.backends.openai.responses_request import responses_body
from gateway.domain.conversation import (
    File,
    Image,
    ImageDetail,
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
from gateway.policy.openai import DROPPABLE
from tests.support.permits import permit_for

LOOK_UP = Tool(
    name="look_up", description="Finds a part.", parameters_json_schema='{"type": "object"}', strict=True
)
PATCH = Tool(name="patch", kind=ToolKind.CUSTOM, input_grammar='start: "a"')
EVERYTHING = GenerationConfig(
    temperature=0.0, top_p=0.5, top_k=3, min_p=0.1, seed=7, stop=("END",), json_schema='{"type": "object"}',
    frequency_penalty=0.25, presence_penalty=-0.5, logit_bias={17: -100.0}, top_logprobs=2,
    tools=(LOOK_UP, PATCH), tool_choice=ToolChoice(mode=ToolChoiceMode.AUTO), parallel_tool_calls=True,
    reasoning=ReasoningConfig(effort=ReasoningEffort.LOW),
)  # fmt: skip
NO_CONFIG = GenerationConfig()
OTHER = "http://model.internal/v1"
OPENAI = "https://api.openai.com/v1"


def said(role: Role, *parts: Part, name: str = "") -> Message:
    """Return a message of parts."""
    return Message(role=role, parts=parts, name=name)


HELLO = Message(role=Role.USER, content="Hi", name="ann")


def body_of(
    *messages: Message,
    config: GenerationConfig = NO_CONFIG,
    base_url: str = OTHER,
    is_stream: bool = False,
    **fields: object,
) -> dict[str, object]:
    """Return what a model named `cloud` is sent."""
    values = {"kind": "openai", "model": "gpt", "clearance": "public", "base_url": base_url, **fields}
    request = Request(request_id="r", tenant="t", messages=messages or (HELLO,), config=config)
    spec = OpenAIModel.model_validate(values)
    return chat_body("cloud", spec, permit_for(request), 50, is_stream=is_stream)


def sent(*messages: Message, **fields: object) -> list[object]:
    """Return the messages that a model is sent."""
    listed = body_of(*messages, **fields)["messages"]  # type: ignore[arg-type]
    assert isinstance(listed, list)
    return listed


def test_every_parameter_is_sent() -> None:
    """By the names of the API, and nothing beside them."""
    body = body_of(config=EVERYTHING, is_stream=True)
    assert body == {
        "model": "gpt",
        "messages": [{"role": "user", "content": "Hi", "name": "ann"}],
        "max_tokens": 50,
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "min_p": 0.1,
        "seed": 7,
        "stop": ["END"],
        "frequency_penalty": 0.25,
        "presence_penalty": -0.5,
        "logit_bias": {"17": -100.0},
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look_up",
                    "description": "Finds a part.",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
            },
            {
                "type": "custom",
                "custom": {
                    "name": "patch",
                    "format": {
                        "type": "grammar",
                        "grammar": {"syntax": "lark", "definition": 'start: "a"'},
                    },
                },
            },
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    json.dumps(body)


def test_openai_gets_no_parameter_that_it_does_not_know() -> None:
    """It answers 400 to `top_k` and `min_p`."""
    known = body_of(config=EVERYTHING, base_url=OPENAI)
    assert not {"top_k", "min_p"} & set(known)
    assert known["max_completion_tokens"] == 50


FREE = set(DROPPABLE) - {
    "response_format", "logit_bias", "logprobs", "top_logprobs", "tools", "name", "reasoning_summary",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FREE))
def test_a_parameter_that_is_dropped_is_not_sent(name: str) -> None:
    """All others stay."""
    whole = body_of(config=EVERYTHING, is_stream=True)
    assert name in whole
    dropped = body_of(config=EVERYTHING, is_stream=True, drop=[name])
    assert dropped == {key: value for key, value in whole.items() if key != name}


def test_the_name_of_a_message_may_be_dropped() -> None:
    """Some providers refuse it."""
    assert sent(HELLO, drop=["name"]) == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("config", "drop", "field"),
    [
        (GenerationConfig(tools=(LOOK_UP,)), "tools", "config.tools"),
        (GenerationConfig(json_schema="{}"), "response_format", "config.json_schema"),
        (GenerationConfig(json_object=True), "response_format", "config.json_object"),
        (GenerationConfig(logit_bias={1: 1.0}), "logit_bias", "config.logit_bias"),
        (GenerationConfig(top_logprobs=0), "logprobs", "config.top_logprobs"),
        (GenerationConfig(top_logprobs=1), "top_logprobs", "config.top_logprobs"),
        (
            GenerationConfig(tools=(LOOK_UP,), tool_choice=ToolChoice(mode=ToolChoiceMode.REQUIRED)),
            "tool_choice",
            "config.tool_choice",
        ),
        (
            GenerationConfig(tools=(LOOK_UP,), parallel_tool_calls=False),
            "parallel_tool_calls",
            "config.parallel_tool_calls",
        ),
        (GenerationConfig(grammar="root ::= x"), "seed", "config.grammar"),
    ],
)
def test_what_a_request_needs_is_not_dropped_in_silence(
    config: GenerationConfig, drop: str, field: str
) -> None:
    """The next model may do it, and the field says what to change."""
    with pytest.raises(NotCapable) as raised:
        body_of(config=config, drop=[drop])
    assert (raised.value.field, raised.value.model) == (field, "cloud")


def test_forms_of_an_answer() -> None:
    """A schema, or any JSON."""
    assert body_of(config=GenerationConfig(json_object=True))["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode=ToolChoiceMode.NONE), "none"),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED), "required"),
        (
            ToolChoice(mode=ToolChoiceMode.NAMED, name="look_up"),
            {"type": "function", "function": {"name": "look_up"}},
        ),
        (
            ToolChoice(mode=ToolChoiceMode.NAMED, name="patch"),
            {"type": "custom", "custom": {"name": "patch"}},
        ),
    ],
)
def test_a_choice_of_tools(choice: ToolChoice, expected: object) -> None:
    """A named tool goes by its kind."""
    assert body_of(config=replace(EVERYTHING, tool_choice=choice))["tool_choice"] == expected


def test_a_choice_without_tools_is_not_sent() -> None:
    """It is refused by providers."""
    config = GenerationConfig(tool_choice=ToolChoice(mode=ToolChoiceMode.NONE), parallel_tool_calls=False)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body_of(config=config))


def test_a_tool_without_arguments_has_a_schema_of_nothing() -> None:
    """Some providers refuse a function without parameters."""
    body = body_of(config=GenerationConfig(tools=(Tool(name="ring"),)))
    nothing = {"type": "object", "properties": {}}
    assert body["tools"] == [{"type": "function", "function": {"name": "ring", "parameters": nothing}}]


@pytest.mark.parametrize(
    ("budget", "effort"), [(0, "none"), (1, "low"), (1024, "low"), (8192, "medium"), (8193, "high")]
)
def test_a_budget_becomes_an_effort(budget: int, effort: str) -> None:
    """Chat completions take no number of tokens; OpenRouter does."""
    config = GenerationConfig(reasoning=ReasoningConfig(budget_tokens=budget))
    assert body_of(config=config)["reasoning_effort"] == effort
    routed = body_of(config=config, base_url="https://openrouter.ai/api/v1")
    assert routed.get("reasoning") == ({"max_tokens": budget} if budget else None)


PNG = Image(data=b"png", media_type="image/png", detail=ImageDetail.LOW)
AT_URL = Image(url="https://host/a.png")


def test_parts_of_a_user() -> None:
    """Images by their bytes or URL, files with a name; empty text is left out."""
    pdf = File(data=b"pdf", media_type="application/pdf", name="a.pdf")
    unnamed = File(data=b"csv", media_type="text/csv")
    [message] = sent(said(Role.USER, Text(""), Text("See"), PNG, AT_URL, pdf, unnamed))
    assert message == {
        "role": "user",
        "content": [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://host/a.png"}},
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"},
            },
            {"type": "file", "file": {"filename": "file.csv", "file_data": "data:text/csv;base64,Y3N2"}},
        ],
    }


def test_parts_of_text_alone_are_text() -> None:
    """Some servers take nothing else."""
    assert sent(said(Role.SYSTEM, Text("a"), Text("b"))) == [{"role": "system", "content": "ab"}]


CALL = ToolCall(id="call_1", name="look_up", arguments_json='{"a":1}', opaque=b"sig", model="cloud")
ASKED = said(
    Role.ASSISTANT,
    Reasoning(text="Hm.", model="cloud", opaque=b"EqSig"),
    Reasoning(text="Foreign.", model="edge", opaque=b"other"),
    Text("One moment."),
    CALL,
    ToolCall(id="call_2", name="patch", input="*** x", is_custom=True),
)
RESULT = said(Role.TOOL, ToolResult(tool_call_id="call_1", parts=(Text("found"),)))


def test_calls_and_results() -> None:
    """A result follows its call by its id; an error is told in its text."""
    failed = said(Role.TOOL, ToolResult(tool_call_id="call_2", parts=(Text("no disk"),), is_error=True))
    calls, result, error = sent(ASKED, RESULT, failed)
    assert calls == {
        "role": "assistant",
        "content": "One moment.",
        "reasoning_content": "Hm.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"a":1}'}},
            {"id": "call_2", "type": "custom", "custom": {"name": "patch", "input": "*** x"}},
        ],
    }
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "found"}
    assert error == {"role": "tool", "tool_call_id": "call_2", "content": "Error: no disk"}


def test_a_call_alone_has_no_text() -> None:
    """Its content is null, as OpenAI has it; invalid arguments go as the text that they were."""
    broken = ToolCall(id="c", name="look_up", arguments_json='{"a', arguments_invalid=True)
    [message] = sent(said(Role.ASSISTANT, Text(""), broken))
    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look_up", "arguments": '{"a'}}],
    }


def test_images_of_a_result() -> None:
    """OpenAI takes them from a user only, and behind all results of one turn; others in the result."""
    shown = said(Role.TOOL, ToolResult(tool_call_id="call_2", parts=(PNG,)))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n", "detail": "low"}}
    assert sent(ASKED, shown, RESULT)[1:] == [
        {"role": "tool", "tool_call_id": "call_2", "content": [picture]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
    ]
    _, first, second, images, user = sent(ASKED, shown, RESULT, HELLO, base_url=OPENAI)
    assert [first["role"], second["role"], images["role"], user["role"]] == ["tool", "tool", "user", "user"]  # type: ignore[index]
    assert images["content"] == [{"type": "text", "text": "Images of the result of call_2:"}, picture]  # type: ignore[index]
    assert sent(ASKED, shown, base_url=OPENAI)[-1] == images


def test_a_message_of_which_nothing_is_left_is_not_sent() -> None:
    """Another model's thoughts are nobody else's."""
    foreign = said(Role.ASSISTANT, Reasoning(text="Foreign.", model="edge"))
    assert sent(HELLO, foreign) == [{"role": "user", "content": "Hi", "name": "ann"}]
    with pytest.raises(NotCapable, match="nothing of the messages"):
        sent(foreign)


@pytest.mark.parametrize(
    ("base_url", "fields"),
    [
        (OPENAI, {}),
        ("https://x.openai.azure.com/openai/v1", {}),
        ("https://api.deepseek.com", {"reasoning_content": "Hm."}),
        (OTHER, {"reasoning_content": "Hm."}),
        ("https://api.groq.com/openai/v1", {"reasoning": "Hm."}),
        (
            "https://openrouter.ai/api/v1",
            {
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "text": "Hm.",
                        "index": 0,
                        "signature": "EqSig",
                        "format": "anthropic-claude-v1",
                    }
                ]
            },
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            {"extra_content": {"google": {"thought_signature": "EqSig"}}},
        ),
    ],
)
def test_a_model_gets_its_own_thoughts_back(base_url: str, fields: dict[str, object]) -> None:
    """In the form of its provider, and never another model's."""
    message = sent(ASKED, base_url=base_url)[0]
    assert isinstance(message, dict)
    assert {key: message[key] for key in message if key not in ("role", "content", "tool_calls")} == fields
    assert "Foreign" not in json.dumps(body_of(ASKED, base_url=base_url))


def test_mistral_gets_thoughts_as_parts_and_ids_that_it_takes() -> None:
    """The same id for a call and its result."""
    call, result = sent(ASKED, RESULT, base_url="https://api.mistral.ai/v1")
    assert isinstance(call, dict)
    assert isinstance(result, dict)
    assert call["content"][0] == {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Hm."}],
        "signature": "EqSig",
    }
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert len(result["tool_call_id"]) == 9
    kept = replace(CALL, id="aB3dE6gH9")
    [own] = sent(said(Role.ASSISTANT, kept), base_url="https://api.mistral.ai/v1")
    assert own["tool_calls"][0]["id"] == "aB3dE6gH9"  # type: ignore[index]


def test_thoughts_in_plain_words_need_a_tool() -> None:
    """DeepSeek needs them back where tools are used, and its older models refuse them elsewhere."""
    thought = said(Role.ASSISTANT, Reasoning(text="Hm.", model="cloud"), Text("Yes."))
    assert sent(HELLO, thought)[1] == {"role": "assistant", "content": "Yes."}
    assert sent(thought, ASKED)[0]["reasoning_content"] == "Hm."  # type: ignore[index]
    assert "reasoning" in sent(ASKED, reasoning_field="reasoning")[0]  # type: ignore[operator]
    assert set(sent(ASKED, reasoning_field="none")[0]) == {"role", "content", "tool_calls"}  # type: ignore[call-overload]


def test_gemini_gets_its_signatures_back_and_a_mark_for_other_models_calls() -> None:
    """It answers 400 to a call without one."""
    url = "https://generativelanguage.googleapis.com/v1beta/openai"
    unsigned, foreign = replace(CALL, opaque=b"", model=""), replace(CALL, model="edge")
    none = "skip_thought_signature_validator"
    for call, signature in (
        (CALL, "sig"),
        (unsigned, none),
        (foreign, none),
        (replace(CALL, model=""), none),
    ):
        [message] = sent(said(Role.ASSISTANT, call), base_url=url)
        own = message["tool_calls"][0]["extra_content"]  # type: ignore[index]
        assert own == {"google": {"thought_signature": signature}}


def test_an_id_that_is_too_long_for_openai_is_shortened() -> None:
    """In the call and its result alike."""
    long = "call_" + "x" * 60
    call = said(Role.ASSISTANT, replace(CALL, id=long))
    result = said(Role.TOOL, ToolResult(tool_call_id=long, parts=(Text("ok"),)))
    first, second = sent(call, result, base_url=OPENAI)
    assert first["tool_calls"][0]["id"] == second["tool_call_id"]  # type: ignore[index]
    assert len(second["tool_call_id"]) == 29  # type: ignore[index]
    assert sent(call, result)[1]["tool_call_id"] == long  # type: ignore[index]


@pytest.mark.parametrize(("base_url", "sent_key"), [(OPENAI, "k"), (OTHER, None)])
def test_openai_alone_is_told_the_key_of_a_conversation(base_url: str, sent_key: str | None) -> None:
    """Others might refuse a parameter that they do not know; in both of its APIs."""
    values = {"kind": "openai", "model": "gpt", "clearance": "public", "base_url": base_url}
    spec = OpenAIModel.model_validate(values)
    request = Request(request_id="r", tenant="t", messages=(HELLO,), session_id="mine", prompt_cache_key="k")
    for body_for in (chat_body, responses_body):
        body = body_for("cloud", spec, permit_for(request), 50, is_stream=False)
        assert body.get("prompt_cache_key") == sent_key
        assert "mine" not in repr(body)
