"""A caller who means harm, through real gRPC: gets nothing, and takes nothing from the others."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.backends.base import Backend, Call
from gateway.cli.app import run
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.domain.grpc_timeout import FRESH_TIMEOUTS
from gateway.server.access import TenantRule
from gateway.server.grpc.connection_limits import METADATA_BYTES, STREAMS, channel_limits
from gateway.server.grpc.middleware import SERVICE
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.policies import POLICY
from tests.support.served import Served, ask, served
from tests.support.tenants import PATIENT, USAGE, as_tenant, edge_of

OPEN_STREAMS = 10_000
BOUNDED = PATIENT + "limits: {concurrency: 50, tenant_concurrency: 20, queue: 50}\n"
HARD = (
    "Prove step by step that every continuous function on a compact set is bounded, and compare two proofs."
)
LABELLED = POLICY + (
    "budgets:\n  - {name: team, per: label, label: team, limit_usd: 0.000400, window: day}\n"
)


def _calls(backends: dict[str, Backend]) -> int:
    return sum(len(each.calls) for each in backends.values() if isinstance(each, ScriptedBackend))


async def _refused(call: object) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_a_wrong_key_gets_nothing_and_is_not_scored(tenant_of: TenantRule) -> None:
    """No key, a wrong one, one of another form: refused before anything is read, scored or called."""
    reports: list[CallReport] = []
    backends = edge_of()
    wrong = [(), as_tenant("gw_wrong"), (("authorization", "Basic eDp5"),), (("x-tenant", "acme"),)]
    async with served(backends, tenant_of=tenant_of, observers=(reports.append,)) as gateway:
        codes = [await _refused(gateway.stub.Generate(ask(HARD), metadata=each)) for each in wrong]
        codes += [await _refused(gateway.stub.Explain(pb.ExplainRequest(), metadata=each)) for each in wrong]

    assert set(codes) == {grpc.StatusCode.UNAUTHENTICATED}
    assert _calls(backends) == 0
    assert len(reports) == len(codes)
    assert not [report for report in reports if report.decision is not None or report.attempts]


async def test_a_strangers_bytes_are_not_decoded(tenant_of: TenantRule) -> None:
    """Half a million empty messages cost a call without a key no more than one message of the size."""
    many, one = b"\x0a\x00" * 500_000, ask("x" * 1_000_000).SerializeToString()
    async with served(edge_of(), tenant_of=tenant_of) as gateway:
        explain: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.channel.unary_unary(
            f"/{SERVICE}/Explain"
        )
        await _refused(explain(one))
        seconds = []
        for data in (one, many):
            began_s = time.process_time()
            assert {await _refused(explain(data)) for _ in range(20)} == {grpc.StatusCode.UNAUTHENTICATED}
            seconds.append(time.process_time() - began_s)
    assert seconds[1] < 2 * seconds[0] + 0.1


async def test_somebody_elses_label_spends_nothing_of_theirs(tenant_of: TenantRule) -> None:
    """A label is a claim: with another tenant's label a caller uses up its own budget, not the other's."""
    config = pb.GenerationConfig(max_tokens=50)
    request = ask(HARD, labels={"team": "x"}, config=config)
    spend = ScriptedBackend(
        "cloud", lambda _: reply("x", usage=Usage(prompt_tokens=20, completion_tokens=50))
    )
    async with served({**edge_of(), "cloud": spend}, policy=LABELLED, tenant_of=tenant_of) as gateway:
        for _ in range(4):
            await gateway.stub.Generate(request, metadata=as_tenant("eve"))
        eve = await gateway.stub.Generate(request, metadata=as_tenant("eve"))
        acme = await gateway.stub.Generate(request, metadata=as_tenant("acme"))

    assert eve.attempts[0].reason == pb.REASON_BUDGET_EXHAUSTED
    assert eve.route == pb.ROUTE_CANNED
    assert acme.model == "cloud"


@contextlib.asynccontextmanager
async def _flood(gateway: Served, *, connections: int, streams: int = OPEN_STREAMS) -> AsyncIterator[None]:
    """Open so many streams as eve, and leave them open while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        stubs = []
        for number in range(connections):
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.primary_user_agent", f"eve-{number}")]
            channel = grpc.aio.insecure_channel(gateway.server.target, options=options)
            stubs.append(gateway_pb2_grpc.GatewayServiceStub(await stack.enter_async_context(channel)))
        request = pb.StreamGenerateRequest.FromString(ask("hello").SerializeToString())
        calls = [
            stubs[number % connections].StreamGenerate(request, metadata=as_tenant("eve"))
            for number in range(streams)
        ]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for call in calls:
                call.cancel()


async def test_ten_thousand_open_streams_leave_the_others_their_place(tenant_of: TenantRule) -> None:
    """One tenant with 10,000 open streams has at most its share at once; another is answered meanwhile."""
    begun = asyncio.Event()
    eves: list[Call] = []

    def script(call: Call) -> Step:
        if call.request.tenant == "eve":
            eves.append(call)
            if len(eves) == 20:
                begun.set()
            return [Delay(60.0), reply("late", usage=USAGE)]
        return reply("fine", usage=USAGE)

    backends = edge_of(script)
    async with served(backends, policy=BOUNDED, tenant_of=tenant_of) as gateway:
        async with _flood(gateway, connections=4):
            await asyncio.wait_for(begun.wait(), 60)
            answers = [
                await gateway.stub.Generate(ask("hello"), metadata=as_tenant("acme"), timeout=60)
                for _ in range(5)
            ]
            busy, at_once = gateway.calls.in_flight, len(eves)
        await asyncio.wait_for(gateway.calls.wait_idle(), 60)

    edge = backends["edge"]
    assert isinstance(edge, ScriptedBackend)
    assert [answer.text for answer in answers] == ["fine"] * 5
    assert busy <= 4 * STREAMS
    assert at_once == 20
    assert len(edge.stopped) == len(eves)


async def test_slow_calls_of_one_tenant_leave_the_others_a_share(tenant_of: TenantRule) -> None:
    """At the limits that hold by default 1,200 slow calls of one tenant have nine places of ten."""
    begun = asyncio.Event()
    eves: list[Call] = []

    def script(call: Call) -> Step:
        if call.request.tenant == "eve":
            eves.append(call)
            if len(eves) == 900:
                begun.set()
            return [Delay(60.0), reply("late", usage=USAGE)]
        return reply("fine", usage=USAGE)

    async with served(
        {**edge_of(script), "cloud": ScriptedBackend("cloud", script)}, policy=PATIENT, tenant_of=tenant_of
    ) as gateway:
        async with _flood(gateway, connections=5, streams=1200):
            await asyncio.wait_for(begun.wait(), 30)
            answers = [
                await gateway.stub.Generate(ask("hello"), metadata=as_tenant("acme"), timeout=20)
                for _ in range(5)
            ]
            at_once = len(eves)
        await asyncio.wait_for(gateway.calls.wait_idle(), 60)

    assert [answer.text for answer in answers] == ["fine"] * 5
    assert at_once == 900


async def test_a_reader_who_does_not_read_is_waited_for_until_its_deadline(tenant_of: TenantRule) -> None:
    """A stream that nobody reads ends at the policy's deadline, and what it held is free."""
    reports: list[CallReport] = []
    big = [Chunk(text="x" * 60_000) for _ in range(500)]  # More than all buffers on the way hold.
    endless = [*big, Chunk(text="end", finish_reason=FinishReason.STOP, usage=USAGE)]

    def script(call: Call) -> Step:
        return endless if call.request.tenant == "eve" else reply("fine", usage=USAGE)

    short = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 1, max: 2}")
    request = pb.StreamGenerateRequest.FromString(ask("hello").SerializeToString())
    backends = edge_of(script)
    async with (
        served(backends, policy=short, tenant_of=tenant_of, observers=(reports.append,)) as gateway,
        grpc.aio.insecure_channel(
            gateway.server.target, options=[("grpc.max_receive_message_length", -1)]
        ) as channel,
    ):
        call = gateway_pb2_grpc.GatewayServiceStub(channel).StreamGenerate(request, metadata=as_tenant("eve"))
        await call.read()
        await asyncio.wait_for(gateway.calls.wait_idle(), 30)
        other = await gateway.stub.Generate(ask("hello"), metadata=as_tenant("acme"))
        call.cancel()

    assert reports[0].code == "DEADLINE_EXCEEDED"
    assert reports[0].answer is None
    edge_backend = backends["edge"]
    assert isinstance(edge_backend, ScriptedBackend)
    assert len(edge_backend.stopped) == 1
    assert other.route == pb.ROUTE_LOCAL


async def test_giant_metadata_is_refused_before_our_code(tenant_of: TenantRule) -> None:
    """Metadata beyond the limit is refused by the library: no call begins."""
    reports: list[CallReport] = []
    giant = (*as_tenant("eve"), ("x-giant", "y" * (4 * METADATA_BYTES)))
    async with served(edge_of(), tenant_of=tenant_of, observers=(reports.append,)) as gateway:
        code = await _refused(gateway.stub.Generate(ask("hello"), metadata=giant))
        answer = await gateway.stub.Generate(ask("hello"), metadata=as_tenant("acme"))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [report.tenant for report in reports] == ["acme"]
    assert answer.text == "fine"


async def test_health_and_reflection_are_open_unless_guarded(tenant_of: TenantRule) -> None:
    """By default load balancers may ask; with the guard a stranger hears nothing, and a caller does."""
    check = health_pb2.HealthCheckRequest()
    listing = [reflection_pb2.ServerReflectionRequest(list_services="")]
    async with served(edge_of(), tenant_of=tenant_of) as gateway:
        assert (await health_pb2_grpc.HealthStub(gateway.channel).Check(check)).status == 1
    async with served(edge_of(), tenant_of=tenant_of, guards_health=True) as gateway:
        health = health_pb2_grpc.HealthStub(gateway.channel)
        look = reflection_pb2_grpc.ServerReflectionStub(gateway.channel).ServerReflectionInfo
        codes = [
            await _refused(health.Check(check)),
            await _refused(health.Watch(check).read()),
            await _refused(look(iter(listing)).read()),
        ]
        status = await health.Check(check, metadata=as_tenant("acme"))
        seen = await look(iter(listing), metadata=as_tenant("acme")).read()

    assert set(codes) == {grpc.StatusCode.UNAUTHENTICATED}
    assert status.status == 1
    assert seen.list_services_response.service


def test_a_guard_without_credentials_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nobody who could ask."""
    assert run(["serve", "--state", "memory:", "--guard-health"]) == 2
    assert "--guard-health needs --keys or --tls-client-ca" in capsys.readouterr().err


def test_every_connection_has_limits() -> None:
    """Streams, metadata, pings and age of a connection are bounded, whatever the number of workers."""
    for shares_port in (False, True):
        options = dict(channel_limits(shares_port=shares_port))
        assert options["grpc.max_concurrent_streams"] == STREAMS
        assert options["grpc.max_connection_age_ms"] == (60_000 if shares_port else 1_800_000)
        assert all(value > 0 for name, value in options.items() if name != FRESH_TIMEOUTS[0])
