"""A conversation that is too long is shortened for the model that it is too long for, and that is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.domain.address import Address
from gateway.domain.conversation import Text
from gateway.domain.request import Request
from gateway.domain.strings import estimate_prompt_tokens, strings_of
from gateway.records.writer import Records
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.served import served

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, context: 4096, tools: true}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal, context: 100000,
          price_per_million_usd: {input: 1, output: 1}}
  masking: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public, mask: [EMAIL],
            context: 6000, price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: local,  when: 'labels.to == "edge"',   route: [edge], context: {trim: tool_results}}
  - {name: whole,  when: 'labels.to == "whole"',  route: [edge]}
  - {name: cheap,  when: 'labels.to == "cheap"',  route: [cloud], context: {trim: oldest, above_tokens: 2000}}
  - {name: masked, when: 'labels.to == "masked"', route: [masking], context: {trim: tool_results}}
  - {name: rest, route: [cloud, edge], context: {trim: tool_results}}
replies: [{id: sorry, text: "Sorry."}]
"""
CARD = "my card is 4111 1111 1111 1111"
ADDRESS = "jane.roe@example.org"


def messages(*results: str, question: str = "And now?") -> Iterator[pb.Message]:
    """Yield a conversation in which a model called a tool for each result."""
    yield pb.Message(role=pb.ROLE_SYSTEM, content="Be brief.")
    yield pb.Message(role=pb.ROLE_USER, content="Look at all of them.")
    for number, text in enumerate(results):
        call = pb.ToolCall(id=f"call-{number}", name="look", arguments_json="{}")
        yield pb.Message(role=pb.ROLE_ASSISTANT, parts=[pb.Part(tool_call=call)])
        result = pb.ToolResult(tool_call_id=call.id, parts=[pb.Part(text=text)])
        yield pb.Message(role=pb.ROLE_TOOL, parts=[pb.Part(tool_result=result)])
    yield pb.Message(role=pb.ROLE_USER, content=question)


def asked(to: str, *results: str) -> pb.GenerateRequest:
    """Return a request that a rule sends to some models."""
    tool = pb.Tool(name="look", description="Look at a thing.")
    config = pb.GenerationConfig(tools=[tool], max_tokens=100)
    return pb.GenerateRequest(messages=[*messages(*results)], config=config, labels={"to": to})


def long_result(number: int, *, middle: str = "") -> str:
    """Return a result of some 800 tokens."""
    return f"result {number}: {'word ' * 320}{middle} {'word ' * 320}end {number}"


def backends() -> dict[str, ScriptedBackend]:
    """Return models that answer the same."""
    return {name: ScriptedBackend(name, [reply("Fine.")]) for name in ("edge", "cloud", "masking")}


def sent_to(backend: ScriptedBackend) -> Request:
    """Return what the model was sent in its only call."""
    (call,) = backend.calls
    return call.request if call.permit is None else call.permit.request


async def test_the_edge_is_sent_what_fits(tmp_path: Path) -> None:
    """The decision and the record tell how much less; without the rule's word nothing is left out."""
    models, path = backends(), tmp_path / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    results = [long_result(number) for number in range(10)]
    async with served(models, policy=POLICY, records=records) as gateway:
        answered = await gateway.stub.Generate(asked("edge", *results))
        refused = await gateway.stub.Generate(asked("whole", *(results * 2)))

    (trimmed,) = answered.decision.trimmed
    assert (answered.model, trimmed.model) == ("edge", "edge")
    assert trimmed.messages > 3
    request = sent_to(models["edge"])
    assert estimate_prompt_tokens(request) < 3072
    assert request.messages[-1].text == "And now?"
    assert [part.text for part in request.messages[-2].tool_results[0].parts if isinstance(part, Text)] == [
        results[-1]
    ]
    first, second = (json.loads(line) for line in path.read_text().splitlines()[-2:])
    assert first["decision"]["trimmed"] == {"edge": {"messages": trimmed.messages, "tokens": trimmed.tokens}}
    assert second["decision"]["trimmed"] == {}
    assert refused.degraded.reason == pb.REASON_CONTEXT_LENGTH_EXCEEDED
    assert not refused.decision.trimmed


async def test_what_cannot_become_short_enough_is_refused() -> None:
    """The last results stay whole, so that such a conversation gets the reason and no model."""
    async with served(backends(), policy=POLICY) as gateway:
        answered = await gateway.stub.Generate(asked("edge", *(["word " * 8_000] * 3)))

    assert answered.degraded.reason == pb.REASON_CONTEXT_LENGTH_EXCEEDED
    assert [each.model for each in answered.decision.refused] == ["edge"]


async def test_the_class_is_that_of_the_whole() -> None:
    """A card in what is left out keeps the conversation home; the cloud is sent nothing."""
    models = backends()
    results = [long_result(0, middle=CARD), *(long_result(number) for number in range(1, 10))]
    async with served(models, policy=POLICY) as gateway:
        answered = await gateway.stub.Generate(asked("rest", *results))

    assert answered.decision.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
    assert (answered.model, models["cloud"].calls) == ("edge", [])
    assert not any(CARD in each.text for each in strings_of(sent_to(models["edge"])))


@pytest.mark.parametrize("lead", range(0, 40, 3))
async def test_no_half_of_a_value_is_sent(lead: int) -> None:
    """A value is masked in the whole result, wherever that is cut: at its beginning, middle or end."""
    models = backends()
    head = f"{'x' * (265 + lead)} {ADDRESS} {'word ' * 640}"
    results = [head, *(long_result(number) for number in range(9))]
    async with served(models, policy=POLICY) as gateway:
        answered = await gateway.stub.Generate(asked("masked", *results))

    assert answered.model == "masking"
    assert answered.decision.masked
    (trimmed,) = answered.decision.trimmed
    assert trimmed.model == "masking"
    assert not any(
        "jane" in each.text or "roe" in each.text for each in strings_of(sent_to(models["masking"]))
    )


async def test_a_number_of_tokens_saves_money_where_it_would_fit() -> None:
    """The cloud is sent less of what fits it; the ledger reserves and the caller pays for what is sent."""
    models = backends()
    results = [long_result(number) for number in range(20)]
    async with served(models, policy=POLICY, http=Address("127.0.0.1", 0)) as gateway:
        answered = await gateway.stub.Generate(asked("cheap", *results))
        async with (
            aiohttp.ClientSession() as client,
            client.post(
                f"{gateway.http_url}/v1/chat/completions",
                json={"model": "auto", "messages": [*chat_messages(results)]},
                headers={"x-gateway-label-to": "cheap", "x-gateway-decision": "true"},
            ) as response,
        ):
            header = response.headers["x-gateway-trimmed"]
            told = (await response.json())["gateway"]["decision"]["trimmed"]

    (trimmed,) = answered.decision.trimmed
    assert trimmed.tokens > 10_000
    assert told == [{"model": "cloud", "messages": trimmed.messages, "tokens": trimmed.tokens}]
    assert header == f"messages={trimmed.messages}, tokens={trimmed.tokens}"


def chat_messages(results: list[str]) -> Iterator[dict[str, object]]:
    """Yield the same conversation as the API of OpenAI has it."""
    for message in messages(*results):
        if message.role == pb.ROLE_ASSISTANT:
            call = message.parts[0].tool_call
            function = {"name": call.name, "arguments": call.arguments_json}
            yield {
                "role": "assistant",
                "tool_calls": [{"id": call.id, "type": "function", "function": function}],
            }
        elif message.role == pb.ROLE_TOOL:
            result = message.parts[0].tool_result
            yield {"role": "tool", "tool_call_id": result.tool_call_id, "content": result.parts[0].text}
        else:
            yield {
                "role": pb.Role.Name(message.role).removeprefix("ROLE_").lower(),
                "content": message.content,
            }
