"""Escalation on real parts: an engine's own logits decide whether the simulated provider is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.app.build import running_gateway
from gateway.client.channel import GatewayClient
from gateway.domain.address import Address, ListenSettings
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb

POLICY = """\
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted,
          escalate: {below: %s, window_tokens: 5%s}}
  cloud: {kind: openai, model: sim, base_url: "%s", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [edge, cloud]}]
replies: [{id: sorry, text: x}]
"""
QUESTION = pb.GenerateRequest(
    messages=[pb.Message(role=pb.ROLE_USER, content="What is a hash table?")],
    config=pb.GenerationConfig(temperature=0.0, max_tokens=40),
)
PRIVATE = pb.GenerateRequest(
    messages=[pb.Message(role=pb.ROLE_USER, content="The card is 4111 1111 1111 1111")],
    config=QUESTION.config,
)


@asynccontextmanager
async def gateway_with(below: float, also: str = "") -> AsyncIterator[tuple[GatewayClient, SimulatedCloud]]:
    """Run a gateway whose edge answers only what it is that sure of."""
    async with (
        SimulatedCloud().serve() as cloud,
        running_gateway(
            parse_policy(POLICY % (below, also, cloud.base_url), name="p"),
            listen=ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0),
            state_url="memory:",
            environ={},
        ) as server,
        GatewayClient(server.target) as client,
    ):
        yield client, cloud


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_the_threshold_decides_who_answers(is_streamed: bool) -> None:
    """From 0 the edge is always sure, from 1 never; what was dropped is told, and no word of it is shown."""
    for below, route in ((0.0, pb.ROUTE_LOCAL), (1.0, pb.ROUTE_CLOUD)):
        async with gateway_with(below) as (client, _):
            shown = ""
            if is_streamed:
                async for event in client.stream(QUESTION, timeout_s=20.0):
                    shown += event.delta.text
                    answer = event.completed
            else:
                answer = await client.generate(QUESTION, timeout_s=20.0)
                shown = answer.text

            assert answer.route == route
            assert shown == answer.text
            if route == pb.ROUTE_CLOUD:
                dropped = answer.attempts[0]
                assert (dropped.model, dropped.reason) == ("edge", pb.REASON_LOW_CONFIDENCE)
                assert dropped.completion_tokens == 5
                assert dropped.prompt_tokens > 5


async def test_what_may_not_leave_is_answered_at_home() -> None:
    """However unsure the edge is: the provider is not in the chain, so it is not asked."""
    async with gateway_with(1.0) as (client, cloud):
        answer = await client.generate(PRIVATE, timeout_s=20.0)

        assert answer.route == pb.ROUTE_LOCAL
        assert not cloud.received()


@pytest.mark.parametrize(("temperature", "route"), [(0.01, pb.ROUTE_LOCAL), (2.0, pb.ROUTE_CLOUD)])
async def test_samples_of_the_same_model_decide(temperature: float, route: "pb.Route.ValueType") -> None:
    """Drawn almost greedily they say the same again, drawn wildly they do not; their tokens are told."""
    also = f", agreement: {{temperature: {temperature}, min_agreement: 1.0, window_ms: 20000}}"
    asked = pb.GenerateRequest(
        messages=[pb.Message(role=pb.ROLE_USER, content="What is 417 times 385?")],
        config=pb.GenerationConfig(temperature=0.0, max_tokens=40, seed=7),
    )
    async with gateway_with(0.0, also) as (client, _):
        answer = await client.generate(asked, timeout_s=60.0)

        assert answer.route == route
        edge = answer.attempts[0]
        assert edge.model == "edge"
        assert 2 <= edge.usage.sample_tokens <= 64
        assert (edge.reason == pb.REASON_LOW_CONFIDENCE) == (route == pb.ROUTE_CLOUD)
        if route == pb.ROUTE_LOCAL:
            assert answer.usage.sample_tokens == edge.usage.sample_tokens
