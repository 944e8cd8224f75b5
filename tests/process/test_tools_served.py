"""A local model calls tools, through the whole gateway and the official clients."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.v1 import gateway_pb2 as pb
from tests.support import anthropic_client, openai_client
from tests.support.constructed_model import constructed
from tests.support.repository import ROOT
from tests.support.served import ANY_PORT, Served, ask, served

TEMPLATE = (
    "{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for m in messages %}<|{{ 'user' if m.role == 'tool' else m.role }}|>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ '<tool_call>' }}"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
    "{{ '</tool_call>' }}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""With calls between tags; the constructed model says a text where it may."""
POLICY = """
version: 1
models:
  edge:
    kind: llama_cpp
    path: {path}
    clearance: restricted
    slots: 2
    context: 2048
    max_tokens: 300
    sampling: {{temperature: 0}}
    {more}
privacy: {{limit_ms: 10000}}
rules: [{{name: default, route: [edge]}}]
resilience: {{attempts: 1, deadline_s: {{default: 60, max: 60}}, first_token_s: 60}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
NATIVE = f"template: |\n      {TEMPLATE}"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"unit": {"enum": ["celsius", "kelvin"]}, "days": {"type": "integer", "maximum": 9}},
    "required": ["unit", "days"],
    "additionalProperties": False,
}
TOOL = pb.Tool(name="weather", description="Tells the weather.", parameters_json_schema=json.dumps(SCHEMA))
QUESTION: Any = {"role": "user", "content": "Hello"}
AGENT = ROOT / "examples" / "agent.py"


def policy(more: str = NATIVE) -> str:
    """Return a policy with one local model, with more keys of it."""
    return POLICY.format(path=constructed(), more=more)


def config(**keys: Any) -> pb.GenerationConfig:
    """Return a configuration that offers the tool."""
    return pb.GenerationConfig(tools=[TOOL], **keys)


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    """A gateway with a real engine whose template has calls."""
    async with served({}, policy=policy(), http=ANY_PORT) as running:
        yield running


def check(arguments: str) -> None:
    """Assert that the arguments follow the schema."""
    found = json.loads(arguments)
    assert found.keys() == {"unit", "days"}
    assert found["unit"] in ("celsius", "kelvin")
    assert found["days"] <= 9


NO_CANNED = pb.Hints(allow_degraded=False)
REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)


async def test_grpc(gateway: Served) -> None:
    """A required call is streamed in pieces; its result goes back; the text of markers is nowhere."""
    pieces: list[pb.ToolCallDelta] = []
    request = ask(config=config(tool_choice=REQUIRED, parallel_tool_calls=False))
    stream = gateway.stub.StreamGenerate(
        pb.StreamGenerateRequest(messages=request.messages, config=request.config)
    )
    async for event in stream:
        if event.delta.HasField("tool_call"):
            pieces.append(event.delta.tool_call)
        assert not event.delta.text
        last = event
    assert last.completed.finish_reason == pb.FINISH_REASON_TOOL_CALLS
    assert (pieces[0].name, {piece.name for piece in pieces[1:]}) == ("weather", {""})
    check("".join(piece.arguments_json for piece in pieces))

    first = await gateway.stub.Generate(request)
    calls = [part.tool_call for part in first.message.parts if part.HasField("tool_call")]
    assert [call.name for call in calls] == ["weather"]
    check(calls[0].arguments_json)
    result = pb.Message(
        role=pb.ROLE_TOOL,
        parts=[pb.Part(tool_result=pb.ToolResult(tool_call_id=calls[0].id, parts=[pb.Part(text="sunny")]))],
    )
    more = pb.GenerateRequest(messages=[*request.messages, first.message, result], config=config())
    second = await gateway.stub.Generate(more)
    assert second.text
    assert second.finish_reason == pb.FINISH_REASON_STOP


async def test_a_choice_of_none_and_of_the_model(gateway: Served) -> None:
    """The tools are in the prompt; without a call the answer is the text that it is without tools."""
    plain = await gateway.stub.Generate(ask())
    for mode in (pb.TOOL_CHOICE_MODE_NONE, pb.TOOL_CHOICE_MODE_AUTO):
        answer = await gateway.stub.Generate(ask(config=config(tool_choice=pb.ToolChoice(mode=mode))))
        assert answer.finish_reason == pb.FINISH_REASON_STOP
        assert answer.usage.prompt_tokens > plain.usage.prompt_tokens
        assert answer.text


async def test_a_call_that_the_limit_cuts(gateway: Served) -> None:
    """It ends with LENGTH, not with a call that could be run."""
    asked = config(tool_choice=REQUIRED, max_tokens=4)
    answer = await gateway.stub.Generate(ask(config=asked))
    assert answer.finish_reason == pb.FINISH_REASON_LENGTH


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ('{"not": {"type": "string"}}', "not"),
        ('{"type": "integer", "minimum": 2, "maximum": 1}', "no value is valid under this schema"),
    ],
    ids=["a keyword", "a grammar that does not compile"],
)
async def test_a_schema_that_cannot_be_held_to(gateway: Served, member: str, said: str) -> None:
    """The refusal names the tool, the keyword and the field, and nothing that the caller wrote."""
    wrong = pb.Tool(
        name="secret_name",
        parameters_json_schema=f'{{"type": "object", "properties": {{"a": {member}}}, "required": ["a"]}}',
    )
    request = ask(config=pb.GenerationConfig(tools=[TOOL, wrong]), hints=NO_CANNED)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await gateway.stub.Generate(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = raised.value.details() or ""
    assert f"config.tools[1].parameters_json_schema: {said}" in details
    assert "secret" not in details


async def test_openai_client(gateway: Served) -> None:
    """Whole and streamed, the call of a named tool."""
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    choice: Any = {"type": "function", "function": {"name": "weather"}}
    keys: Any = {"model": "auto", "messages": [QUESTION], "tools": tools, "tool_choice": choice}
    async with openai_client.client_of(gateway) as client:
        whole = await client.chat.completions.create(**keys, parallel_tool_calls=False)
        assert whole.choices[0].finish_reason == "tool_calls"
        (call,) = whole.choices[0].message.tool_calls or []
        assert call.id.startswith("call_")
        check(call.function.arguments)

        name, arguments, told = "", "", 0
        keys = {**keys, "logprobs": True, "stream_options": {"include_usage": True}}
        stream = await client.chat.completions.create(**keys, parallel_tool_calls=False, stream=True)
        async for chunk in stream:
            told -= chunk.usage.completion_tokens if chunk.usage else 0
            for choice in chunk.choices:
                told += len((choice.logprobs and choice.logprobs.content) or ())
            for delta in (each for choice in chunk.choices for each in choice.delta.tool_calls or []):
                name += delta.function.name or ""
                arguments += delta.function.arguments or ""
        assert (name, arguments) == ("weather", call.function.arguments)
        assert told == 0  # Each token has a log probability, also those that close the call.


async def test_anthropic_client(gateway: Served) -> None:
    """A block of the use of a tool."""
    async with (
        anthropic_client.client_of(gateway) as client,
        client.messages.stream(
            model="claude-x",
            max_tokens=200,
            messages=[QUESTION],
            tools=[{"name": "weather", "input_schema": SCHEMA}],
            tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            extra_body={"model": "auto"},
        ) as stream,
    ):
        answer = await stream.get_final_message()
    (block,) = answer.content
    assert block.type == "tool_use"
    check(json.dumps(block.input))


async def test_the_agent_of_the_examples(gateway: Served) -> None:
    """It offers its tools to the local model, and prints the answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(AGENT), gateway.server.address.target, "Hello"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=60)
    assert (process.returncode, err.decode()) == (0, "")
    assert out.decode().strip()


@pytest.mark.parametrize(
    ("more", "has_tools"),
    [("slots: 1", False), ("tools: true", True), (f"tools: false\n    {NATIVE}", False)],
    ids=["no calls in the template", "asked by the policy", "forbidden by the policy"],
)
async def test_which_models_have_tools(more: str, has_tools: bool) -> None:
    """The template or the policy says so; a model without is refused before it is asked, with the words."""
    text = policy(more).replace("    slots: 2\n", "") if more == "slots: 1" else policy(more)
    async with served({}, policy=text) as gateway:
        asked = config(tool_choice=REQUIRED, parallel_tool_calls=False)
        request = ask(config=asked, hints=NO_CANNED)
        if has_tools:
            answer = await gateway.stub.Generate(request)
            check(answer.message.parts[0].tool_call.arguments_json)
            return
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await gateway.stub.Generate(request)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "edge: no tools" in (raised.value.details() or "")
