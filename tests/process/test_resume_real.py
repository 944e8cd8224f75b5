"""A stream goes on elsewhere through the whole gateway: real gRPC, a simulated provider, a real engine."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway.app.build import running_gateway
from gateway.app.parts import OptionalParts
from gateway.backends.base import Backend
from gateway.domain.address import Address, ListenSettings
from gateway.domain.answer import Chunk
from gateway.errors import StreamTruncated
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from gateway.testing.scripted import ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc

POLICY = """
version: 1
models:
  edge: {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, prefill: true, max_tokens: 32}}
  cloud: {{kind: openai, model: cloud, base_url: "{base_url}", clearance: internal, prefill: true,
          price_per_million_usd: {{input: 1, output: 1}}}}
privacy: {{limit_ms: 10000}}
rules: [{{name: default, route: {route}}}]
resilience: {{recovery: resume, attempts: 1}}
replies: [{{id: sorry, text: "Sorry."}}]
"""


@asynccontextmanager
async def gateway(
    cloud: SimulatedCloud, *, route: str, replaced: Mapping[str, Backend] | None = None
) -> AsyncIterator["pb_grpc.GatewayServiceAsyncStub"]:
    """Run a gateway in front of the provider."""
    policy = parse_policy(POLICY.format(base_url=cloud.base_url, route=route), name="resume.yaml")
    listen = ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0, grace_s=1.0)
    async with (
        running_gateway(
            policy,
            listen=listen,
            state_url="memory:",
            environ={},
            parts=OptionalParts(replaced=replaced or {}),
        ) as server,
        grpc.aio.insecure_channel(server.target) as channel,
    ):
        yield pb_grpc.GatewayServiceStub(channel)


async def ask(stub: "pb_grpc.GatewayServiceAsyncStub") -> tuple[list[str], pb.GenerateResponse]:
    """Stream one answer; return its events in short, and its end."""
    request = pb.StreamGenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content="hello")])
    seen: list[str] = []
    completed = pb.GenerateResponse()
    async for event in stub.StreamGenerate(request, timeout=20.0):
        match event.WhichOneof("event"):
            case "delta":
                seen.append(event.delta.text)
            case "restart":
                seen.append(f"<restart {event.restart.model}>")
            case "completed":
                completed = event.completed
    return seen, completed


async def test_an_engine_goes_on_with_what_a_provider_began() -> None:
    """The engine's words follow the provider's, in one answer that says so."""
    async with SimulatedCloud().serve() as cloud, gateway(cloud, route="[cloud, edge]") as stub:
        cloud.set_fault("cloud", "cut", value=5, times=1)
        seen, completed = await ask(stub)
    assert "".join(seen) == completed.text
    assert completed.text.startswith("This is cloud, a")
    assert len(completed.text) > len("This is cloud, a")
    assert completed.model == "edge"
    assert [(each.model, each.continued) for each in completed.attempts] == [("cloud", False), ("edge", True)]
    # What the provider sent counts towards max_tokens, and so does the prompt with it for the engine.
    assert completed.usage.completion_tokens <= 32 - 5


@pytest.mark.parametrize(
    ("begun", "is_handed_over"),
    [("Write to the office. ", True), ("Write to jane.doe@example.com. ", False)],
    ids=["harmless", "private"],
)
async def test_what_was_answered_at_home_stays_home(begun: str, is_handed_over: bool) -> None:
    """A harmless beginning is handed to the cloud; one in which something private came up is not."""
    edge = ScriptedBackend("edge", [(Chunk(text=begun), StreamTruncated("edge", "cut"))])
    async with (
        SimulatedCloud().serve() as cloud,
        gateway(cloud, route="[edge, cloud]", replaced={"edge": edge}) as stub,
    ):
        seen, completed = await ask(stub)
        bodies = [json.loads(each.body) for each in cloud.received()]
    assert len(bodies) == 1
    assert completed.model == "cloud"
    if is_handed_over:
        assert bodies[0]["messages"][-1] == {"role": "assistant", "content": begun}
        assert "".join(seen) == completed.text
        assert completed.text.startswith(begun)
    else:
        assert "jane" not in json.dumps(bodies)
        assert seen[:2] == [begun, "<restart cloud>"]
        assert completed.text.startswith("This is cloud,")
