"""Identical requests in flight are answered by one call; each caller keeps its own deadline."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.dispatch.dispatcher import REPLY_RESERVE_S
from gateway.domain.answer import Answer, Attempt, CachedDelta, Chunk, Delta, Usage
from gateway.domain.cache_control import CacheControl
from gateway.domain.decision import Reason
from gateway.domain.delivery import Delivery
from gateway.domain.request import Hints
from gateway.errors import BackendUnreachable, DeadlinePassed, NotDegraded
from gateway.extras.cache.answer_cache import LookUp
from gateway.policy.caching import CachePolicy
from gateway.testing.scripted import Delay, Script, reply
from tests.support.cached_calls import GREEDY, CachedBench, CachedCaller
from tests.support.dispatch_doubles import Bench, a_budget
from tests.support.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
COST = 10 * 1000 + 3 * 2000
SLOW: Script = [[Delay(1.0), reply("one two three", usage=USAGE)]]
SHARED = CachePolicy(coalesce=True)


def bench_of(script: Script = SLOW, section: CachePolicy = SHARED) -> CachedBench:
    """Return a cache around one cloud model with a budget."""
    return CachedBench(Bench({"cloud": script}, budgets=[a_budget(10**12)]), section)


async def spent(bench: CachedBench) -> int:
    """Return what the ledger has charged, once nothing is held."""
    await bench.bench.dispatcher.drained()
    totals = await bench.bench.ledger.totals()
    assert totals.held_usd_nanos == 0
    return totals.settled_usd_nanos + totals.unknown_usd_nanos


def outcomes(attempts: tuple[Attempt, ...]) -> list[str]:
    """Return how tries ended."""
    return [str(each.outcome) for each in attempts]


@virtual_time
async def test_many_are_answered_by_one_call() -> None:
    """The first pays; the others have no attempts, no cost, and say so."""
    bench = bench_of()
    callers = [bench.caller("cloud") for _ in range(10)]
    answers = await asyncio.gather(*(each.answer() for each in callers))

    assert bench.bench.called("cloud") == 1
    assert {answer.text for answer in answers} == {"one two three"}
    assert [answer.cached_age_s for answer in answers] == [None, *[0.0] * 9]
    assert [answer.cost_usd_nanos for answer in answers] == [COST, *[0] * 9]
    assert [len(answer.attempts) for answer in answers] == [1, *[0] * 9]
    assert [len(each.log.attempts) for each in callers] == [1, *[0] * 9]
    assert all(answer.usage == USAGE for answer in answers)
    assert await spent(bench) == COST
    assert sorted(bench.looked_up) == [*[LookUp.JOINED] * 9, LookUp.MISS]


@virtual_time
async def test_it_is_off_by_default() -> None:
    """A policy that only keeps answers makes a call for each request in flight."""
    bench = bench_of(section=CachePolicy())
    await asyncio.gather(*(bench.caller("cloud").answer() for _ in range(3)))

    assert bench.bench.called("cloud") == 3


@virtual_time
async def test_who_comes_later_gets_the_stream_from_its_beginning() -> None:
    """The first piece says that it was made for somebody else."""
    bench = bench_of([[Chunk(text="one "), Delay(5.0), reply("two")]])
    first, later = bench.caller("cloud"), bench.caller("cloud")
    asking = first.asking()
    await asyncio.sleep(2.0)
    assert len(first.told) == 1
    answers = await asyncio.gather(asking, later.answer())

    assert bench.bench.called("cloud") == 1
    texts = [[event.text for event in each.told if isinstance(event, Delta)] for each in (first, later)]
    assert texts == [["one ", "two"], ["one ", "two"]]
    assert [type(each.told[0]) for each in (first, later)] == [Delta, CachedDelta]
    assert answers[0].text == answers[1].text == "one two"


@virtual_time
async def test_the_call_goes_on_when_the_first_leaves() -> None:
    """The next one pays for all of it: its record has the attempt and the cost."""
    bench = bench_of()
    first, second, third = (bench.caller("cloud") for _ in range(3))
    asking = [each.asking() for each in (first, second, third)]
    await asyncio.sleep(0.5)
    asking[0].cancel()
    await asyncio.wait({asking[0]})
    assert first.log.attempts == ()
    answers = await asyncio.gather(*asking[1:])

    assert bench.bench.called("cloud") == 1
    assert bench.bench.backends["cloud"].stopped == []
    assert [answer.cost_usd_nanos for answer in answers] == [COST, 0]
    assert [answer.cached_age_s for answer in answers] == [None, 0.0]
    assert outcomes(answers[0].attempts) == outcomes(second.log.attempts) == ["ANSWERED"]
    assert third.log.attempts == ()
    assert await spent(bench) == COST


@virtual_time
async def test_it_ends_when_the_last_one_leaves() -> None:
    """The model is stopped and the ledger settled before the last caller is gone; its record says so."""
    bench = bench_of()
    first, second = bench.caller("cloud"), bench.caller("cloud")
    asking = [each.asking() for each in (first, second)]
    await asyncio.sleep(0.5)
    asking[0].cancel()
    await asyncio.wait({asking[0]})
    assert bench.bench.backends["cloud"].stopped == []
    assert first.log.attempts == ()
    asking[1].cancel()
    await asyncio.wait({asking[1]})

    assert len(bench.bench.backends["cloud"].stopped) == 1
    assert outcomes(second.log.attempts) == ["CANCELLED"]
    assert await spent(bench) == second.log.cost_usd_nanos > 0

    again = await bench.caller("cloud").answer()
    assert again.text == "one two three"
    assert bench.bench.called("cloud") == 2


@virtual_time
async def test_a_caller_leaves_at_its_own_deadline() -> None:
    """The others are not disturbed."""
    bench = bench_of()
    first, hurried = bench.caller("cloud"), bench.caller("cloud", timeout_s=0.5)
    asking = first.asking()
    await asyncio.sleep(0.1)
    with pytest.raises(DeadlinePassed):
        await hurried.answer()

    assert asyncio.get_running_loop().time() == pytest.approx(0.5 - REPLY_RESERVE_S)
    assert hurried.log.attempts == ()
    assert (await asking).text == "one two three"


@virtual_time
async def test_who_has_more_time_than_the_first_goes_on() -> None:
    """The call ends with the deadline of the first; those with time for another share that one."""
    bench = bench_of()
    hurried = bench.caller("cloud", timeout_s=0.5)
    patient = [bench.caller("cloud", timeout_s=10.0) for _ in range(3)]
    asking = [each.asking() for each in (hurried, *patient)]
    with pytest.raises(DeadlinePassed):
        await asking[0]
    answers = await asyncio.gather(*asking[1:])

    assert {answer.text for answer in answers} == {"one two three"}
    assert bench.bench.called("cloud") == 2
    assert sum(answer.cost_usd_nanos for answer in answers) == COST
    assert [answer.cached_age_s for answer in answers].count(0.0) == 2


@virtual_time
async def test_no_call_is_begun_for_less_time_than_was_in_vain() -> None:
    """What cannot finish is not started: a call of the same length has just failed for time."""
    bench = bench_of()
    asking = [bench.caller("cloud", timeout_s=each).asking() for each in (0.5, 0.7)]
    with pytest.raises(DeadlinePassed):
        await asking[0]
    with pytest.raises(DeadlinePassed):
        await asking[1]

    assert bench.bench.called("cloud") == 1


@pytest.mark.parametrize("delivery", [Delivery.PIECES, Delivery.WHOLE])
@virtual_time
async def test_a_failure_is_one_of_all(delivery: Delivery) -> None:
    """Each is told of it as if the call were its own, and its tries are in the record of the first."""
    bench = bench_of([[Delay(1.0), BackendUnreachable("cloud", "no connection")]])
    request = replace(GREEDY, hints=Hints(allow_degraded=False))
    callers = [bench.caller("cloud", request=request, delivery=delivery) for _ in range(3)]
    failures = await asyncio.gather(*(each.answer() for each in callers), return_exceptions=True)

    assert [type(each) for each in failures] == [NotDegraded] * 3
    assert {each.reason for each in failures if isinstance(each, NotDegraded)} == {
        Reason.UPSTREAM_UNREACHABLE
    }
    assert len(callers[0].log.attempts) == bench.bench.called("cloud") == 3
    assert callers[1].log.attempts == callers[2].log.attempts == ()


@virtual_time
async def test_a_canned_reply_is_one_of_all() -> None:
    """It stays what it is, and is kept by nobody."""
    bench = bench_of([[Delay(1.0), BackendUnreachable("cloud", "no connection")]])
    answers = await asyncio.gather(*(bench.caller("cloud").answer() for _ in range(2)))
    calls = bench.bench.called("cloud")
    await bench.caller("cloud").answer()

    assert all(isinstance(each, Answer) and each.degraded is not None for each in answers)
    assert calls == 3
    assert bench.bench.called("cloud") > calls


@virtual_time
async def test_a_defect_is_one_of_all() -> None:
    """Nobody waits for ever."""
    bench = bench_of([[Delay(1.0), RuntimeError("a defect")]])
    failures = await asyncio.gather(
        *(bench.caller("cloud").answer() for _ in range(2)), return_exceptions=True
    )

    assert [type(each) for each in failures] == [RuntimeError] * 2


@pytest.mark.parametrize(
    "others",
    [
        {"request": replace(GREEDY, tenant="other")},
        {"request": replace(GREEDY, labels={"team": "x"})},
        {"request": replace(GREEDY, key_name="ci")},
        {"request": replace(GREEDY, hints=Hints(max_cost_usd_nanos=10**9))},
        {"request": replace(GREEDY, config=replace(GREEDY.config, max_tokens=99))},
        {"request": replace(GREEDY, config=replace(GREEDY.config, temperature=0.5))},
        {"control": CacheControl(max_age_s=0.0)},
        {"delivery": Delivery.WHOLE},
    ],
)
@virtual_time
async def test_others_make_a_call_of_their_own(others: dict[str, Any]) -> None:
    """Another tenant or budget, another request, another way of taking the answer, or `no-cache`."""
    bench = bench_of()
    callers: list[CachedCaller] = [bench.caller("cloud"), bench.caller("cloud", **others)]
    answers = await asyncio.gather(*(each.answer() for each in callers))

    assert bench.bench.called("cloud") == 2
    assert [answer.cached_age_s for answer in answers] == [None, None]


@virtual_time
async def test_a_sample_is_never_shared() -> None:
    """Whoever asks several times for a sample wants several."""
    bench = bench_of()
    sampled = replace(GREEDY, config=replace(GREEDY.config, temperature=0.7))
    await asyncio.gather(*(bench.caller("cloud", request=sampled).answer() for _ in range(2)))

    assert bench.bench.called("cloud") == 2
    assert bench.looked_up == []


@virtual_time
async def test_calls_that_are_over_are_forgotten() -> None:
    """Nothing is held for requests that were answered."""
    bench = bench_of()
    await asyncio.gather(*(bench.caller("cloud").answer() for _ in range(4)))
    await bench.cache.drain()

    assert bench.cache.in_flight == 0
