"""What a conversation of parts, tools and reasoning may hold, field by field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import (
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
    ToolResult,
)
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import finished
from gateway.server.grpc.answer_message import render_message
from gateway.server.grpc.wire import parse_request, prompt_tokens
from gateway.server.validation.json_text import argument_steps, without_needless_escapes
from gateway.v1 import gateway_pb2 as pb

USER = pb.Message(role=pb.ROLE_USER, content="hello")


def _asked(call: pb.ToolCall) -> pb.Message:
    return pb.Message(role=pb.ROLE_ASSISTANT, parts=[pb.Part(tool_call=call)])


def _result(call_id: str, *parts: pb.Part) -> pb.Message:
    result = pb.ToolResult(tool_call_id=call_id, parts=parts)
    return pb.Message(role=pb.ROLE_TOOL, parts=[pb.Part(tool_result=result)])


CALL = _asked(pb.ToolCall(id="c1", name="look", arguments_json='{"at": "sea"}'))
RESULT = _result("c1", pb.Part(text="waves"))
TOOL = pb.Tool(name="look", description="Looks.", parameters_json_schema='{"type": "object"}')


def _of(*messages: pb.Message, **config: object) -> pb.GenerateRequest:
    request = pb.GenerateRequest(messages=messages)
    if config:
        request.config.CopyFrom(pb.GenerationConfig(**config))  # type: ignore[arg-type]  # Any field.
    return request


def _user(*parts: pb.Part) -> pb.GenerateRequest:
    return _of(pb.Message(role=pb.ROLE_USER, parts=parts))


def _tools(*tools: pb.Tool, **config: object) -> pb.GenerateRequest:
    return _of(USER, tools=tools, **config)


def _choice(mode: "pb.ToolChoiceMode.ValueType", name: str = "") -> pb.ToolChoice:
    return pb.ToolChoice(mode=mode, name=name)


PNG = pb.Image(data=b"x", media_type="image/png")
REFUSED: dict[str, tuple[pb.GenerateRequest, str]] = {
    "content and parts": (
        _of(pb.Message(role=pb.ROLE_USER, content="a", parts=[pb.Part(text="b")])),
        "messages[0].content",
    ),
    "a part of nothing": (_user(pb.Part()), "messages[0].parts[0]"),
    "blank text alone": (_user(pb.Part(text=" "), pb.Part(text="\n")), "messages[0].parts"),
    "name": (_of(pb.Message(role=pb.ROLE_USER, content="a", name="a b")), "messages[0].name"),
    "an image of the system": (
        _of(pb.Message(role=pb.ROLE_SYSTEM, parts=[pb.Part(image=PNG)])),
        "messages[0].parts[0].image",
    ),
    "a call of the user": (
        _user(pb.Part(tool_call=pb.ToolCall(id="1", name="a"))),
        "messages[0].parts[0].tool_call",
    ),
    "a result of the user": (
        _user(pb.Part(tool_result=pb.ToolResult(tool_call_id="1"))),
        "messages[0].parts[0].tool_result",
    ),
    "image of nothing": (_user(pb.Part(image=pb.Image())), "messages[0].parts[0].image"),
    "image of an unknown type": (
        _user(pb.Part(image=pb.Image(data=b"x", media_type="image/536228726"))),
        "messages[0].parts[0].image.media_type",
    ),
    "image by a file's path": (
        _user(pb.Part(image=pb.Image(url="file:///etc/passwd"))),
        "messages[0].parts[0].image.url",
    ),
    "image of an unknown detail": (
        _user(pb.Part(image=pb.Image(url="https://example.org/a.png", detail=9))),  # type: ignore[arg-type]
        "messages[0].parts[0].image.detail",
    ),
    "file without data": (
        _user(pb.Part(file=pb.File(media_type="application/pdf"))),
        "messages[0].parts[0].file.data",
    ),
    "file of an unknown type": (
        _user(pb.Part(file=pb.File(data=b"x", media_type="x/y"))),
        "messages[0].parts[0].file.media_type",
    ),
    "arguments are not JSON": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", arguments_json='{"a":'))),
        "messages[1].parts[0].tool_call.arguments_json",
    ),
    "arguments with NaN": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", arguments_json='{"a": NaN}'))),
        "messages[1].parts[0].tool_call.arguments_json",
    ),
    "arguments with half a pair": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", arguments_json='{"a": "\\ud800"}'))),
        "messages[1].parts[0].tool_call.arguments_json",
    ),
    "arguments nested deeply": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", arguments_json="[" * 100 + "]" * 100))),
        "messages[1].parts[0].tool_call.arguments_json",
    ),
    "arguments and input": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", arguments_json="{}", input="x"))),
        "messages[1].parts[0].tool_call.input",
    ),
    "a call without an id": (
        _of(USER, _asked(pb.ToolCall(name="look"))),
        "messages[1].parts[0].tool_call.id",
    ),
    "a call of a wrong name": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look at"))),
        "messages[1].parts[0].tool_call.name",
    ),
    "a signed call of nobody": (
        _of(USER, _asked(pb.ToolCall(id="c", name="look", opaque=b"sig"))),
        "messages[1].parts[0].tool_call.model",
    ),
    "one id for two calls": (_of(USER, CALL, RESULT, CALL), "messages[3].parts[0].tool_call.id"),
    "a result of no call": (_of(USER, RESULT), "messages[1].parts[0].tool_result.tool_call_id"),
    "two results of a call": (
        _of(USER, CALL, RESULT, RESULT),
        "messages[3].parts[0].tool_result.tool_call_id",
    ),
    "a call in a result": (
        _of(USER, CALL, _result("c1", pb.Part(tool_call=pb.ToolCall(id="x")))),
        "messages[2].parts[0].tool_result.parts[0]",
    ),
    "a thought of nobody": (
        _of(USER, pb.Message(role=pb.ROLE_ASSISTANT, parts=[pb.Part(reasoning=pb.Reasoning(text="hm"))])),
        "messages[1].parts[0].reasoning.model",
    ),
    "129 tools": (_tools(*(pb.Tool(name=f"t{i}") for i in range(129))), "config.tools"),
    "tool of a wrong name": (_tools(pb.Tool(name="a.b")), "config.tools[0].name"),
    "two tools of one name": (_tools(TOOL, TOOL), "config.tools[1].name"),
    "tool of a wrong schema": (
        _tools(pb.Tool(name="a", parameters_json_schema='{"type": "objct"}')),
        "config.tools[0].parameters_json_schema",
    ),
    "tool of an unknown kind": (_tools(pb.Tool(name="a", kind=7)), "config.tools[0].kind"),  # type: ignore[arg-type]
    "function with a grammar": (
        _tools(pb.Tool(name="a", input_grammar="x")),
        "config.tools[0].input_grammar",
    ),
    "custom tool with a schema": (
        _tools(pb.Tool(name="a", kind=pb.TOOL_KIND_CUSTOM, parameters_json_schema="{}")),
        "config.tools[0].parameters_json_schema",
    ),
    "choice of no tool": (
        _tools(TOOL, tool_choice=_choice(pb.TOOL_CHOICE_MODE_NAMED, "see")),
        "config.tool_choice.name",
    ),
    "choice with a needless name": (
        _tools(TOOL, tool_choice=_choice(pb.TOOL_CHOICE_MODE_AUTO, "look")),
        "config.tool_choice.name",
    ),
    "required without tools": (
        _of(USER, tool_choice=_choice(pb.TOOL_CHOICE_MODE_REQUIRED)),
        "config.tool_choice",
    ),
    "effort unknown": (
        _of(USER, reasoning=pb.ReasoningConfig(effort=99)),  # type: ignore[arg-type]
        "config.reasoning.effort",
    ),
    "budget negative": (
        _of(USER, reasoning=pb.ReasoningConfig(budget_tokens=-1)),
        "config.reasoning.budget_tokens",
    ),
    "top_k zero": (_of(USER, top_k=0), "config.top_k"),
    "min_p": (_of(USER, min_p=1.5), "config.min_p"),
    "penalty": (_of(USER, presence_penalty=float("nan")), "config.presence_penalty"),
    "logprobs": (_of(USER, top_logprobs=21), "config.top_logprobs"),
    "bias": (_of(USER, logit_bias={7: 101.0}), "config.logit_bias[7]"),
    "bias of no token": (_of(USER, logit_bias={-7: 1.0}), "config.logit_bias"),
    "two forms": (_of(USER, json_schema="{}", json_object=True), "config.json_object"),
    "grammar and schema": (_of(USER, json_schema="{}", grammar="root ::= [0-9]"), "config.grammar"),
    "session": (pb.GenerateRequest(messages=[USER], session_id="x" * 1025), "session_id"),
    "model": (pb.GenerateRequest(messages=[USER], model="x" * 257), "model"),
}


@pytest.mark.parametrize(("message", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_field_is_refused_by_name(message: pb.GenerateRequest, field: str) -> None:
    """Every wrong field is refused with its path, in one line."""
    with pytest.raises(InvalidRequest) as caught:
        parse_request(message, tenant="t", new_id="n")
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_conversation_of_an_agent_is_taken() -> None:
    """Calls, results, thoughts and images arrive as the caller sent them."""
    thought = pb.Part(reasoning=pb.Reasoning(text="hm", model="cloud", opaque=b"sig"))
    asked = pb.Message(role=pb.ROLE_ASSISTANT, parts=[thought, CALL.parts[0]])
    result = _result("c1", pb.Part(text="waves"), pb.Part(image=PNG))
    request = parse_request(
        _of(
            USER,
            asked,
            result,
            tools=[TOOL],
            tool_choice=_choice(pb.TOOL_CHOICE_MODE_NAMED, "look"),
            reasoning=pb.ReasoningConfig(effort=pb.REASONING_EFFORT_LOW, budget_tokens=9, hide=True),
        ),
        tenant="t",
        new_id="n",
    )
    _, said, returned = request.messages
    assert said.parts == (
        Reasoning(text="hm", model="cloud", opaque=b"sig"),
        ToolCall(id="c1", name="look", arguments_json='{"at": "sea"}'),
    )
    assert isinstance(returned.parts[0], ToolResult)
    assert returned.parts[0].parts[0] == Text("waves")
    assert [part.media_type for part in returned.unreadable_parts] == ["image/png"]
    assert request.config.tools == (
        Tool(name="look", description="Looks.", parameters_json_schema='{"type": "object"}'),
    )
    assert request.config.tool_choice == ToolChoice(mode=ToolChoiceMode.NAMED, name="look")
    assert request.config.reasoning == ReasoningConfig(effort=ReasoningEffort.LOW, budget_tokens=9, hide=True)


def test_a_signed_call_names_its_model() -> None:
    """As a caller gives it back, and as it was given to the caller."""
    call = ToolCall(id="c1", name="look", arguments_json="{}", opaque=b"sig", model="cloud")
    answer = render_message(Message(role=Role.ASSISTANT, parts=(call,)))
    [_, given_back] = parse_request(_of(USER, answer), tenant="t", new_id="n").messages
    assert given_back.parts == (call,)


def test_a_call_without_arguments_has_none() -> None:
    """Unset arguments are an empty object; a result may be empty."""
    request = parse_request(
        _of(USER, _asked(pb.ToolCall(id="c1", name="look")), _result("c1")), tenant="t", new_id="n"
    )
    assert request.messages[1].tool_calls[0].arguments_json == "{}"
    assert request.messages[2].tool_results[0].parts == ()
    assert request.messages[2].role is Role.TOOL


def test_arguments_that_were_marked_are_taken_back() -> None:
    """What a model wrote in place of JSON goes back as it was."""
    call = pb.ToolCall(id="c1", name="look", arguments_json='{"at": ', arguments_invalid=True)
    request = parse_request(_of(USER, _asked(call), RESULT), tenant="t", new_id="n")
    assert request.messages[1].tool_calls[0].arguments_json == '{"at": '


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.booleans(),
)
def test_arguments_mean_the_same_without_escapes(value: object, has_spaces: bool) -> None:
    """Escapes that JSON does not need are gone; the value is the same, and so is a second pass."""
    text = json.dumps(value, indent=1 if has_spaces else None)
    plain = finished(without_needless_escapes(text))
    assert json.loads(plain) == value
    assert finished(without_needless_escapes(plain)) == plain
    assert "\\/" not in plain


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (r'{"a": "\u00e9\/\ud83d\ude00"}', '{"a": "é/😀"}'),
        (r'{"a": "\\u00e9 \" \n \u0000 \u0022"}', r'{"a": "\\u00e9 \" \n \u0000 \u0022"}'),
        ('{"n": 1.10, "m": 12345678901234567890}', '{"n": 1.10, "m": 12345678901234567890}'),
    ],
)
def test_arguments_keep_their_order_and_numbers(written: str, plain: str) -> None:
    """Only needless escapes change: a provider finds its cached prompt again."""
    assert finished(argument_steps("field", written)) == plain


def test_parts_and_tools_count_before_they_are_read() -> None:
    """Limits of tokens a minute see the size of what is sent."""
    with_tools = _tools(pb.Tool(name="look", description="x" * 4000))
    with_image = _user(pb.Part(image=pb.Image(data=b"x" * 4000, media_type="image/png")))
    assert prompt_tokens(with_tools) > prompt_tokens(_of(USER)) + 1000
    assert prompt_tokens(with_image) > prompt_tokens(_of(USER)) + 900
