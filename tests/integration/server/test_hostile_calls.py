"""Calls that are left at once, and providers that mean harm: neither takes anything from another tenant."""

import asyncio
from typing import Any

import grpc
import pytest

from gateway.backends.base import Call
from gateway.server.access import TenantRule
from gateway.simulate.server import SimulatedCloud
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.served import ask, served
from tests.support.tenants import PATIENT, USAGE, as_tenant, edge_of

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
HOSTILE_PROVIDER = """
version: 1
models:
  honest: {kind: openai, model: sim, base_url: "BASE_URL", clearance: internal,
           price_per_million_usd: {input: 1, output: 1}}
  hostile: {kind: openai, model: "sim+FAULT", base_url: "BASE_URL", clearance: internal, max_tokens: 50,
            price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: team, when: 'labels["team"] == "x"', route: [hostile]}
  - {name: default, route: [honest]}
resilience: {attempts: 1}
replies: [{id: sorry, text: "Sorry."}]
"""


async def test_calls_that_are_left_at_once_leave_nothing_behind(tenant_of: TenantRule) -> None:
    """Hundreds of calls of every kind, begun and cancelled: none goes on, and another tenant is answered."""

    def script(call: Call) -> Step:
        if call.request.tenant == "eve":
            return [Delay(60.0), reply("late", usage=USAGE)]
        return reply("fine", usage=USAGE)

    large = pb.ExplainRequest.FromString(ask("word " * 10_000).SerializeToString())
    streamed = pb.StreamGenerateRequest.FromString(ask().SerializeToString())
    backends = edge_of(script)
    async with served(backends, policy=PATIENT, tenant_of=tenant_of) as gateway:
        async with grpc.aio.insecure_channel(gateway.server.target, options=OWN_CONNECTION) as channel:
            eve = gateway_pb2_grpc.GatewayServiceStub(channel)
            for number in range(300):
                call: Any = (
                    eve.Generate(ask(), metadata=as_tenant("eve")),
                    eve.StreamGenerate(streamed, metadata=as_tenant("eve")),
                    eve.Explain(large, metadata=as_tenant("eve")),
                )[number % 3]
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                call.cancel()
            # grpc.aio does not tell the server of a call that is cancelled before it was sent, and sends it
            # all the same; the end of the connection tells of those.
        async with grpc.aio.insecure_channel(gateway.server.target, options=OWN_CONNECTION) as channel:
            acme = gateway_pb2_grpc.GatewayServiceStub(channel)
            answer = await acme.Generate(ask(), metadata=as_tenant("acme"), timeout=20)
        await asyncio.wait_for(gateway.calls.wait_idle(), 20)

    assert answer.text == "fine"
    edge = backends["edge"]
    assert isinstance(edge, ScriptedBackend)
    assert len(edge.stopped) == len([call for call in edge.calls if call.request.tenant == "eve"])


@pytest.mark.parametrize("fault", ["bomb", "endless", "absurd-usage"])
async def test_a_hostile_provider_hurts_its_own_calls_only(fault: str, tenant_of: TenantRule) -> None:
    """A bomb, an answer without end, an absurd usage: others are answered and booked meanwhile."""
    async with SimulatedCloud().serve() as cloud:
        policy = HOSTILE_PROVIDER.replace("FAULT", fault).replace("BASE_URL", cloud.base_url)
        async with served({}, policy=policy, tenant_of=tenant_of) as gateway:
            eves = [
                asyncio.ensure_future(
                    gateway.stub.Generate(ask(labels={"team": "x"}), metadata=as_tenant("eve"), timeout=20)
                )
                for _ in range(6)
            ]
            answers = [
                await gateway.stub.Generate(ask(), metadata=as_tenant("acme"), timeout=20) for _ in range(6)
            ]
            theirs = await asyncio.gather(*eves)

    assert {answer.route for answer in answers} == {pb.ROUTE_CLOUD}
    assert all(answer.cost_usd < 0.01 for answer in answers)
    expected = pb.ROUTE_CLOUD if fault == "absurd-usage" else pb.ROUTE_CANNED
    assert {answer.route for answer in theirs} == {expected}
