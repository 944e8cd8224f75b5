"""The cache of answers in a running gateway, over gRPC and HTTP: answers, records, metrics, reloads."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import redis

from gateway.clock import SystemClock
from gateway.domain.address import Address
from gateway.domain.answer import Usage
from gateway.errors import StartupError
from gateway.records.writer import Records
from gateway.server.access import Caller, Identity
from gateway.testing.scripted import Act, Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.operated import operated
from tests.support.redis_server import RedisServer, running_redis
from tests.support.reloading import BASE, running
from tests.support.served import Served, ask, served
from tests.support.waiting import until

ANSWER = "The capital is Paris."
USAGE = Usage(prompt_tokens=7, completion_tokens=5)
CACHED = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
budgets: [{name: daily, per: tenant, limit_usd: 1, window: day}]
rules:
  - {name: at-home, when: 'labels.at == "home"', route: [edge]}
  - {name: default, route: [cloud, edge]}
resilience: {deadline_s: {default: 60, max: 60}}
replies: [{id: sorry, text: "Sorry."}]
cache: {coalesce: true}
"""
PRIVATE = "My card is 4111 1111 1111 1111"


def models(*, wait_s: float = 0.0) -> dict[str, ScriptedBackend]:
    """Return models that answer after a moment, each call in other words."""

    def script(name: str) -> ScriptedBackend:
        def answer(_: object) -> list[Act]:
            number = len(backend.calls)
            return [Delay(wait_s), reply(f"{ANSWER} {name} {number}", usage=USAGE)]

        backend = ScriptedBackend(name, answer)
        return backend

    return {name: script(name) for name in ("edge", "cloud")}


def greedy(text: str = "What is the capital?", **fields: Any) -> pb.GenerateRequest:
    """Return a request whose answer may be kept."""
    return ask(text, **({"config": pb.GenerationConfig(temperature=0.0)} | fields))


async def called(gateway: Served, request: pb.GenerateRequest, **options: Any) -> pb.GenerateResponse:
    """Return the answer, when all that is to be kept is kept: a later request finds it."""
    answer: pb.GenerateResponse = await gateway.stub.Generate(request, **options)
    await asyncio.sleep(0)
    return answer


async def test_a_hit_over_grpc() -> None:
    """It costs nothing, calls nobody, and says how old it is; whole and as a stream."""
    backends = models()
    async with served(backends, policy=CACHED) as gateway:
        made = await called(gateway, greedy())
        kept = await called(gateway, greedy(request_id="another", session_id="s"))
        streamed = [event async for event in gateway.stub.StreamGenerate(stream_of(greedy()))]

    assert not made.HasField("cached_age_s")
    assert made.cost_usd > 0.0
    for hit in (kept, streamed[-1].completed):
        assert hit.HasField("cached_age_s")
        assert 0.0 <= hit.cached_age_s < 60.0
        assert (hit.text, hit.model, hit.route, hit.usage) == (made.text, made.model, made.route, made.usage)
        assert (hit.cost_usd, list(hit.attempts)) == (0.0, [])
        assert hit.finish_reason == pb.FINISH_REASON_STOP
        assert hit.decision.chain == ["cloud", "edge"]
    assert kept.request_id == "another"
    assert [event.WhichOneof("event") for event in streamed] == ["decision", "delta", "completed"]
    assert streamed[1].delta.text == made.text
    assert len(backends["cloud"].calls) == 1


def stream_of(request: pb.GenerateRequest) -> pb.StreamGenerateRequest:
    """Return the same request for a stream."""
    return pb.StreamGenerateRequest.FromString(request.SerializeToString())


@pytest.mark.parametrize("header", ["no-cache", "max-age=0"])
async def test_a_caller_over_grpc_wants_a_new_one(header: str) -> None:
    """By metadata; a caller of no-store leaves nothing behind."""
    backends = models()
    async with served(backends, policy=CACHED) as gateway:
        await called(gateway, greedy("other"), metadata=(("cache-control", "no-store"),))
        await called(gateway, greedy("other"))
        await called(gateway, greedy())
        anew = await called(gateway, greedy(), metadata=(("cache-control", header),))
        kept = await called(gateway, greedy())

    assert len(backends["cloud"].calls) == 4
    assert (anew.HasField("cached_age_s"), kept.HasField("cached_age_s")) == (False, True)
    assert kept.text == anew.text


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_hit_over_http(is_streamed: bool) -> None:
    """A header tells of it, on a body and on a stream; `cache-control` is read."""
    backends = models()
    async with http(CACHED, backends) as (gateway, client):
        made = await chat(client, gateway)
        kept = await chat(client, gateway, stream=is_streamed)
        anew = await chat(client, gateway, headers={"cache-control": "no-cache"})

    assert "x-gateway-cached-age-s" not in made.headers
    assert float(kept.headers["x-gateway-cached-age-s"]) < 60.0
    assert (kept.headers["x-gateway-model"], kept.headers["x-gateway-route"]) == ("cloud", "cloud")
    assert kept.text == made.text == f"{ANSWER} cloud 0"
    assert kept.usage == made.usage == (7, 5)
    assert anew.text == f"{ANSWER} cloud 1"
    if not is_streamed:
        assert kept.headers["x-gateway-cost-usd"] == "0.000000000"
        assert kept.told["gateway"]["attempts"] == []
        assert kept.told["gateway"]["cached_age_s"] >= 0.0


async def test_both_doors_share() -> None:
    """What was asked over gRPC is known over HTTP."""
    backends = models()
    async with http(CACHED, backends) as (gateway, client):
        await called(gateway, greedy(model="auto"))
        kept = await chat(client, gateway)

    assert "x-gateway-cached-age-s" in kept.headers


async def test_tenants_never_share() -> None:
    """The same words of another tenant are answered anew."""
    backends = models()
    async with served(backends, policy=CACHED, tenant_of=by_header) as gateway:
        for tenant in ("acme", "eve", "acme", "eve"):
            answer = await called(gateway, greedy(), metadata=(("x-tenant", tenant),))

    assert len(backends["cloud"].calls) == 2
    assert answer.HasField("cached_age_s")
    assert answer.text == f"{ANSWER} cloud 1"


def by_header(caller: Caller) -> Identity:
    """Believe a caller."""
    return Identity(tenant=caller.headers["x-tenant"])


async def test_routing_decides_anew() -> None:
    """A caller whose rule leaves the model out gets another answer; labels count, since rules read them."""
    backends = models()
    async with served(backends, policy=CACHED) as gateway:
        await called(gateway, greedy())
        named = await called(gateway, greedy(model="edge"))
        home = await called(gateway, greedy(labels={"at": "home"}))

    assert [each.model for each in (named, home)] == ["edge", "edge"]
    assert not home.HasField("cached_age_s")


async def test_what_is_private_is_asked_anew() -> None:
    """Above max_class nothing is kept, whatever is in the class: a finding, or the caller's hint."""
    backends = models()
    async with served(backends, policy=CACHED) as gateway:
        hint = pb.Hints(privacy_class=pb.PRIVACY_CLASS_INTERNAL)
        for request in (greedy(PRIVATE), greedy(PRIVATE), greedy(hints=hint), greedy(hints=hint)):
            assert not (await called(gateway, request)).HasField("cached_age_s")

    assert [len(backends[name].calls) for name in ("edge", "cloud")] == [2, 2]


async def test_the_class_of_the_conversation_counts() -> None:
    """A public turn of a private conversation neither finds nor leaves an answer."""
    backends = models()
    async with served(backends, policy=CACHED) as gateway:
        await called(gateway, greedy())
        await called(gateway, greedy(PRIVATE, session_id="s"))
        later = await called(gateway, greedy(session_id="s"))

    assert (later.model, later.HasField("cached_age_s")) == ("edge", False)


async def test_it_is_counted_and_recorded(tmp_path: Path) -> None:
    """Hits, misses and bytes; a line in the records without attempts or cost; one spend in the ledger."""
    backends = models()
    records = Records(tmp_path / "d.jsonl", clock=SystemClock())
    async with operated(backends, tmp_path, policy=CACHED, records=records) as running:
        for _ in range(3):
            await called(running.gateway, greedy())
        await asyncio.gather(*(called(running.gateway, greedy("another")) for _ in range(2)))
        page = await running.page()
        status = await running.admin.status()

    lines = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    requests = [line for line in lines if line["kind"] == "request"]
    assert page.total("gateway_cache_look_ups_total", result="hit") == 2
    assert page.total("gateway_cache_look_ups_total", result="miss") == 2
    assert page.total("gateway_cache_look_ups_total", result="joined") == 1
    assert page.total("gateway_cache_bytes") == status.workers[0].cache_bytes > 0
    assert page.total("gateway_attempts_total") == 2
    assert page.total("gateway_first_text_seconds_count") == 0
    assert [line["cached_age_s"] is None for line in requests[:3]] == [True, False, False]
    assert [len(line["attempts"]) for line in requests[:3]] == [1, 0, 0]
    assert [line["cost_usd_nanos"] for line in requests[:3]] == [12_000, 0, 0]
    assert sorted(line["cost_usd_nanos"] for line in requests[3:]) == [0, 12_000]
    assert status.spend.settled_usd_nanos == 24_000
    assert ANSWER not in page.text + (tmp_path / "d.jsonl").read_text()


async def test_a_new_policy_begins_without_answers(tmp_path: Path) -> None:
    """One word of the policy is another policy."""
    cached = f"{BASE}cache: {{}}\n"
    async with running(tmp_path, allow_loosening=True) as gateway:
        assert (await gateway.put(cached)).outcome == "applied"
        for is_hit in (False, True):
            assert (await gateway.stub.Generate(greedy())).HasField("cached_age_s") is is_hit
        assert (await gateway.put(cached.replace("text: x", "text: y"))).outcome == "applied"
        assert not (await gateway.stub.Generate(greedy())).HasField("cached_age_s")
        assert (await gateway.put(BASE)).outcome == "applied"
        assert not (await gateway.stub.Generate(greedy())).HasField("cached_age_s")


async def test_requests_in_flight_share_a_call() -> None:
    """A caller that leaves disturbs nobody; the last one stops the model."""
    backends = models(wait_s=0.3)
    async with served(backends, policy=CACHED) as gateway:
        calls = [gateway.stub.Generate(greedy()) for _ in range(4)]
        await until(lambda: gateway.calls.in_flight == 4 and len(backends["cloud"].calls) == 1)
        calls[0].cancel()
        answers = await asyncio.gather(*calls[1:])
    assert len(backends["cloud"].calls) == 1
    assert sorted(answer.HasField("cached_age_s") for answer in answers) == [False, True, True]
    assert sum(len(answer.attempts) for answer in answers) == 1
    assert sum(answer.cost_usd for answer in answers) == pytest.approx(12e-6)

    backends = models(wait_s=60.0)
    async with served(backends, policy=CACHED) as gateway:
        streams = [gateway.stub.StreamGenerate(stream_of(greedy())) for _ in range(2)]
        await asyncio.gather(*(each.read() for each in streams))
        await until(lambda: len(backends["cloud"].calls) == 1)
        streams[0].cancel()
        await until(lambda: gateway.calls.in_flight == 1)
        assert backends["cloud"].stopped == []
        streams[1].cancel()
        await until(lambda: len(backends["cloud"].stopped) == 1)


async def test_each_keeps_its_own_deadline() -> None:
    """Who is in a hurry is told in time, and the other gets the answer of the same call."""
    backends = models(wait_s=1.0)
    async with served(backends, policy=CACHED) as gateway:
        first = gateway.stub.Generate(greedy(), timeout=60.0)
        await until(lambda: len(backends["cloud"].calls) == 1)
        with pytest.raises(grpc.aio.AioRpcError) as hurried:
            await gateway.stub.Generate(greedy(), timeout=0.3)
        answer = await first

    assert hurried.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert answer.text == f"{ANSWER} cloud 0"
    assert len(backends["cloud"].calls) == 1


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis server for the tests of this file."""
    with running_redis() as found:
        yield found


SHARED = CACHED.replace("cache: {coalesce: true}", "cache: {store: redis, ttl_s: 60}")


async def test_hosts_share_answers_in_redis(server: RedisServer) -> None:
    """Another gateway finds them; the request is not in the store, the answer is, for its time."""
    backends = models()
    async with served(backends, policy=SHARED, state_url=server.url) as gateway:
        await called(gateway, greedy())
        await called(gateway, greedy(PRIVATE))
    async with served(models(), policy=SHARED, state_url=server.url) as gateway:
        kept = await called(gateway, greedy())
        other = await called(gateway, greedy(), metadata=(("cache-control", "no-cache, no-store"),))

    with redis.Redis.from_url(server.url) as client:
        names = list(client.keys("gateway:cache:answer:*"))
        values = b"".join(client.get(name) or b"" for name in names)
        left_ms = client.pttl(names[0])
    assert (kept.HasField("cached_age_s"), other.HasField("cached_age_s")) == (True, False)
    assert len(names) == 1
    assert ANSWER.encode() in values
    assert b"capital?" not in values
    assert 0 < left_ms <= 60_000


async def test_a_redis_that_is_gone_costs_no_answer() -> None:
    """Models answer meanwhile."""
    policy = SHARED.replace("[cloud, edge]", "[edge]")
    with running_redis() as server:
        backends = models()
        async with served(backends, policy=policy, state_url=server.url) as gateway:
            await called(gateway, greedy())
            server.kill()
            answer = await called(gateway, greedy())

    assert (answer.text, answer.HasField("cached_age_s")) == (f"{ANSWER} edge 1", False)


@pytest.mark.parametrize("state_url", ["memory:", "sqlite"])
async def test_redis_needs_a_redis(tmp_path: Path, state_url: str) -> None:
    """One line that names the key and the flag."""
    url = f"sqlite://{tmp_path / 'l.db'}" if state_url == "sqlite" else state_url
    with pytest.raises(StartupError, match=r"^cache\.store: redis needs --state redis://HOST$"):
        async with served(models(), policy=SHARED, state_url=url):
            pass


class _Reply:
    """What a caller over HTTP got."""

    def __init__(self, response: aiohttp.ClientResponse, body: str) -> None:
        assert response.status == 200, body
        self.headers = response.headers
        if body.startswith("data: "):
            chunks = [json.loads(line[6:]) for line in body.split("\n\n") if line.startswith("data: {")]
            choices = [each["choices"][0] for each in chunks if each["choices"]]
            self.text = "".join(each["delta"].get("content") or "" for each in choices)
            self.told = next(each for each in chunks if each.get("usage"))
        else:
            self.told = json.loads(body)
            self.text = self.told["choices"][0]["message"]["content"]

    @property
    def usage(self) -> tuple[int, int]:
        """Tokens of prompt and answer."""
        return self.told["usage"]["prompt_tokens"], self.told["usage"]["completion_tokens"]


async def chat(
    client: aiohttp.ClientSession,
    gateway: Served,
    *,
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
) -> _Reply:
    """Ask over HTTP what `greedy` asks."""
    body: dict[str, Any] = {
        "model": "auto",
        "temperature": 0,
        "messages": [{"role": "user", "content": "What is the capital?"}],
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    async with client.post(
        f"{gateway.http_url}/v1/chat/completions",
        json=body,
        headers={"x-gateway-decision": "true", **(headers or {})},
    ) as response:
        return _Reply(response, await response.text())


@asynccontextmanager
async def http(
    policy: str, backends: dict[str, ScriptedBackend]
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    """Run a gateway with its doors over HTTP, and a client."""
    async with (
        served(backends, policy=policy, http=Address("127.0.0.1", 0)) as gateway,
        aiohttp.ClientSession() as client,
    ):
        yield gateway, client
