"""A slow beginning is hedged: within the chain and the budgets, and nothing of the loser lives on."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.answer import Answer, Chunk, Outcome, Restart, Usage
from gateway.domain.decision import Reason
from gateway.errors import BackendFailed, BackendInvalid, BackendRateLimited, GatewayError
from gateway.ledger.accounts import Totals
from gateway.ledger.memory import MemoryLedger
from gateway.policy.model import Backoff, ModelSpec, Resilience
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import (
    CLOUD,
    DOUBTFUL_EDGE,
    EDGE,
    UNSURE,
    WORST,
    Bench,
    a_budget,
    a_request,
    draft_of,
    told,
)
from tests.support.draws import examples
from tests.support.virtual_time import LoopClock, VirtualLoop, virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
COST = 10 * 1000 + 3 * 2000
AFTER_1 = Resilience(hedge_after=1.0)
FAST = [(Delay(0.2), reply("fast", usage=USAGE))]


def slow(seconds: float, text: str = "slow") -> list[Step]:
    """Return the script of a model that begins late."""
    return [(Delay(seconds), reply(text, usage=USAGE))]


def bench(**scripts: Sequence[Step]) -> Bench:
    """Return models that are hedged after a second."""
    return Bench(scripts, resilience=AFTER_1, budgets=[a_budget(100 * WORST)])


async def totals(tried: Bench) -> Totals:
    """Return the books when all is written."""
    await tried.dispatcher.drained()
    return await tried.ledger.totals()


@pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])
@virtual_time
async def test_the_first_to_begin_wins(is_streamed: bool) -> None:
    """The second model is asked after a second; it begins first, and the first one is ended and paid for."""
    tried = bench(cloud=slow(5.0), backup=FAST, third=FAST)
    chain = ("cloud", "backup", "third")
    events = await tried.stream(*chain) if is_streamed else [await tried.generate(*chain)]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.model) == ("fast", "backup")
    assert not [event for event in events if isinstance(event, Restart)]
    assert tried.clock.monotonic_s() == pytest.approx(1.2)
    assert sorted((a.model, a.outcome, a.start_ms, a.cost_usd_nanos) for a in answer.attempts) == [
        ("backup", Outcome.ANSWERED, pytest.approx(1000.0), COST),
        ("cloud", Outcome.CANCELLED, 0.0, WORST),
    ]
    assert answer.cost_usd_nanos == COST + WORST
    assert len(tried.backends["cloud"].stopped) == 1
    assert tried.called("third") == 0
    booked = await totals(tried)
    assert booked == Totals(settled_usd_nanos=COST, unknown_usd_nanos=WORST, held_usd_nanos=0)


@virtual_time
async def test_the_first_model_may_still_win() -> None:
    """Whoever begins first wins, and the hedge is what is ended then."""
    tried = bench(cloud=slow(2.0), backup=slow(3.0))
    answer = await tried.generate("cloud", "backup")
    assert {a.model: a.outcome for a in answer.attempts} == {
        "backup": Outcome.CANCELLED,
        "cloud": Outcome.ANSWERED,
    }
    assert tried.clock.monotonic_s() == pytest.approx(2.0)


@virtual_time
async def test_who_begins_in_time_is_not_hedged() -> None:
    """No second model is asked, however long the answer takes after its first text; the default is never."""
    long: list[Step] = [(Delay(0.5), Chunk(text="a "), Delay(5.0), reply("b", usage=USAGE))]
    tried = bench(cloud=long, backup=FAST)
    assert told(await tried.stream("cloud", "backup"))[-1] == "answer a b"
    assert tried.called("backup") == 0
    never = Bench({"cloud": slow(5.0), "backup": FAST})
    assert (await never.generate("cloud", "backup")).text == "slow"
    assert never.called("backup") == 0


@virtual_time
async def test_a_failure_of_one_leg_leaves_the_other() -> None:
    """Whoever fails meanwhile is noted; when both did, the next model is tried as always."""
    broken: Step = (Delay(0.5), BackendInvalid("backup", "401"))
    down: list[Step] = [(Delay(0.5), BackendRateLimited("backup", "429", retry_after_s=60.0))]
    tried = bench(cloud=slow(4.0), backup=down)
    answer = await tried.generate("cloud", "backup")
    assert [(a.model, a.reason) for a in answer.attempts] == [
        ("backup", Reason.RATE_LIMITED),
        ("cloud", None),
    ]
    late: list[Step] = [(Delay(2.0), BackendRateLimited("cloud", "429", retry_after_s=60.0))]
    tried = bench(cloud=late, backup=down, third=FAST)
    assert (await tried.generate("cloud", "backup", "third")).model == "third"
    tried = bench(cloud=slow(9.0), backup=[broken])
    answer = await tried.generate("cloud", "backup")
    assert [(a.model, a.outcome) for a in answer.attempts] == [
        ("backup", Outcome.FAILED),
        ("cloud", Outcome.ANSWERED),
    ]
    assert (await totals(tried)).held_usd_nanos == 0


@virtual_time
async def test_never_two_engines() -> None:
    """A request may be what ends an engine, so it is in one of them only; an engine and a cloud may race."""
    tried = bench(edge=slow(5.0), edge2=FAST)
    assert (await tried.generate("edge", "edge2")).model == "edge"
    assert tried.called("edge2") == 0
    tried = bench(edge=slow(5.0), cloud=FAST)
    assert (await tried.generate("edge", "cloud")).model == "cloud"


@virtual_time
async def test_nobody_is_left_to_hedge_with() -> None:
    """The last model of a chain is waited for, also where one before it has a second turn."""
    tried = Bench(
        {"edge": [draft_of([UNSURE] * 9)], "cloud": slow(5.0)},
        specs={"edge": DOUBTFUL_EDGE},
        resilience=AFTER_1,
    )
    answer = await tried.generate("edge", "cloud")
    assert (answer.text, tried.called("edge")) == ("slow", 1)


@virtual_time
async def test_the_callers_limit_counts_both() -> None:
    """A caller's own limit has room for what both may cost, or there is no second call."""
    for limit, hedged in ((2 * WORST - 1, 0), (2 * WORST, 1)):
        tried = bench(cloud=slow(5.0), backup=FAST)
        answer = await tried.generate("cloud", "backup", request=a_request(max_cost_usd_nanos=limit))
        assert tried.called("backup") == hedged
        assert answer.cost_usd_nanos <= limit


@virtual_time
async def test_p95_is_what_was_measured() -> None:
    """With p95 a model is hedged when it takes longer than nearly all of its answers did; not before five."""
    script: list[Step] = [*((Delay(0.1 * n), reply("x", usage=USAGE)) for n in range(1, 6)), slow(9.0)[0]]
    tried = Bench({"cloud": script, "backup": FAST}, resilience=Resilience(hedge_after="p95"))
    for _ in range(5):
        assert (await tried.generate("cloud", "backup")).model == "cloud"
    before_s = tried.clock.monotonic_s()
    assert (await tried.generate("cloud", "backup")).model == "backup"
    assert tried.clock.monotonic_s() - before_s == pytest.approx(0.5 + 0.2)
    # That call is one of those that were measured: it took longer than 0.7 s, so the next hedge is later.
    before_s = tried.clock.monotonic_s()
    assert (await tried.generate("cloud", "backup")).model == "backup"
    assert tried.clock.monotonic_s() - before_s == pytest.approx(0.7 + 0.2)


@pytest.mark.slow
@virtual_time
async def test_hedges_do_not_multiply_the_load() -> None:
    """They count as retries: with every answer late, providers get 1.2 calls a request at most."""
    tried = Bench({"cloud": slow(3.0), "backup": slow(3.0)}, resilience=AFTER_1)

    async def ask(at_s: float) -> None:
        await asyncio.sleep(at_s)
        await tried.generate("cloud", "backup")

    await asyncio.gather(*(ask(0.01 * n) for n in range(1_000)))
    assert 1_000 < tried.called("cloud") + tried.called("backup") <= 1_200


@virtual_time
async def test_a_caller_who_leaves_ends_both() -> None:
    """A cancelled call stops both models and holds nothing."""
    tried = bench(cloud=slow(50.0), backup=slow(50.0))
    asked = asyncio.create_task(tried.generate("cloud", "backup"))
    await asyncio.sleep(2.0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert len(tried.backends["cloud"].stopped) == len(tried.backends["backup"].stopped) == 1
    assert await totals(tried) == Totals(settled_usd_nanos=0, unknown_usd_nanos=2 * WORST, held_usd_nanos=0)


SECONDS = st.sampled_from([0.0, 0.3, 1.0, 1.5, 4.0, 40.0])
LEG = st.tuples(
    st.sampled_from(["cloud", "backup", "third", "edge"]),
    st.sampled_from(["answer", "failed", "limited", "invalid", "cut"]),
    SECONDS,
    SECONDS,
)


def step_of(name: str, kind: str, first_s: float, then_s: float) -> Step:
    """Return what a model does in one call."""
    match kind:
        case "answer":
            return (Delay(first_s), Chunk(text=name), Delay(then_s), reply(" all", usage=USAGE))
        case "cut":
            return (Delay(first_s), Chunk(text=name), Delay(then_s))
        case "limited":
            return (Delay(first_s), BackendRateLimited(name, "429", retry_after_s=then_s))
        case "invalid":
            return (Delay(first_s), BackendInvalid(name, "400"))
    return (Delay(first_s), BackendFailed(name, "500"))


@settings(max_examples=examples(300), deadline=None)
@given(
    legs=st.lists(LEG, min_size=1, max_size=4, unique_by=lambda leg: leg[0]),
    is_streamed=st.booleans(),
    timeout_s=st.sampled_from([0.06, 1.0, 3.0, 20.0]),
    leaves_s=st.none() | SECONDS,
    room=st.integers(min_value=0, max_value=5),
)
def test_no_leg_outlives_the_request_and_nothing_leaks(
    legs: list[tuple[str, str, float, float]],
    is_streamed: bool,
    timeout_s: float,
    leaves_s: float | None,
    room: int,
) -> None:
    """Whatever each model does and whenever the caller leaves: no task, hold or place is left over."""
    names = [leg[0] for leg in legs]
    specs: dict[str, ModelSpec] = {
        name: (EDGE if name == "edge" else CLOUD).model_copy(update={"concurrency": 1}) for name in names
    }
    resilience = Resilience(hedge_after=0.5, attempts=2, backoff_s=Backoff(first=0.2, max=1.0))

    async def run() -> None:
        tried = Bench(
            {leg[0]: [step_of(*leg)] for leg in legs},
            specs=specs,
            resilience=resilience,
            budgets=[a_budget(room * WORST)],
            ledger=MemoryLedger(clock=LoopClock()),
        )
        ask = tried.stream if is_streamed else tried.generate
        for _ in range(2):
            began_s = tried.clock.monotonic_s()
            asked = asyncio.ensure_future(ask(*names, timeout_s=timeout_s))
            if leaves_s is not None:
                asyncio.get_running_loop().call_later(leaves_s, asked.cancel)
            (ended,) = await asyncio.gather(asked, return_exceptions=True)
            assert not isinstance(ended, Exception) or isinstance(ended, GatewayError)
            await tried.dispatcher.drained()
            assert tried.clock.monotonic_s() - began_s <= timeout_s + 0.05
            assert len(asyncio.all_tasks()) == 1, "a leg lives on"
            booked = await tried.ledger.totals()
            assert booked.held_usd_nanos == 0
            assert booked.settled_usd_nanos + booked.unknown_usd_nanos <= room * WORST
            answer = ended[-1] if isinstance(ended, list) else ended
            if isinstance(answer, Answer):
                assert answer.cost_usd_nanos == sum(each.cost_usd_nanos for each in answer.attempts)
                assert {each.model for each in answer.attempts} <= set(names)
                answered = [a.model for a in answer.attempts if a.outcome is Outcome.ANSWERED]
                assert answered == ([] if answer.degraded else [answer.model])
        await asyncio.sleep(200.0)
        assert len(asyncio.all_tasks()) == 1

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())
