"""Money: the worst case is reserved before a call, and every call is settled, released or charged in full."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.clock import Deadline
from gateway.dispatch.budget import LEDGER_CALLS
from gateway.dispatch.layer import most_tokens
from gateway.domain.answer import Answer, Chunk, FinishReason, Outcome, Route, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.request import GenerationConfig
from gateway.errors import (
    BackendFailed,
    BackendInvalid,
    BackendReset,
    EngineDown,
    LedgerUnavailable,
    NotDegraded,
    StreamTruncated,
)
from gateway.ledger.accounts import Account, Totals
from gateway.ledger.memory import MemoryLedger
from gateway.policy.model import Budget, Resilience
from gateway.testing.scripted import Act, Delay, reply
from tests.support.dispatch_doubles import CLOUD, WORST, Bench, a_budget, a_decision, a_request
from tests.support.virtual_time import LoopClock, virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
COST = 10 * 1000 + 3 * 2000
OK = reply("fine", usage=USAGE)
ONCE = Resilience(attempts=1)
AMPLE = [a_budget(100 * WORST)]


def sums(*, settled: int = 0, unknown: int = 0, held: int = 0) -> Totals:
    """Return totals."""
    return Totals(settled_usd_nanos=settled, unknown_usd_nanos=unknown, held_usd_nanos=held)


@pytest.mark.parametrize(
    ("act", "totals"),
    [
        (OK, sums(settled=COST)),
        (reply("fine"), sums(unknown=WORST)),  # An answer without usage.
        (BackendFailed("cloud", "500"), sums()),
        (BackendInvalid("cloud", "400"), sums()),
        (BackendReset("cloud", "reset"), sums(unknown=WORST)),
        (Delay(1e6), sums(unknown=WORST)),  # A timeout.
    ],
)
@virtual_time
async def test_outcome(act: Act, totals: Totals) -> None:
    """Usage: settled. Refused: released. Nobody knows: charged in full. The attempt says the same."""
    bench = Bench({"cloud": [act]}, budgets=AMPLE, resilience=ONCE)
    try:
        attempts = (await bench.generate("cloud")).attempts
    except BackendInvalid as error:
        attempts = error.attempts
    assert await bench.ledger.totals() == totals
    assert attempts[0].cost_usd_nanos == totals.settled_usd_nanos + totals.unknown_usd_nanos


@pytest.mark.parametrize(
    ("acts", "totals"),
    [
        ((OK,), sums(settled=COST)),
        ((Chunk(text="a"), StreamTruncated("cloud", "cut")), sums(unknown=WORST)),
        ((Chunk(text="a"), BackendFailed("cloud", "500")), sums(unknown=WORST)),  # It had begun.
        ((Chunk(text="a", usage=USAGE), StreamTruncated("cloud", "cut")), sums(settled=COST)),
        ((Chunk(text="a"), Delay(1e6)), sums(unknown=WORST)),  # A stall.
        ((Chunk(), BackendFailed("cloud", "500")), sums(unknown=WORST)),  # An empty piece is output, too.
        ((Chunk(text="a"), Chunk(usage=USAGE), Delay(1e6)), sums(settled=COST)),
    ],
)
@virtual_time
async def test_streamed_outcome(acts: Sequence[Act], totals: Totals) -> None:
    """A stream is charged by its usage if it came, in full if it had begun without one."""
    bench = Bench({"cloud": [acts]}, budgets=AMPLE, resilience=ONCE)
    await bench.stream("cloud")
    assert await bench.ledger.totals() == totals


@virtual_time
async def test_held_while_it_runs() -> None:
    """The worst case is reserved while the call runs, and given back after it."""
    bench = Bench({"cloud": [(Delay(1.0), OK)]}, budgets=AMPLE)
    task = asyncio.ensure_future(bench.generate("cloud"))
    await asyncio.sleep(0.5)
    assert await bench.ledger.totals() == sums(held=WORST)
    assert (await task).cost_usd_nanos == COST
    assert await bench.ledger.totals() == sums(settled=COST)


@virtual_time
async def test_no_room() -> None:
    """A call that would pass the cap is not made: the next model answers, and the attempt says why."""
    bench = Bench({"cloud": [OK], "edge": [OK]}, budgets=[a_budget(WORST - 1)])
    answer = await bench.generate("cloud", "edge")
    assert answer.route is Route.LOCAL
    assert [(attempt.outcome, attempt.reason) for attempt in answer.attempts] == [
        (Outcome.REFUSED, Reason.BUDGET_EXHAUSTED),
        (Outcome.ANSWERED, None),
    ]
    assert bench.called("cloud") == 0


@virtual_time
async def test_exactly_enough_room() -> None:
    """A call that just fits is made."""
    bench = Bench({"cloud": [OK]}, budgets=[a_budget(WORST)])
    assert (await bench.generate("cloud")).route is Route.CLOUD


@virtual_time
async def test_used_up() -> None:
    """When the budget is why nobody answered, the canned reply says so, or the error says when it resets."""
    bench = Bench({"cloud": [OK]}, budgets=[a_budget(0)])
    answer = await bench.generate("cloud")
    assert answer.degraded is not None
    assert (answer.degraded.reason, answer.degraded.canned_id) == (Reason.BUDGET_EXHAUSTED, "over-budget")
    with pytest.raises(NotDegraded) as caught:
        await bench.generate("cloud", request=a_request(allow_degraded=False))
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    unix_s = bench.clock.unix_s()
    assert caught.value.retry_after_s == pytest.approx(86_400 - unix_s % 86_400)


@pytest.mark.parametrize("budgets", [[], AMPLE], ids=["no budget", "a budget"])
@pytest.mark.parametrize(
    ("limit", "calls", "route"),
    [
        (WORST - 1, 0, Route.CANNED),
        (WORST, 1, Route.CANNED),  # The first call is charged in full, so a second one has no room.
        (2 * WORST, 2, Route.CLOUD),
    ],
)
@virtual_time
async def test_callers_limit(budgets: Sequence[Budget], limit: int, calls: int, route: Route) -> None:
    """The caller's own limit holds over all tries of the request, also where no budget applies."""
    bench = Bench({"cloud": [BackendReset("cloud", "x"), OK]}, budgets=budgets)
    answer = await bench.generate("cloud", request=a_request(max_cost_usd_nanos=limit))
    assert (bench.called("cloud"), answer.route) == (calls, route)
    assert answer.cost_usd_nanos <= limit


@virtual_time
async def test_cost_is_that_of_all_attempts() -> None:
    """An answer costs what all its attempts were charged."""
    bench = Bench({"cloud": [BackendReset("cloud", "x"), OK]}, budgets=AMPLE)
    answer = await bench.generate("cloud")
    assert [attempt.cost_usd_nanos for attempt in answer.attempts] == [WORST, COST]
    assert answer.cost_usd_nanos == WORST + COST
    assert [attempt.usage for attempt in answer.attempts] == [None, USAGE]


class BrokenLedger(MemoryLedger):
    """A ledger whose store fails at one step, or takes its time for it."""

    def __init__(self, *, broken: str, delay_s: float = 0.0) -> None:
        super().__init__(clock=LoopClock())
        self.broken = broken
        self.delay_s = delay_s
        self.asked: list[str] = []

    async def _step(self, name: str) -> None:
        self.asked.append(name)
        if name == self.broken:
            await asyncio.sleep(self.delay_s)
            if not self.delay_s:
                raise LedgerUnavailable("cloud", "down")

    async def reserve(
        self,
        *,
        reservation_id: str,
        model: str,
        accounts: Sequence[Account],
        amount_usd_nanos: int,
        expires_unix_s: float,
    ) -> None:
        """Fail, or reserve."""
        await self._step("reserve")
        await super().reserve(
            reservation_id=reservation_id,
            model=model,
            accounts=accounts,
            amount_usd_nanos=amount_usd_nanos,
            expires_unix_s=expires_unix_s,
        )

    async def dial(self, reservation_id: str) -> None:
        """Fail, or note it."""
        await self._step("dial")
        await super().dial(reservation_id)

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Fail, or settle."""
        await self._step("settle")
        await super().settle(reservation_id, cost_usd_nanos)


@pytest.mark.parametrize("broken", ["reserve", "dial"])
@virtual_time
async def test_without_store(broken: str) -> None:
    """Without its store no priced model is called; local models go on."""
    ledger = BrokenLedger(broken=broken)
    bench = Bench({"cloud": [OK], "edge": [OK]}, budgets=AMPLE, ledger=ledger)
    assert (await bench.generate("edge", "cloud")).model == "edge"
    assert ledger.asked == []
    answer = await bench.generate("cloud")
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.LEDGER_UNAVAILABLE
    assert answer.attempts[0].outcome is Outcome.REFUSED
    assert bench.called("cloud") == 0


@pytest.mark.parametrize("broken", ["reserve", "dial"])
@virtual_time
async def test_store_that_hangs(broken: str) -> None:
    """A store that hangs leaves time for the next model, and keeps nothing in the end."""
    ledger = BrokenLedger(broken=broken, delay_s=20.0)
    bench = Bench({"cloud": [OK], "edge": [OK]}, budgets=AMPLE, ledger=ledger)
    answer = await bench.generate("cloud", "edge", timeout_s=10.0)
    assert answer.model == "edge"
    assert answer.attempts[0].reason is Reason.LEDGER_UNAVAILABLE
    assert bench.called("cloud") == 0
    await bench.dispatcher.drained()
    assert await ledger.totals() == sums()


@virtual_time
async def test_answer_is_not_lost_when_settling_fails() -> None:
    """When the store fails after the answer, the answer is given, and the money stays charged in full."""
    bench = Bench({"cloud": [OK]}, budgets=AMPLE, ledger=BrokenLedger(broken="settle"))
    answer = await bench.generate("cloud", timeout_s=10.0)
    assert (answer.text, answer.cost_usd_nanos) == ("fine", COST)
    await asyncio.sleep(20.0)
    assert await bench.ledger.totals() == sums(unknown=WORST)


@virtual_time
async def test_slow_settling_does_not_outlive_the_deadline() -> None:
    """The caller does not wait for a slow store beyond the deadline; what is to be written is written."""
    bench = Bench({"cloud": [OK]}, budgets=AMPLE, ledger=BrokenLedger(broken="settle", delay_s=12.0))
    answer = await bench.generate("cloud", timeout_s=10.0)
    assert answer.text == "fine"
    assert bench.clock.monotonic_s() <= 10.0
    await bench.dispatcher.drained()
    assert await bench.ledger.totals() == sums(settled=COST)


@pytest.mark.parametrize("broken", ["reserve", "dial"])
@virtual_time
async def test_cancel_while_reserving(broken: str) -> None:
    """A caller who leaves while the reservation is made leaves nothing behind."""
    ledger = BrokenLedger(broken=broken, delay_s=2.0)
    bench = Bench({"cloud": [OK]}, budgets=AMPLE, ledger=ledger)
    task = asyncio.ensure_future(bench.generate("cloud"))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.dispatcher.drained()
    assert await ledger.totals() == sums()
    assert bench.called("cloud") == 0


class CancellingLedger(MemoryLedger):
    """A ledger whose caller leaves at the very moment when the reservation is complete."""

    caller: "asyncio.Task[Answer]"

    async def dial(self, reservation_id: str) -> None:
        """Note it, and cancel the caller."""
        await super().dial(reservation_id)
        self.caller.cancel()


@virtual_time
async def test_cancel_at_the_last_moment() -> None:
    """A caller who leaves between the reservation and the call leaves nothing behind, either."""
    ledger = CancellingLedger(clock=LoopClock())
    bench = Bench({"cloud": [OK]}, budgets=AMPLE, ledger=ledger)
    ledger.caller = asyncio.ensure_future(bench.generate("cloud"))
    with pytest.raises(asyncio.CancelledError):
        await ledger.caller
    await bench.dispatcher.drained()
    assert await ledger.totals() == sums()
    assert bench.called("cloud") == 0


@pytest.mark.parametrize(
    ("acts", "totals"),
    [
        ((Delay(1e6),), sums(unknown=WORST)),
        ((Chunk(text="a"), Delay(9.0)), sums(unknown=WORST)),
        ((Chunk(text="a", usage=USAGE), Delay(9.0)), sums(settled=COST)),
    ],
)
@virtual_time
async def test_cancel_after_dial(acts: Sequence[Act], totals: Totals) -> None:
    """A caller who leaves after the call began is charged by the usage if it is known, else in full."""
    bench = Bench({"cloud": [acts]}, budgets=AMPLE)
    task = asyncio.ensure_future(bench.stream("cloud"))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.dispatcher.drained()
    assert await bench.ledger.totals() == totals


@virtual_time
async def test_impatient_cancel() -> None:
    """Even a caller who cancels again and again cannot stop what has to be written."""
    bench = Bench({"cloud": [OK]}, budgets=AMPLE, ledger=BrokenLedger(broken="settle", delay_s=2.0))
    task = asyncio.ensure_future(bench.generate("cloud"))
    for _ in range(3):
        await asyncio.sleep(0.5)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.dispatcher.drained()
    assert await bench.ledger.totals() == sums(settled=COST)


@virtual_time
async def test_closed_stream_is_settled() -> None:
    """Closing a stream settles it before `aclose` returns."""
    last = Chunk(text="b", finish_reason=FinishReason.STOP, usage=USAGE)
    bench = Bench({"cloud": [(Chunk(text="a"), last)]}, budgets=AMPLE)
    events = bench.dispatcher.stream(
        a_request(), a_decision("cloud"), policy=bench.policy, deadline=Deadline.after(60.0, bench.clock)
    )
    await anext(events)
    await anext(events)
    await events.aclose()
    assert await bench.ledger.totals() == sums(settled=COST)


@virtual_time
async def test_without_a_price_nothing_is_reserved() -> None:
    """A model without a price never meets the ledger, even with a budget that is used up."""
    free = CLOUD.model_copy(update={"price_per_million_usd": None, "place": "edge"})
    ledger = BrokenLedger(broken="reserve")
    bench = Bench(
        {"own": [OK], "edge": [EngineDown("edge", "x")]},
        specs={"own": free},
        budgets=[a_budget(0)],
        ledger=ledger,
    )
    answer = await bench.generate("edge", "own", request=a_request(max_cost_usd_nanos=0))
    assert (answer.route, answer.cost_usd_nanos, answer.usage) == (Route.LOCAL, 0, USAGE)
    assert ledger.asked == []


@pytest.mark.parametrize(
    ("max_tokens", "prompt", "most"),
    [
        (100, "a", 100),
        (None, "a", 1024),
        (1_000_000, "a", 4096),
        (1_000_000, "a" * 8_000, 3096),
        (9, "a" * 99_999, 1),
    ],
)
def test_no_more_is_reserved_than_the_context_leaves(max_tokens: int | None, prompt: str, most: int) -> None:
    """A limit above the context, or the model's own, is reserved and sent as what that surely leaves."""
    request = replace(
        a_request(),
        messages=(Message(role=Role.USER, content=prompt),),
        config=GenerationConfig(max_tokens=max_tokens),
    )
    spec = CLOUD.model_copy(update={"context": 4096})
    assert most_tokens(request, spec) == most
    assert most_tokens(request, spec.model_copy(update={"max_output_tokens": 200})) == min(most, 200)


class SlowLedger(MemoryLedger):
    """A ledger that takes a second for a reservation, and notes how many it has at the same moment."""

    def __init__(self) -> None:
        super().__init__(clock=LoopClock())
        self.reserving: list[str] = []
        self.most = 0
        self.begun = 0

    async def reserve(
        self,
        *,
        reservation_id: str,
        model: str,
        accounts: Sequence[Account],
        amount_usd_nanos: int,
        expires_unix_s: float,
    ) -> None:
        """Reserve, after a second."""
        self.begun += 1
        self.reserving.append(reservation_id)
        self.most = max(self.most, len(self.reserving))
        await asyncio.sleep(1.0)
        self.reserving.remove(reservation_id)
        await super().reserve(
            reservation_id=reservation_id,
            model=model,
            accounts=accounts,
            amount_usd_nanos=amount_usd_nanos,
            expires_unix_s=expires_unix_s,
        )


@virtual_time
async def test_tenants_take_turns_at_the_ledger() -> None:
    """Of a tenant's burst a few reserve at the same moment; another tenant waits for none of them."""
    ledger = SlowLedger()
    bench = Bench({"cloud": [OK] * 101}, budgets=AMPLE, ledger=ledger)
    burst = [
        asyncio.ensure_future(bench.generate("cloud", request=a_request(tenant="eve"))) for _ in range(100)
    ]
    await asyncio.sleep(0.5)
    began_s = LoopClock().monotonic_s()
    await bench.generate("cloud", request=a_request(tenant="acme"))
    assert LoopClock().monotonic_s() - began_s == pytest.approx(1.0)
    await asyncio.gather(*burst)
    await bench.dispatcher.drained()
    assert ledger.most == LEDGER_CALLS.tenant_concurrency + 1


@virtual_time
async def test_who_leaves_before_its_turn_at_the_ledger_reserves_nothing() -> None:
    """A burst that is cancelled leaves to the ledger only what it had begun."""
    ledger = SlowLedger()
    bench = Bench({"cloud": [OK] * 100}, budgets=AMPLE, ledger=ledger)
    burst = [asyncio.ensure_future(bench.generate("cloud")) for _ in range(100)]
    await asyncio.sleep(0.5)
    for call in burst:
        call.cancel()
    await asyncio.gather(*burst, return_exceptions=True)
    await bench.dispatcher.drained()
    assert ledger.begun == LEDGER_CALLS.tenant_concurrency
    assert await ledger.totals() == sums()
