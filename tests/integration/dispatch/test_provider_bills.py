"""An agent's conversation with tools and thoughts: what is booked is what a provider bills, by each API.

The prices tell apart what was read from a cache and what was written to one.
"""

from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from gateway.app.build import running_gateway
from gateway.domain.address import Address, ListenSettings
from gateway.ledger.open import open_ledger
from gateway.policy.loading.load import parse_policy
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc

POLICY = """
version: 1
models:
  cloud: {{{keys}, model: sim, base_url: "{base_url}", clearance: internal, max_tokens: 4000,
          price_per_million_usd: {{input: 3, output: 15, cached_input: 0.3007, cache_write: 3.7501}}}}
privacy: {{limit_ms: 10000}}
budgets: [{{name: all-spend, per: all, limit_usd: 10, window: month}}]
rules: [{{name: default, route: [cloud]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""
PRICE = SimulatedPrice(
    input=Decimal(3), output=Decimal(15), cached_input=Decimal("0.3007"), cache_write=Decimal("3.7501")
)
KEYS = {
    "openai": "kind: openai, tools: true, reasoning: true",
    "responses": "kind: openai, api: responses, tools: true, custom_tools: true, reasoning: true",
    "anthropic": "kind: anthropic, thinking: budget, api_key_env: KEY",
}
TOOLS = [
    pb.Tool(name="count", description="Counts the files.", parameters_json_schema='{"type": "object"}'),
    pb.Tool(name="note", description="Takes a note.", kind=pb.TOOL_KIND_CUSTOM),
]


class Agent:
    """Speaks with the gateway, and does what the model asks for."""

    def __init__(self, stub: "pb_grpc.GatewayServiceAsyncStub") -> None:
        self._stub = stub
        self.messages = [pb.Message(role=pb.ROLE_SYSTEM, content="You keep a house in order.")]
        self.usages: list[pb.Usage] = []

    async def ask(self, text: str, *, tools: list[pb.Tool], is_streamed: bool) -> str:
        """Say something, run the tools that are called, and return the answer."""
        self.messages.append(pb.Message(role=pb.ROLE_USER, content=text))
        while True:
            answer = await self._answer(tools, is_streamed=is_streamed)
            self.usages.append(answer.usage)
            self.messages.append(answer.message)
            calls = [part.tool_call for part in answer.message.parts if part.HasField("tool_call")]
            if not calls:
                return answer.text
            results = [
                pb.ToolResult(tool_call_id=call.id, parts=[pb.Part(text=f"done {call.name}")])
                for call in calls
            ]
            parts = [pb.Part(tool_result=result) for result in results]
            self.messages.append(pb.Message(role=pb.ROLE_TOOL, parts=parts))

    async def _answer(self, tools: list[pb.Tool], *, is_streamed: bool) -> pb.GenerateResponse:
        config = pb.GenerationConfig(
            tools=tools, reasoning=pb.ReasoningConfig(effort=pb.REASONING_EFFORT_LOW)
        )
        request = pb.GenerateRequest(messages=self.messages, config=config)
        if not is_streamed:
            return await self._stub.Generate(request, timeout=30.0)
        streamed = pb.StreamGenerateRequest.FromString(request.SerializeToString())
        async for event in self._stub.StreamGenerate(streamed, timeout=30.0):
            if event.WhichOneof("event") == "completed":
                return event.completed
        raise AssertionError("a stream ended well without `completed`")


@pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])
@pytest.mark.parametrize("name", list(KEYS))
async def test_an_agents_conversation_is_booked_as_it_is_billed(
    name: str, is_streamed: bool, tmp_path: Path
) -> None:
    """To the nano-dollar, with most of each prompt read from the cache, thoughts given back, and both kinds
    of tools where the API has them."""
    tools = TOOLS if name != "openai" else TOOLS[:1]
    ledger_url = f"sqlite://{tmp_path / 'ledger.db'}"
    async with SimulatedCloud({"sim": PRICE}, dialect=DIALECTS[name]).serve() as cloud:
        policy = parse_policy(POLICY.format(keys=KEYS[name], base_url=cloud.base_url), name="bills.yaml")
        async with (
            running_gateway(
                policy,
                listen=ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0, grace_s=1.0),
                state_url=ledger_url,
                environ={"KEY": "key-1"},
            ) as server,
            grpc.aio.insecure_channel(server.target) as channel,
        ):
            agent = Agent(pb_grpc.GatewayServiceStub(channel))
            said = [
                await agent.ask(
                    f"Count the files, round {i}, and take a note of it", tools=tools, is_streamed=is_streamed
                )
                for i in range(4)
            ]
        bill = cloud.bill().models["sim"]
    notes = "" if name == "openai" else "; done note"
    assert said == [f"The tools say: done count{notes}."] * 4
    ledger = open_ledger(ledger_url)
    totals = await ledger.totals()
    await ledger.aclose()
    assert (totals.settled_usd_nanos, totals.unknown_usd_nanos) == (bill.billed_usd_nanos, 0)
    assert bill.requests == len(agent.usages) == 8
    assert sum(usage.prompt_tokens for usage in agent.usages) == bill.prompt_tokens
    assert sum(usage.cached_prompt_tokens for usage in agent.usages) == bill.cached_tokens
    assert sum(usage.cache_write_tokens for usage in agent.usages) == bill.cache_write_tokens
    assert sum(usage.reasoning_tokens for usage in agent.usages) == bill.reasoning_tokens == 8 * 8
    assert bill.cached_tokens > bill.prompt_tokens // 2
    assert bill.cache_write_tokens > 0
