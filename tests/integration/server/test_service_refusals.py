"""What a caller who declines canned replies is told: details that let it act (field by field of AIP-193)."""

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from gateway.backends.base import Backend
from gateway.errors import BackendQuotaUsedUp, ContextTooLong, NotCapable
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.error_details import detail_of
from tests.support.policies import POLICY
from tests.support.served import ask, served

CLOUD_ONLY = {"team": "x"}
BUDGET = POLICY.replace(
    "rules:", "budgets: [{name: pocket, per: all, limit_usd: 0.000001, window: day}]\nrules:", 1
)


async def _refusal(
    failure: Exception | None, *, policy: str = POLICY, max_cost_usd: float | None = None
) -> grpc.aio.AioRpcError:
    step = reply("hi") if failure is None else failure
    backends: dict[str, Backend] = {name: ScriptedBackend(name, [step]) for name in ("edge", "cloud")}
    hints = pb.Hints(allow_degraded=False, max_cost_usd=max_cost_usd)
    async with served(backends, policy=policy) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(ask(labels=CLOUD_ONLY, hints=hints))
    return caught.value


async def test_both_numbers_of_a_prompt_that_does_not_fit_are_told() -> None:
    """CONTEXT_LENGTH_EXCEEDED says how long the prompt is and what fits, and blames the messages."""
    error = await _refusal(ContextTooLong("cloud", "the prompt has 15000 tokens, the context is 4096"))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "15000" in str(error.details())
    assert "4096" in str(error.details())
    assert detail_of(error, details.BadRequest).field_violations[0].field == "messages"


async def test_a_schema_that_no_model_takes_is_the_field_to_blame() -> None:
    """CAPABILITY blames the schema."""
    error = await _refusal(NotCapable("cloud", "pattern is not supported here"))

    assert detail_of(error, details.BadRequest).field_violations[0].field == "config.json_schema"


async def test_messages_that_no_template_takes_are_the_field_to_blame() -> None:
    """CAPABILITY blames what the model named: an order of roles is no fault of a schema."""
    error = await _refusal(NotCapable("cloud", "the chat template refuses it", field="messages"))

    assert [v.field for v in detail_of(error, details.BadRequest).field_violations] == ["messages"]


async def test_what_no_model_of_the_route_can_do_is_the_field_to_blame() -> None:
    """A filter's CAPABILITY names the model, what it cannot do, and the field that needs it."""
    message = ask(labels=CLOUD_ONLY, hints=pb.Hints(allow_degraded=False))
    message.config.grammar = 'root ::= "a"'
    backends: dict[str, Backend] = {name: ScriptedBackend(name, [reply("hi")]) for name in ("edge", "cloud")}
    async with served(backends) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(message)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cloud: no grammar" in str(caught.value.details())
    violations = detail_of(caught.value, details.BadRequest).field_violations
    assert [each.field for each in violations] == ["config.grammar"]


async def test_a_quota_that_is_used_up_asks_for_no_retry() -> None:
    """Waiting does not heal our account at the provider: pushback -1 and no RetryInfo."""
    error = await _refusal(BackendQuotaUsedUp("cloud", "HTTP 429, insufficient_quota"))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("grpc-retry-pushback-ms", "-1") in tuple(error.trailing_metadata() or ())


async def test_the_budget_that_has_no_room_is_named() -> None:
    """QuotaFailure names the budget of the policy, and RetryInfo the time of its reset."""
    error = await _refusal(None, policy=BUDGET)

    assert detail_of(error, details.QuotaFailure).violations[0].subject == "pocket"
    assert 0 < detail_of(error, details.RetryInfo).retry_delay.seconds <= 86_400


async def test_the_callers_own_limit_has_no_time_to_come_back() -> None:
    """hints.max_cost_usd never has more room later: it is named, without RetryInfo."""
    error = await _refusal(None, max_cost_usd=0.0)

    assert detail_of(error, details.QuotaFailure).violations[0].subject == "hints.max_cost_usd"
    assert detail_of(error, details.RetryInfo) is None
