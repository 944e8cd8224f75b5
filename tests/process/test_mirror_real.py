"""Second answers on real parts: an engine, a simulated provider, a ledger on disk, and a caller over gRPC."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.app.build import running_gateway
from gateway.app.parts import OptionalParts
from gateway.cli.app import run
from gateway.client.channel import GatewayClient
from gateway.client.prompt import prompt
from gateway.clock import SystemClock
from gateway.domain.address import Address, ListenSettings
from gateway.ledger.open import open_ledger
from gateway.offline.recorded_outcomes import recorded_outcomes
from gateway.policy.loading.load import parse_policy
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from tests.support.waiting import until

POLICY = """\
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 40}
  cloud: {kind: openai, model: sim, base_url: "%s", clearance: internal, max_tokens: 60,
          price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: team, when: '"team" in labels', route: [cloud, edge]}
  - {name: default, route: [edge, cloud]}
replies: [{id: sorry, text: x}]
mirror: {share: 1.0, max_usd_per_day: %s}
"""
QUESTION = "What is a quibberflax?"
PRIVATE = "Mail jane.roe@example.org about the zorbelnut"
SCHEMA = '{"type": "object", "properties": {"ok": {"const": true}}, "required": ["ok"]}'


def lines_of(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return the records of a kind."""
    return [line for line in map(json.loads, path.read_text().splitlines()) if line["kind"] == kind]


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedCloud]:
    """A provider that answers, bills and remembers."""
    async with SimulatedCloud({"sim": SimulatedPrice(input=Decimal(1), output=Decimal(1))}).serve() as cloud:
        yield cloud


async def test_edge_and_cloud_answer_the_same_request(provider: SimulatedCloud, tmp_path: Path) -> None:
    """Both ways, by a schema and by a judge; bill and ledger agree, and no word is in the records."""
    path, state_url = tmp_path / "d.jsonl", f"sqlite://{tmp_path / 'ledger.db'}"
    policy = parse_policy(POLICY % (provider.base_url, "1.0"), name="p")
    asked = (
        prompt(QUESTION, temperature=0.0),
        prompt(QUESTION, labels={"team": "x"}, temperature=0.0),
        pb.GenerateRequest(
            messages=prompt(QUESTION).messages,
            config=pb.GenerationConfig(json_schema=SCHEMA, temperature=0.0),
        ),
        prompt(PRIVATE),
    )
    listen = ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0)
    answers = []
    async with (
        running_gateway(
            policy,
            listen=listen,
            state_url=state_url,
            environ={},
            parts=OptionalParts(records=Records(path, clock=SystemClock())),
        ) as server,
        GatewayClient(server.target) as client,
    ):
        for count, request in enumerate(asked, start=1):
            answers.append(await client.generate(request, timeout_s=30.0))
            drawn = min(count, 3)
            await until(lambda drawn=drawn: len(lines_of(path, "outcome")) == drawn)  # type: ignore[misc]

    routes = [answer.route for answer in answers]
    assert routes == [pb.ROUTE_LOCAL, pb.ROUTE_CLOUD, pb.ROUTE_LOCAL, pb.ROUTE_LOCAL]
    outcomes = lines_of(path, "outcome")
    assert [(line["how"], line["weak"], line["strong"]) for line in outcomes] == [
        ("judge", 0.0, 1.0), ("judge", 0.0, 1.0), ("json", 1.0, 1.0),
    ]  # fmt: skip
    assert [[each["model"] for each in line["attempts"]] for line in outcomes] == [
        ["cloud", "cloud"], ["edge", "cloud"], ["cloud"],
    ]  # fmt: skip
    spent = sum(line["cost_usd_nanos"] for kind in ("request", "outcome") for line in lines_of(path, kind))
    assert spent == provider.bill().billed_usd_nanos > 0
    ledger = open_ledger(state_url)
    totals = await ledger.totals()
    await ledger.aclose()
    # The ledger has what a budget counts: here the day's cap, and so second answers alone.
    assert totals.settled_usd_nanos == sum(line["cost_usd_nanos"] for line in outcomes)
    sent = b"".join(received.raw() for received in provider.received())
    assert (b"quibberflax" in sent, b"zorbelnut" in sent) == (True, False)
    assert not any(word in path.read_text() for word in ("quibberflax", "zorbelnut", "simulated", "jane"))
    assert len(recorded_outcomes(lambda: read_lines(path)).mirrored) == 3
    assert run(["records", "verify", str(path)]) == 0


async def test_the_day_ends_at_its_cap(provider: SimulatedCloud, tmp_path: Path) -> None:
    """However many are drawn: what second answers cost stays under the cap, and callers are answered on."""
    path, cap_usd_nanos = tmp_path / "d.jsonl", 600_000
    policy = parse_policy(POLICY % (provider.base_url, cap_usd_nanos / 1e9), name="p")
    async with (
        running_gateway(
            policy,
            listen=ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0),
            state_url=f"sqlite://{tmp_path / 'ledger.db'}",
            environ={},
            parts=OptionalParts(records=Records(path, clock=SystemClock())),
        ) as server,
        GatewayClient(server.target) as client,
    ):
        sent = -1
        while sent < len(provider.received()):
            sent = len(provider.received())
            for _ in range(10):
                answer = await client.generate(prompt(QUESTION, temperature=0.0), timeout_s=30.0)
                assert answer.route == pb.ROUTE_LOCAL
        await until(lambda: all(task.get_name() != "second answer" for task in asyncio.all_tasks()))
    costs = [line["cost_usd_nanos"] for line in lines_of(path, "outcome")]
    assert 0 < sum(costs) == provider.bill().billed_usd_nanos <= cap_usd_nanos
    assert {line["how"] for line in lines_of(path, "outcome")} <= {"judge", "budget", "busy"}
