"""The recipes of docs/guides/providers.md against the dialect of each provider, and what each refuses."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from ruamel.yaml import YAML

from gateway.backends.base import Call
from gateway.backends.openai.backend import CloudBackend
from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.assembly import assembled
from gateway.domain.conversation import (
    Message,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendInvalid
from gateway.policy.model import OpenAIModel
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud
from tests.support.cloud_calls import backend_at
from tests.support.permits import permit_for
from tests.support.repository import ROOT

GUIDE = (ROOT / "docs" / "guides" / "providers.md").read_text(encoding="utf-8")
RECIPES: Mapping[str, dict[str, object]] = {
    name: dict(fields)
    for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    for name, fields in YAML(typ="safe").load(block).items()
}
STREAMED = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
EACH = pytest.mark.parametrize("name", sorted(DIALECTS))
USER = Message(role=Role.USER, content="What is 12.5 % of 840, and which day is it?")
TOOLS = (
    Tool(
        name="percent_of",
        description="Computes a percentage of a number.",
        parameters_json_schema=json.dumps(
            {"type": "object", "properties": {"percent": {"type": "number"}, "number": {"type": "number"}}}
        ),
    ),
    Tool(name="today", description="Says which day it is."),
)
THINKING = ReasoningConfig(effort=ReasoningEffort.LOW)
HIDDEN = ("openai", "azure", "gemini")
"""Whose thoughts are counted and not told."""
BLIND = ("gemini", "mistral", "ollama", "vllm")
"""Who say nothing of caches."""


def recipe_of(name: str) -> dict[str, Any]:
    """Return the fields of a recipe for a provider at another host, as they count for its own."""
    fields = RECIPES[name]
    spec = OpenAIModel.model_validate(fields)
    own = {"reasoning_field": spec.reasoning_form.value, "max_tokens_field": spec.max_tokens_field}
    return {key: value for key, value in fields.items() if key not in ("base_url", "kind", "model")} | own


async def ask(
    backend: CloudBackend, *messages: Message, is_streamed: bool, config: GenerationConfig
) -> tuple[Reply, Message]:
    """Return the answer to messages, and the message to append."""
    request = Request(request_id="request-1", tenant="tenant-1", messages=messages, config=config)
    call = Call(
        request=request,
        max_tokens=200,
        deadline=Deadline.after(30.0, SystemClock()),
        permit=permit_for(request),
    )
    if is_streamed:
        joined = assembled([chunk async for chunk in backend.stream(call)])
    else:
        joined = assembled([(await backend.generate(call)).as_chunk()])
    return joined.reply(), joined.message("cloud")


def test_each_dialect_has_a_recipe() -> None:
    """None is missing, none is made up, and each is one of the policy's models."""
    assert sorted(RECIPES) == sorted(DIALECTS)
    for fields in RECIPES.values():
        spec = OpenAIModel.model_validate(fields)
        assert list(spec.problems()) == []
        assert spec.place == "edge" or spec.price_per_million_usd is not None


@EACH
@STREAMED
async def test_a_recipe_gets_an_answer_of_its_dialect(name: str, is_streamed: bool) -> None:
    """Text, thoughts and token counts are those that the provider bills, wherever it tells them."""
    config = GenerationConfig(temperature=0.5, stop=("never said",), reasoning=THINKING)
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        backend_at(cloud.base_url, **recipe_of(name)) as backend,
    ):
        await ask(backend, USER, is_streamed=is_streamed, config=config)
        before = cloud.bill().models["sim"]
        reply, _ = await ask(backend, USER, is_streamed=is_streamed, config=config)
        after = cloud.bill().models["sim"]
    assert reply.text.startswith("This is sim, a simulated model.")
    assert reply.finish_reason is FinishReason.STOP
    assert bool("".join(thought.text for thought in reply.reasoning)) is (name not in HIDDEN)
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == after.prompt_tokens - before.prompt_tokens
    assert reply.usage.completion_tokens == after.completion_tokens - before.completion_tokens
    cached = after.cached_tokens - before.cached_tokens
    assert cached > 0
    assert reply.usage.cached_prompt_tokens == (0 if name in BLIND else cached)


@EACH
@STREAMED
async def test_a_recipe_gets_through_a_loop_of_tools(name: str, is_streamed: bool) -> None:
    """Two calls are told apart, go back with their results in the provider's form, and are answered."""
    config = GenerationConfig(tools=TOOLS, reasoning=THINKING)
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        backend_at(cloud.base_url, **recipe_of(name)) as backend,
    ):
        reply, said = await ask(backend, USER, is_streamed=is_streamed, config=config)
        results = [
            Message(
                role=Role.TOOL,
                parts=(ToolResult(tool_call_id=call.id, parts=(Text(f"result {i}"),)),),
            )
            for i, call in enumerate(said.tool_calls)
        ]
        ended, _ = await ask(backend, USER, said, *results, is_streamed=is_streamed, config=config)
    assert reply.finish_reason is FinishReason.TOOL_CALLS
    assert [(call.name, json.loads(call.arguments_json or "{}")) for call in said.tool_calls] == [
        ("percent_of", {"percent": 12.5, "number": 840}),
        ("today", {}),
    ]
    assert len({call.id for call in said.tool_calls}) == 2
    assert (ended.text, ended.finish_reason) == ("The tools say: result 0; result 1.", FinishReason.STOP)


@EACH
async def test_a_refusal_of_each_dialect_is_understood(name: str) -> None:
    """A 400 is a request that the provider refuses, in whichever form the error comes."""
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        backend_at(cloud.base_url, **recipe_of(name)) as backend,
    ):
        cloud.set_fault("sim", "status", value=400)
        with pytest.raises(BackendInvalid):
            await ask(backend, USER, is_streamed=False, config=GenerationConfig())


CALL = {"id": "call_1", "type": "function", "function": {"name": "today", "arguments": "{}"}}
HISTORY = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Monday"},
]


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("mistral", {"stream": True, "stream_options": {"include_usage": True}}, 422),
        ("mistral", {"messages": HISTORY}, 400),
        ("gemini", {"messages": HISTORY}, 400),
        ("gemini", {"logit_bias": {}}, 400),
        ("deepseek", {"messages": HISTORY, "reasoning_effort": "low"}, 400),
        ("deepseek", {"messages": HISTORY}, 200),
        ("groq", {"messages": [{"role": "user", "content": "Hi", "name": "ann"}]}, 400),
        ("groq", {"logprobs": True}, 400),
        ("azure", {}, 401),
        ("ollama", {"unheard": 1, "tool_choice": "required"}, 200),
        ("vllm", {"top_k": 3, "messages": HISTORY}, 200),
        ("openai", {"top_k": 3}, 400),
    ],
)
async def test_a_dialect_refuses_what_its_provider_refuses(
    name: str, fields: dict[str, object], status: int
) -> None:
    """What one takes another answers 400 to; without these a recipe would pass for nothing."""
    body = {"model": "sim", "messages": [{"role": "user", "content": "Hi"}], **fields}
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        aiohttp.ClientSession() as http,
        http.post(f"{cloud.base_url}/chat/completions", json=body) as response,
    ):
        assert response.status == status
        await response.json()
