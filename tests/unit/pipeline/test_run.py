"""The life of a request without a transport: in which order, and what a pipeline says at the end."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.clock import Deadline
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.answer import Answer, Delta
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, RoutingInput
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.errors import DeadlinePassed, GatewayError, InvalidRequest, Overloaded, RateLimited
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.assessor import NO_ENTITIES, Assessor
from gateway.pipeline.context import CallContext, CallSummary, IncomingRequest
from gateway.pipeline.extras import Extras
from gateway.pipeline.run import Pipeline
from gateway.pipeline.shadow import TIME_SHARE, Shadow
from gateway.pipeline.steps import Steps
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.pipeline_calls import context_of
from tests.support.records_made import POLICY
from tests.support.virtual_time import LoopClock, virtual_time

REQUEST = Request(request_id="r", tenant="acme", messages=(Message(role=Role.USER, content="hello"),))


@dataclass
class Life:
    """A pipeline over one scripted model, and what happened in it, in order."""

    is_valid: bool = True
    has_rate: bool = True
    happened: list[str] = field(default_factory=list)
    summaries: list[CallSummary] = field(default_factory=list)
    shadow: Shadow | None = None
    clock: LoopClock = field(default_factory=LoopClock)

    def gate(self, tenant: str, prompt_tokens: int, policy: Policy) -> None:
        """Turn requests away, if this tenant has had its share."""
        self.happened.append(f"gate {tenant} {prompt_tokens}")
        if not self.has_rate:
            raise RateLimited("no more", retry_after_s=1.0)

    def parse(self) -> Steps[Request]:
        """Check the request."""
        yield 0
        self.happened.append("parse")
        if not self.is_valid:
            raise InvalidRequest("messages", "no")
        return REQUEST

    def pipeline(self) -> Pipeline:
        """Return the pipeline."""
        policy = parse_policy(POLICY, name="p")
        ledger = MemoryLedger(clock=self.clock)
        models = {name: ScriptedBackend(name, [reply("fine")], clock=self.clock) for name in policy.models}
        return Pipeline(
            policy=policy,
            assessor=PolicyAssessor(policy, Assessor(policy, clock=self.clock)),
            dispatcher=Dispatcher(backends=models, ledger=ledger, clock=self.clock),
            budgets=SpendCache(ledger, clock=self.clock),
            clock=self.clock,
            extras=Extras(gates=(self.gate,), shadow=self.shadow),
        )

    def call(self, timeout_s: float = 9.0) -> tuple[IncomingRequest, CallContext]:
        """Return what a transport hands over."""
        context = context_of(
            REQUEST,
            Deadline.after(timeout_s, self.clock),
            clock=self.clock,
            conclude=self.summaries.append,
        )
        return IncomingRequest(prompt_tokens=2, parse=self.parse), context


async def _run(life: Life) -> object:
    return await life.pipeline().run(*life.call())


async def _stream(life: Life) -> object:
    async with aclosing(life.pipeline().stream(*life.call())) as events:
        return [event async for event in events]


async def _explain(life: Life) -> object:
    return await life.pipeline().explain(*life.call())


EVERY_CALL = pytest.mark.parametrize("call", [_run, _stream, _explain])
Call = Callable[[Life], Awaitable[object]]


@EVERY_CALL
@virtual_time
async def test_gates_come_before_the_check(call: Call) -> None:
    """A request that is turned away is not looked at, and the summary says that nothing was done."""
    life = Life(has_rate=False)
    with pytest.raises(RateLimited):
        await call(life)
    assert life.happened == ["gate acme 2"]
    assert life.summaries == [CallSummary()]


@EVERY_CALL
@virtual_time
async def test_a_request_that_is_not_valid_is_not_decided(call: Call) -> None:
    """It was admitted, checked and refused."""
    life = Life(is_valid=False)
    with pytest.raises(InvalidRequest):
        await call(life)
    assert life.happened == ["gate acme 2", "parse"]
    assert life.summaries == [CallSummary()]


@virtual_time
async def test_an_answer_and_its_summary_say_the_same() -> None:
    """The transport renders what it is given, and reports what it is told once."""
    life = Life()
    answer = await life.pipeline().run(*life.call())
    (summary,) = life.summaries
    assert (answer.text, summary.answer, summary.decision) == ("fine", answer, answer.decision)
    assert summary.policy is not None
    assert (summary.first_text_s, summary.policy.hash) == (None, answer.decision.policy_hash)


@virtual_time
async def test_a_stream_begins_with_its_decision_and_ends_with_its_answer() -> None:
    """So every transport can say where a request goes before the first text."""
    life = Life()
    async with aclosing(life.pipeline().stream(*life.call())) as events:
        kinds = [type(event) async for event in events]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == (Decision, Answer, {Delta})
    (summary,) = life.summaries
    assert summary.first_text_s is not None


@pytest.mark.parametrize("events_read", [1, 2])
@virtual_time
async def test_who_leaves_early_is_summed_up(events_read: int) -> None:
    """A stream that is closed says what was decided, and that nobody got an answer."""
    life = Life()
    async with aclosing(life.pipeline().stream(*life.call())) as events:
        for _ in range(events_read):
            await anext(events)
    (summary,) = life.summaries
    assert summary.decision is not None
    assert (summary.answer, summary.afterwards) == (None, None)


@virtual_time
async def test_no_time_to_reply_is_told_before_any_work() -> None:
    """Less than what the reply takes is no time: the request is neither scored nor dispatched."""
    life = Life()
    with pytest.raises(GatewayError) as refused:
        await life.pipeline().run(*life.call(timeout_s=0.01))
    assert isinstance(refused.value, DeadlinePassed)
    (summary,) = life.summaries
    assert summary.answer is None


class BusyAssessor(PolicyAssessor):
    """Has no room or no time, as the scoring pool under load."""

    def __init__(self, policy: Policy, *, clock: LoopClock, waits: bool) -> None:
        super().__init__(policy, Assessor(policy, clock=clock))
        self._clock = clock
        self._waits = waits

    async def assess(
        self, request: Request, deadline: Deadline, entities: Entities = NO_ENTITIES
    ) -> RoutingInput:
        """Fail, after all the time that it may take or immediately."""
        if not self._waits:
            raise Overloaded("no turn in time")
        await self._clock.sleep(deadline.remaining_s(self._clock))
        raise DeadlinePassed("the deadline passed while the request was scored")


@pytest.mark.parametrize(("waits", "reason"), [(False, "QUEUE_FULL"), (True, "DEADLINE")])
@virtual_time
async def test_a_shadow_without_room_or_time_is_skipped(waits: bool, reason: str) -> None:
    """The caller has its answer, and most of its time; the log says which request the shadow missed."""
    life = Life()
    policy = parse_policy(POLICY, name="p")
    life.shadow = Shadow(
        policy, assessor=BusyAssessor(policy, clock=life.clock, waits=waits), clock=life.clock
    )
    incoming, context = life.call(timeout_s=9.0)
    with capture_logs() as logs:
        answer = await life.pipeline().run(incoming, context)
    assert answer.text == "fine"
    (summary,) = life.summaries
    assert (summary.answer, summary.shadow) == (answer, None)
    assert context.attempt_log.elapsed_s <= TIME_SHARE * 9.0
    (line,) = [line for line in logs if line["event"] == "shadow.skipped"]
    assert (line["request_id"], line["reason"]) == ("r", reason)
