"""A request is checked in steps, none of which holds the event loop for long, and counts come before them."""

import json
import sys
from types import FrameType

import pytest

from gateway.domain.text.schema_bounds import ON_THE_WIRE
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Slices, finished
from gateway.server.grpc.wire import AnyRequest, parse_request, prompt_tokens, request_steps
from gateway.server.validation.json_text import ARGUMENTS as ARGUMENT_BOUNDS
from gateway.v1 import gateway_pb2 as pb
from tests.support.growth import grows_linearly

USER = pb.Message(role=pb.ROLE_USER, content="hello")
SCHEMA = json.dumps({"enum": [f"word {n}" for n in range(1000)]})
ARGUMENTS = json.dumps({"rows": [[]] * 10_000})
TOOLS = pb.GenerationConfig(
    tools=[pb.Tool(name=f"t{n}", parameters_json_schema=SCHEMA) for n in range(128)], json_schema=SCHEMA
)
CALLS = pb.Message(
    role=pb.ROLE_ASSISTANT,
    parts=[
        pb.Part(tool_call=pb.ToolCall(id=f"c{n}", name="look", arguments_json=ARGUMENTS)) for n in range(20)
    ],
)
PARTS = [pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text="x")] * 1024)] * 20


ESCAPED = pb.Message(
    role=pb.ROLE_ASSISTANT,
    parts=[
        pb.Part(tool_call=pb.ToolCall(id="c", name="look", arguments_json='{"a": "%s"}' % (r"\/" * 100_000)))
    ],
)


def _sizes(message: AnyRequest) -> list[int]:
    return list(request_steps(message, tenant="t", new_id="n"))


@pytest.mark.parametrize(
    ("message", "least", "most"),
    [
        (pb.GenerateRequest(messages=[USER], config=TOOLS), 129 * len(SCHEMA), len(SCHEMA) + 100),
        (pb.GenerateRequest(messages=[CALLS]), 20 * len(ARGUMENTS), len(ARGUMENTS) + 100),
        (pb.GenerateRequest(messages=PARTS), 20 * 1024, 64 * 1024),
        (pb.GenerateRequest(messages=[USER] * 1024), 1024, 1024),
    ],
    ids=["schemas", "arguments", "parts", "messages"],
)
def test_each_schema_and_message_is_a_step(message: AnyRequest, least: int, most: int) -> None:
    """Its size is said before it is taken, so that no slice holds more than one large one."""
    sizes = _sizes(message)
    assert sum(sizes) >= least
    assert max(sizes) <= most < ON_THE_WIRE.max_bytes


def test_escapes_of_one_call_are_read_in_steps() -> None:
    """A megabyte of them takes the event loop a tenth of a second: half a million would be one step else."""
    message = pb.GenerateRequest(messages=[ESCAPED])
    sizes = _sizes(message)
    assert len(sizes) > 100
    assert sorted(sizes)[-2] < 16 * 1024
    parsed = parse_request(message, tenant="t", new_id="n")
    assert parsed.messages[0].tool_calls[0].arguments_json == '{"a": "%s"}' % ("/" * 100_000)


def test_all_steps_together_are_the_check() -> None:
    """Slices change when it is done, never what comes of it."""
    message = pb.GenerateRequest(messages=[USER, CALLS], config=TOOLS)
    slices = Slices(request_steps(message, tenant="t", new_id="n"))
    slices.begin(0)
    count = 0
    while not slices.ended:
        slices.take(0)
        count += 1
    assert count > 128 + 20
    assert slices.ended == [parse_request(message, tenant="t", new_id="n")]
    assert slices.ended == [finished(request_steps(message, tenant="t", new_id="n"))]


def _result(size: int) -> pb.Message:
    result = pb.ToolResult(tool_call_id="c1", parts=[pb.Part(text="x")] * size)
    return pb.Message(role=pb.ROLE_TOOL, parts=[pb.Part(tool_result=result)])


MANY = 100_000
COUNTED = {
    "messages": pb.GenerateRequest(messages=[USER] * MANY),
    "messages[0].parts": pb.GenerateRequest(
        messages=[pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text="x")] * MANY)]
    ),
    "messages[0].parts[0].tool_result.parts": pb.GenerateRequest(messages=[_result(MANY)]),
    "labels": pb.GenerateRequest(messages=[USER], labels={f"k{n}": "v" for n in range(MANY)}),
    "config.stop": pb.GenerateRequest(messages=[USER], config=pb.GenerationConfig(stop=["x"] * MANY)),
    "config.tools": pb.GenerateRequest(
        messages=[USER], config=pb.GenerationConfig(tools=[pb.Tool(name="x")] * MANY)
    ),
    "config.logit_bias": pb.GenerateRequest(
        messages=[USER], config=pb.GenerationConfig(logit_bias=dict.fromkeys(range(MANY), 1.0))
    ),
}


@pytest.mark.parametrize("field", COUNTED)
def test_what_is_too_many_is_counted_before_it_is_read(field: str) -> None:
    """To read a hundred thousand parts would take the event loop a tenth of a second."""
    called = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        with pytest.raises(InvalidRequest) as caught:
            parse_request(COUNTED[field], tenant="t", new_id="n")
    finally:
        sys.setprofile(None)
    assert caught.value.field == field
    assert called < MANY / 100


def test_a_prompt_of_many_parts_is_estimated_by_its_size() -> None:
    """Before any of it is counted: by the bytes of each message."""
    assert prompt_tokens(COUNTED["messages[0].parts"]) >= MANY


def test_values_and_levels_are_counted_in_linear_time() -> None:
    """Half a million brackets take milliseconds, and so do quotes in a string that has no end."""
    assert grows_linearly(lambda size: ARGUMENT_BOUNDS.problem('{"a":"' + '\\"' * size), 100_000)
    assert grows_linearly(lambda size: ARGUMENT_BOUNDS.problem("[]," * size), 100_000)
    assert ARGUMENT_BOUNDS.problem('{"é[[[":' + "[" * 63 + "]" * 63 + "}") == ""
    assert ARGUMENT_BOUNDS.problem('{"a":' + "[" * 64 + "]" * 64 + "}") == "is nested deeper than 64"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("]" * 100_000, "is not JSON"),
        ('{"]": 1}}', "is not JSON"),
        ('{"]]": [1, {"}": 2}]}', ""),
        ("[" + "9" * 400 + "]", ""),
        ("[" + "9" * 401 + "]", "has a number of more than 400 digits"),
        ('{"' + "9" * 401 + '": 1}', ""),
        ("[" + "1," * 32_767 + "1]", ""),
        ("[" + "1," * 32_768 + "1]", "has more than 32768 values"),
    ],
)
def test_what_would_take_long_to_read_is_not_read(text: str, problem: str) -> None:
    """Brackets that close nothing, numbers that take the square of their digits, too many values."""
    assert ARGUMENT_BOUNDS.problem(text) == problem
