"""Requests and tokens a minute: a tenant gets its share and no more, and is told when to come back."""

from collections.abc import Awaitable

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.cli.app import run
from gateway.domain.answer import FinishReason, Reply, Usage
from gateway.errors import RateLimited
from gateway.pipeline.rate_limit import TenantRates
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.server.access import by_header
from gateway.server.grpc.middleware import SERVICE
from gateway.testing.scripted import ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.fakes import FakeClock
from tests.support.policies import POLICY
from tests.support.records_made import ended
from tests.support.served import ask, served

LIMITED = (
    POLICY
    + """\
limits:
  requests_per_minute: 3
  tokens_per_minute: 100
  tenants: [{tenant: large, requests_per_minute: 60}]
"""
)


@pytest.fixture
def policy() -> Policy:
    """A policy with rates."""
    return parse_policy(LIMITED, name="p")


def request_of(tenant: str = "acme", *, tokens: int = 1) -> tuple[str, int]:
    """Return what counts of a request: whose it is, and the tokens of its prompt."""
    return tenant, tokens


def refused(rates: TenantRates, request: tuple[str, int], policy: Policy) -> RateLimited:
    """Return the error of a request that is turned away."""
    with pytest.raises(RateLimited) as error:
        rates.gate(*request, policy)
    return error.value


def test_requests_a_minute(policy: Policy) -> None:
    """A minute's worth at once, then one each time that one has filled up again."""
    clock = FakeClock()
    rates = TenantRates(clock)
    for _ in range(3):
        rates.gate(*request_of(), policy)
    error = refused(rates, request_of(), policy)
    assert str(error) == "the tenant has had its requests of this minute"
    assert error.retry_after_s == pytest.approx(20.0)
    clock.advance(20.0)
    rates.gate(*request_of(), policy)
    refused(rates, request_of(), policy)


def test_tenants_do_not_share(policy: Policy) -> None:
    """One that has had its share takes nothing from another, and a tenant may have rates of its own."""
    rates = TenantRates(FakeClock())
    for _ in range(3):
        rates.gate(*request_of("acme"), policy)
        rates.gate(*request_of("other"), policy)
    for _ in range(60):
        rates.gate(*request_of("large"), policy)
    refused(rates, request_of("acme"), policy)
    refused(rates, request_of("large"), policy)


def test_tokens_a_minute(policy: Policy) -> None:
    """A prompt needs room; what the answer takes is counted afterwards, and waited for."""
    clock = FakeClock()
    rates = TenantRates(clock)
    rates.gate(*request_of(tokens=60), policy)
    error = refused(rates, request_of(tokens=60), policy)
    assert str(error) == "the tenant has had its tokens of this minute"
    assert error.retry_after_s == pytest.approx(12.0)
    clock.advance(12.0)
    rates.gate(*request_of(tokens=60), policy)
    rates.note(ended(policy))  # 11 tokens in, 7 out, of which 4 were estimated.
    assert refused(rates, request_of(tokens=1), policy).retry_after_s == pytest.approx(15 * 0.6)


def test_a_prompt_beyond_a_minute_waits_for_a_whole_one(policy: Policy) -> None:
    """It is not refused for ever."""
    clock = FakeClock()
    rates = TenantRates(clock)
    rates.gate(*request_of(tokens=500), policy)
    error = refused(rates, request_of(tokens=500), policy)
    assert error.retry_after_s is not None
    clock.advance(error.retry_after_s)
    rates.gate(*request_of(tokens=500), policy)


def test_without_rates_there_is_no_bound() -> None:
    """The default refuses nobody."""
    rates, policy = TenantRates(FakeClock()), parse_policy(POLICY, name="p")
    for _ in range(1000):
        rates.gate(*request_of(tokens=1000), policy)


def test_tenants_that_are_made_up_cost_no_memory(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are remembered."""
    monkeypatch.setattr("gateway.pipeline.rate_limit.MOST_TENANTS", 10)
    rates = TenantRates(FakeClock())
    for number in range(100):
        rates.gate(*request_of(f"t-{number}"), policy)
    assert len(rates._requests) == 10


async def test_a_caller_is_told_when_to_come_back() -> None:
    """RESOURCE_EXHAUSTED, RATE_LIMITED and RetryInfo, through real gRPC."""
    reply = Reply(
        text="x", finish_reason=FinishReason.STOP, usage=Usage(prompt_tokens=1, completion_tokens=1)
    )
    backends = {"edge": ScriptedBackend("edge", [reply]), "cloud": ScriptedBackend("cloud", [reply])}
    async with served(backends, policy=LIMITED, tenant_of=by_header) as gateway:
        for _ in range(3):
            await gateway.stub.Generate(ask(), metadata=(("x-tenant", "acme"),))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await gateway.stub.Generate(ask(), metadata=(("x-tenant", "acme"),))
        await gateway.stub.Generate(ask(), metadata=(("x-tenant", "other"),))

    status = rpc_status.from_call(error.value)
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert info.reason == "RATE_LIMITED"
    assert 0 < retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 <= 20


async def test_tickets_are_not_guessed_beyond_the_rates() -> None:
    """To ask for a person's answer is a request, too: it reads the store that all tenants share."""
    ticket = pb.GetHandoffRequest(ticket_id="ho_" + 32 * "0")
    reply = Reply(text="x", finish_reason=FinishReason.STOP, usage=None)
    codes = []
    backends = {name: ScriptedBackend(name, lambda _: reply) for name in ("edge", "cloud")}
    async with served(backends, policy=LIMITED, tenant_of=by_header) as gateway:
        for tenant in ("acme", "acme", "acme", "acme", "other"):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await gateway.stub.GetHandoff(ticket, metadata=(("x-tenant", tenant),))
            codes.append(error.value.code())
    unknown, limited = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED
    assert codes == [unknown, unknown, unknown, limited, unknown]


ONE = f"{POLICY}limits: {{requests_per_minute: 1}}\n"
UNREADABLE = b"\xff"


async def _code(call: Awaitable[object]) -> grpc.StatusCode:
    """Return how a call ends that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_the_list_of_models_counts_as_a_request() -> None:
    """It costs the gateway what every small request costs."""
    async with served({}, policy=ONE) as gateway:
        assert (await gateway.stub.ListModels(pb.ListModelsRequest())).models
        code = await _code(gateway.stub.ListModels(pb.ListModelsRequest()))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_comes_beyond_the_rates_is_not_decoded() -> None:
    """Bytes that cannot be decoded count as a request, and who has none left hears that and no more."""
    async with served({}, policy=ONE) as gateway:
        explain: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.channel.unary_unary(
            f"/{SERVICE}/Explain"
        )
        codes = [await _code(explain(UNREADABLE)) for _ in range(3)]
    invalid, limited = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
    assert codes == [invalid, limited, limited]


def test_to_look_whether_there_is_room_takes_none(policy: Policy) -> None:
    """It says what the gate would say of the shortest prompt."""
    rates = TenantRates(FakeClock())
    for _ in range(3):
        for _ in range(10):
            rates.check("acme", policy)
        rates.gate(*request_of(), policy)
    with pytest.raises(RateLimited, match="its requests of this minute"):
        rates.check("acme", policy)
    rates.check("other", policy)


def test_a_tenant_that_stands_twice_is_refused(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every name."""
    path = tmp_path_factory.mktemp("p") / "p.yaml"
    path.write_text(f"{POLICY}limits: {{tenants: [{{tenant: a}}, {{tenant: a}}]}}\n")
    assert run(["policy", "check", str(path)]) == 2
    assert f"{path}:15: limits.tenants: a tenant appears twice" in capsys.readouterr().err
