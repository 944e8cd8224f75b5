"""Calls as a transport makes them, without one."""

from collections.abc import Callable

from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.request import Request
from gateway.domain.strings import estimate_prompt_tokens
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.context import CallContext, CallSummary, IncomingRequest
from gateway.pipeline.run import Pipeline
from gateway.pipeline.steps import Steps
from gateway.policy.model import Policy
from tests.support.dispatch_doubles import Bench


async def nothing_held() -> None:
    """Free what a pipeline alone holds: nothing."""


def pipeline_of(policy: Policy, bench: Bench) -> Pipeline:
    """Return a pipeline over the models of a bench."""
    return Pipeline(
        policy=policy,
        assessor=PolicyAssessor(policy, Assessor(policy, clock=bench.clock)),
        dispatcher=bench.dispatcher,
        budgets=SpendCache(MemoryLedger(clock=bench.clock), clock=bench.clock),
        clock=bench.clock,
    )


def context_of(
    request: Request,
    deadline: Deadline,
    *,
    clock: Clock,
    conclude: Callable[[CallSummary], None] = lambda _: None,
) -> CallContext:
    """Return who calls, and until when."""
    return CallContext(
        tenant=request.tenant,
        request_id=request.request_id,
        deadline=deadline,
        attempt_log=AttemptLog(clock),
        conclude=conclude,
        key_name=request.key_name,
    )


def checked_before(request: Request) -> Steps[Request]:
    """Check nothing, in one step."""
    yield 0
    return request


def incoming_of(request: Request) -> IncomingRequest:
    """Return a request that was checked already."""
    return IncomingRequest(
        prompt_tokens=estimate_prompt_tokens(request),
        parse=lambda: checked_before(request),
    )
