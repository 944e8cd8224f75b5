"""Three gateways with one Redis behind a real Envoy, as `deploy/cluster/envoy.yaml` has it, under load.

One gateway is killed and comes back, one drains and comes back, Redis is restarted, and a new policy is taken
by all, while callers ask through one connection. Then the books of all sides are compared.
"""

import asyncio
import json
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from gateway.cli.app import run
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed
from gateway.client.prompt import prompt
from gateway.ledger.accounts import Totals
from gateway.ledger.open import open_ledger
from gateway.policy.loading.load import load_policy
from gateway.records.reading import read_lines
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from tests.support.chaos_parts import Gateway
from tests.support.npm_packages import Unavailable
from tests.support.peer_packages import installed_envoy
from tests.support.ports import free_address
from tests.support.redis_server import RedisServer, running_redis
from tests.support.repository import ROOT

CONFIG = ROOT / "deploy" / "cluster" / "envoy.yaml"
CAP_USD_NANOS = 20_000_000
"""Of all spend: the load passes it, so that at the end the cap holds or does not."""
POLICY = """
version: 1
models:
  edge: {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 24}}
  cloud: {{kind: openai, model: sim, base_url: "{base_url}", clearance: internal, max_tokens: 64,
          price_per_million_usd: {{input: 0.25, output: 2.00}}}}
budgets: [{{name: all, per: all, limit_usd: 0.02, window: month}}]
rules:
  - {{name: first, route: [cloud, edge]}}
resilience: {{attempts: 2}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
PRICE = SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))
CALLERS = 6
DEADLINE_S = 20.0
PATIENCE_S = 120.0
CARD = "My card number is 4111 1111 1111 1111, please keep it."
SESSION = "the-conversation-of-this-test"


@dataclass
class Load:
    """Callers who ask through one connection, every second one for a stream, and what came of it."""

    client: GatewayClient
    ended: list[tuple[float, float, str]] = field(default_factory=list)
    """Of each call its begin, its end and its code; OK for a whole answer."""
    goes_on: bool = True

    async def run(self, number: int) -> None:
        """Ask until it is told to stop."""
        while self.goes_on:
            began_s = time.monotonic()
            code = await self._code_of(is_streamed=number % 2 == 0)
            self.ended.append((began_s, time.monotonic(), code))

    async def more(self, calls: int) -> None:
        """Return when so many further calls have ended."""
        wanted = len(self.ended) + calls
        await until(lambda: len(self.ended) >= wanted)

    def failed(self, *, since_s: float) -> list[tuple[float, float, str]]:
        """Return the calls that failed and ended after a moment."""
        return [each for each in self.ended if each[1] >= since_s and each[2] != "OK"]

    async def _code_of(self, *, is_streamed: bool) -> str:
        request = prompt("What is a hash table?")
        try:
            if not is_streamed:
                await self.client.generate(request, timeout_s=DEADLINE_S)
                return "OK"
            async with self.client.stream(request, timeout_s=DEADLINE_S) as events:
                kinds = [event.WhichOneof("event") async for event in events]
            return "OK" if kinds[-1] == "completed" else "CUT"
        except CallFailed as error:
            return str(error.code)


@dataclass
class Cluster:
    """What runs."""

    gateways: list[Gateway]
    target: str
    """Of Envoy."""
    admin: str
    redis: RedisServer
    cloud: SimulatedCloud
    policy: Path
    load: Load

    async def healthy(self, count: int) -> None:
        """Return when Envoy sends calls to so many gateways."""

        async def is_so() -> bool:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://{self.admin}/clusters?format=json") as response,
                ):
                    clusters = {
                        each["name"]: each for each in json.loads(await response.read())["cluster_statuses"]
                    }
            except aiohttp.ClientConnectionError:
                return False  # It has not started yet.
            hosts = clusters["grpc"].get("host_statuses", [])
            # A healthy host has its EDS status alone; a failure adds a key.
            return sum(set(each["health_status"]) == {"eds_health_status"} for each in hosts) == count

        await until(is_so)


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a condition; TimeoutError after `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if found is True or (not isinstance(found, bool) and await found):
                return
            await asyncio.sleep(0.05)


@contextmanager
def _envoy(program: Path, folder: Path, grpc: list[str], http: list[str]) -> Iterator[tuple[str, str]]:
    """Run Envoy by the published configuration with addresses of this host; yield its own and its admin's."""
    text, listen, admin = CONFIG.read_text(), free_address(), free_address()
    for number, (by_grpc, by_http) in enumerate(zip(grpc, http, strict=True), start=1):
        for port, address in (("50051", by_grpc), ("8080", by_http)):
            host, _, own = address.rpartition(":")
            text = text.replace(
                f"address: gateway-{number}, port_value: {port}", f"address: {host}, port_value: {own}"
            )
    for port, address in (("50051", listen), ("8080", free_address()), ("9901", admin)):
        text = text.replace(f"port_value: {port}}}}}", f"port_value: {address.rpartition(':')[2]}}}}}")
    config = folder / "envoy.yaml"
    config.write_text(text.replace("0.0.0.0", "127.0.0.1"))
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"],
            stdout=log,
            stderr=log,
        )
        try:
            yield listen, admin
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def _cluster(program: Path, folder: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(running_redis())
        cloud = await stack.enter_async_context(SimulatedCloud({"sim": PRICE}).serve())
        policy = folder / "policy.yaml"
        policy.write_text(POLICY.format(base_url=cloud.base_url))
        doors = [free_address() for _ in range(3)]
        gateways = [
            Gateway(
                f"g{number}",
                policy=policy,
                state=redis.url,
                environ={},
                flags=("--http", door, "--decisions", str(folder / f"d{number}.jsonl"), "--drain-s", "4"),
            )
            for number, door in enumerate(doors)
        ]
        for gateway in gateways:
            stack.push_async_callback(gateway.kill)
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        addresses = [gateway.target for gateway in gateways]
        target, admin = stack.enter_context(_envoy(program, folder, addresses, doors))
        client = await stack.enter_async_context(GatewayClient(target))
        cluster = Cluster(gateways, target, admin, redis, cloud, policy, Load(client))
        await cluster.healthy(3)
        yield cluster


async def test_a_cluster_keeps_its_promises(tmp_path: Path) -> None:
    """Nobody fails but who was on the killed gateway; caps, classes, streams and records hold over all."""
    try:
        program = installed_envoy()
    except Unavailable as error:
        pytest.skip(str(error))
    async with _cluster(program, tmp_path) as cluster:
        load, gateways = cluster.load, cluster.gateways
        callers = [asyncio.create_task(load.run(number)) for number in range(CALLERS)]
        try:
            await load.more(60)
            assert not load.failed(since_s=0.0)
            shares = _answered(tmp_path)
            assert min(shares.values()) >= 0.15 * shares.total(), "one connection spreads over all"
            await _private_turn(load.client)
            await _kill_one(cluster)
            await _drain_one(cluster)
            await _restart_redis(cluster)
            await _roll_policy(cluster, tmp_path)
            await _later_turns(load.client)
        finally:
            load.goes_on = False
            await asyncio.gather(*callers)
        assert [await gateway.drain() for gateway in gateways] == [0, 0, 0]
        assert not [defect for gateway in gateways for defect in gateway.defects()]
        totals = await _totals(cluster.redis.url)
        _compare_books(cluster.cloud, totals, tmp_path)


async def _kill_one(cluster: Cluster) -> None:
    """Only calls that were under way at the moment may fail: at most one of each caller."""
    before_s = time.monotonic()
    await cluster.gateways[2].kill()
    killed_s = time.monotonic()
    await cluster.load.more(40)
    failed = cluster.load.failed(since_s=before_s)
    assert len(failed) <= CALLERS
    assert all(began_s <= killed_s for began_s, _, _ in failed), failed
    await cluster.gateways[2].start()
    await cluster.healthy(3)


async def _drain_one(cluster: Cluster) -> None:
    """Nobody notices: calls in flight end whole, later ones go elsewhere."""
    began_s = time.monotonic()
    assert await cluster.gateways[1].drain() == 0
    await cluster.load.more(20)
    await cluster.gateways[1].start()
    await cluster.healthy(3)
    await cluster.load.more(20)
    assert not cluster.load.failed(since_s=began_s)


async def _restart_redis(cluster: Cluster) -> None:
    """Without a ledger no priced model is called; the edge answers, and the cloud again afterwards."""
    began_s = time.monotonic()
    cluster.redis.kill()
    await cluster.load.more(10)
    cluster.redis.start()
    await cluster.load.more(20)
    assert not cluster.load.failed(since_s=began_s)


async def _roll_policy(cluster: Cluster, folder: Path) -> None:
    """Each gateway takes the new policy, of which the hash of later decisions tells; nobody fails."""
    began_s = time.monotonic()
    text = cluster.policy.read_text()
    cluster.policy.write_text(text.replace("max_tokens: 64", "max_tokens: 48"))
    new = load_policy(cluster.policy).hash
    for gateway in cluster.gateways:
        gateway.read_policy()
    await until(
        lambda: {name for name, policy in _requests(folder) if policy == new} == set(_answered(folder))
    )
    assert not cluster.load.failed(since_s=began_s)


def _turn(text: str) -> pb.GenerateRequest:
    return pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=text)], session_id=SESSION)


async def _private_turn(client: GatewayClient) -> None:
    response = await client.generate(_turn(CARD), timeout_s=DEADLINE_S)
    assert response.route == pb.ROUTE_LOCAL


async def _later_turns(client: GatewayClient) -> None:
    """The card is no longer in the history, and the kill, the drain and the restart lie between."""
    for number in range(9):
        response = await client.generate(_turn(f"What is {number} plus one?"), timeout_s=DEADLINE_S)
        assert response.route != pb.ROUTE_CLOUD
        assert response.decision.privacy_reason == "session"


def _requests(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield gateway and policy of each record of a request."""
    for file in sorted(folder.glob("d?.jsonl")):
        for _, fields in read_lines(file):
            if fields["kind"] == "request":
                yield file.name, fields["policy_hash"]


def _answered(folder: Path) -> Counter[str]:
    return Counter(name for name, _ in _requests(folder))


async def _totals(url: str) -> Totals:
    ledger = open_ledger(url)
    try:
        return await ledger.totals()
    finally:
        await ledger.aclose()


def _compare_books(cloud: SimulatedCloud, totals: Totals, folder: Path) -> None:
    """The bill is within the ledger, the ledger within the cap, and the records are whole."""
    charged = totals.settled_usd_nanos + totals.unknown_usd_nanos + totals.held_usd_nanos
    bill = cloud.bill().billed_usd_nanos
    assert totals.settled_usd_nanos <= bill <= charged <= CAP_USD_NANOS
    assert bill > 0.9 * CAP_USD_NANOS, "the load did not come near the cap"
    files = [str(file) for file in sorted(folder.glob("d?.jsonl"))]
    for file in files:
        assert run(["records", "verify", file]) == 0
    assert run(["spend", *files, "--by", "model", "--json"]) == 0
