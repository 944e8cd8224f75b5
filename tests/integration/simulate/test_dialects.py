"""The recipes of docs/guides/providers.md against the dialect of each provider, and what each refuses."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from ruamel.yaml import YAML

from gateway.domain.answer import FinishReason
from gateway.domain.conversation import (
    Message,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
)
from gateway.domain.request import GenerationConfig
from gateway.errors import (
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendModelMissing,
    BackendOverloaded,
    BackendQuotaUsedUp,
    BackendRateLimited,
    ContentFiltered,
    ContextTooLong,
    StreamTruncated,
)
from gateway.policy.anthropic import AnthropicModel
from gateway.policy.kinds import KINDS
from gateway.policy.openai import OpenAIModel
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud
from tests.support.repository import ROOT
from tests.support.simulated_calls import ask, opened, results_for

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
SYSTEM = Message(role=Role.SYSTEM, content="You are terse.")
HIDDEN = ("openai", "responses", "azure", "gemini")
"""Whose thoughts are counted and not told."""
BLIND = ("gemini", "mistral", "ollama", "vllm")
"""Who say nothing of caches."""


def recipe_of(name: str) -> dict[str, Any]:
    """Return the fields of a recipe for a provider at another host, as they count for its own."""
    fields = RECIPES[name]
    own: dict[str, object] = {}
    match KINDS[str(fields["kind"])].spec.model_validate(fields):
        case OpenAIModel() as spec:
            own = {"reasoning_field": spec.reasoning_form.value, "max_tokens_field": spec.max_tokens_field}
        case AnthropicModel() as spec:
            own = {"thinking": spec.thinks_by}
    return fields | own | {"model": "sim"}


def test_each_dialect_has_a_recipe() -> None:
    """None is missing, none is made up, and each is one of the policy's models."""
    assert sorted(RECIPES) == sorted(DIALECTS)
    for fields in RECIPES.values():
        spec = KINDS[str(fields["kind"])].spec.model_validate(fields)
        assert list(spec.problems()) == []
        assert spec.place == "edge" or spec.token_price is not None


@EACH
@STREAMED
async def test_a_recipe_gets_an_answer_of_its_dialect(name: str, is_streamed: bool) -> None:
    """Text, thoughts and token counts are those that the provider bills, wherever it tells them."""
    stop = () if name == "responses" else ("never said",)  # That API has no stop strings.
    config = GenerationConfig(temperature=0.5, stop=stop, reasoning=THINKING)
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        opened(recipe_of(name), base_url=cloud.base_url) as backend,
    ):
        await ask(backend, SYSTEM, USER, is_streamed=is_streamed, config=config)
        before = cloud.bill().models["sim"]
        reply, _ = await ask(backend, SYSTEM, USER, is_streamed=is_streamed, config=config)
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
        opened(recipe_of(name), base_url=cloud.base_url) as backend,
    ):
        reply, said = await ask(backend, USER, is_streamed=is_streamed, config=config)
        ended, _ = await ask(backend, USER, said, *results_for(said), is_streamed=is_streamed, config=config)
    assert reply.finish_reason is FinishReason.TOOL_CALLS
    assert [(call.name, json.loads(call.arguments_json or "{}")) for call in said.tool_calls] == [
        ("percent_of", {"percent": 12.5, "number": 840}),
        ("today", {}),
    ]
    assert len({call.id for call in said.tool_calls}) == 2
    assert (ended.text, ended.finish_reason) == ("The tools say: result 0; result 1.", FinishReason.STOP)


@EACH
@STREAMED
async def test_a_recipe_takes_over_a_loop_of_tools(name: str, is_streamed: bool) -> None:
    """Calls that another model made, without a thought or a signature, are taken and answered."""
    calls = (
        ToolCall(id="toolu_01AbC", name="percent_of", arguments_json='{"percent":12.5,"number":840}'),
        ToolCall(id="call_89efe2e73673d06b67a49103-longer-than-forty", name="today", arguments_json="{}"),
    )
    thought = Reasoning(text="Let me see.", model="other", opaque=b"c2ln")
    said = Message(role=Role.ASSISTANT, parts=(thought, Text("I look it up."), *calls))
    earlier = (USER, said, *results_for(said), Message(role=Role.ASSISTANT, content="It is 105."), USER)
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        opened(recipe_of(name), base_url=cloud.base_url) as backend,
    ):
        for config in (GenerationConfig(tools=TOOLS, reasoning=THINKING), GenerationConfig(tools=TOOLS)):
            again, _ = await ask(
                backend, *earlier, said, *results_for(said), is_streamed=is_streamed, config=config
            )
            assert again.text == "The tools say: result 0; result 1."


@EACH
async def test_a_refusal_of_each_dialect_is_understood(name: str) -> None:
    """A 400 is a request that the provider refuses, in whichever form the error comes."""
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        opened(recipe_of(name), base_url=cloud.base_url) as backend,
    ):
        cloud.set_fault("sim", "status", value=400)
        with pytest.raises(BackendInvalid):
            await ask(backend, USER, is_streamed=False)


UNKNOWN = {("vllm", "content-filter"), ("vllm", "quota"), ("gemini", "content-filter")}
"""Refusals that a provider does not have."""
SAME_WORDS = {("gemini", "quota"): BackendRateLimited}
"""Refusals that a provider words as another one."""


async def test_azure_has_a_path_for_each_deployment() -> None:
    """With the version of the API in the query, which a policy's `query` gives; without one it is 404."""
    async with SimulatedCloud(dialect=DIALECTS["azure"]).serve() as cloud:
        url = cloud.base_url.removesuffix("/v1") + "/deployments/sim"
        query = {"api-version": "2024-10-21"}
        async with opened({**recipe_of("azure"), "query": query}, base_url=url) as backend:
            reply, _ = await ask(backend, USER, is_streamed=True)
        async with opened(recipe_of("azure"), base_url=url) as backend:
            with pytest.raises(BackendModelMissing):
                await ask(backend, USER, is_streamed=True)
        (asked, _) = cloud.received()
    assert reply.finish_reason is FinishReason.STOP
    assert asked.path == "/openai/deployments/sim/chat/completions?api-version=2024-10-21"
    assert ("api-key", "key-1") in [(name.lower(), value) for name, value in asked.headers]
    assert "authorization" not in [name.lower() for name, _ in asked.headers]


@EACH
@pytest.mark.parametrize("tokens", [0, 2])
async def test_an_error_in_a_stream_of_each_dialect_is_a_failure(name: str, tokens: int) -> None:
    """With status 200: what it is before the first token, a cut stream after it, and never an answer."""
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        opened(recipe_of(name), base_url=cloud.base_url) as backend,
    ):
        cloud.set_fault("sim", "error-event", value=tokens)
        config = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.NONE))
        with pytest.raises(BackendError) as caught:
            await ask(backend, USER, is_streamed=True, config=config)
        assert isinstance(caught.value, StreamTruncated) is (tokens > 0)
        with pytest.raises(BackendFailed):
            await ask(backend, USER, is_streamed=False, config=config)


@EACH
@STREAMED
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("unauthorized", BackendCredentials),
        ("context-too-long", ContextTooLong),
        ("content-filter", ContentFiltered),
        ("quota", BackendQuotaUsedUp),
        ("status=429", BackendRateLimited),
        ("status=529", BackendOverloaded),
        ("status=500", BackendFailed),
    ],
)
async def test_each_refusal_of_each_dialect_is_what_it_is(
    name: str, is_streamed: bool, fault: str, error: type[BackendError]
) -> None:
    """By its status or by its words, in whichever form the provider writes it."""
    if (name, fault) in UNKNOWN:
        pytest.skip("this provider says nothing of the kind before an answer")
    async with (
        SimulatedCloud(dialect=DIALECTS[name]).serve() as cloud,
        opened(recipe_of(name) | {"model": f"sim+{fault}"}, base_url=cloud.base_url) as backend,
    ):
        with pytest.raises(SAME_WORDS.get((name, fault), error)):
            await ask(backend, USER, is_streamed=is_streamed)


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
        ("deepseek", {"messages": HISTORY}, 400),
        ("deepseek", {"messages": HISTORY, "thinking": {"type": "disabled"}}, 200),
        ("mistral", {"logprobs": True}, 200),
        ("mistral", {"top_logprobs": 1, "logprobs": True}, 422),
        ("groq", {"messages": [{"role": "user", "content": "Hi", "name": "ann"}]}, 400),
        ("groq", {"logprobs": True}, 400),
        ("azure", {}, 401),
        ("ollama", {"unheard": 1, "tool_choice": "required"}, 200),
        ("vllm", {"top_k": 3, "messages": HISTORY, "unheard": 1}, 200),
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
