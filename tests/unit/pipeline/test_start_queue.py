"""Calls begin one after the other, tenants in turn, and what has begun goes on between two of them."""

import asyncio
from itertools import pairwise

import pytest

from gateway.clock import Deadline
from gateway.errors import Overloaded
from gateway.pipeline.start_queue import (
    ALONE_S,
    BURST,
    BURST_LOOK_S,
    BURST_QUEUE,
    MOST_S,
    QUEUE,
    REST,
    StartQueue,
)
from tests.support.fakes import FakeClock
from tests.support.virtual_time import LoopClock, virtual_time


class BusyClock(FakeClock):
    """A clock of a loop that is busy: each look at it finds that time has passed."""

    step_s = 0.0004

    def monotonic_s(self) -> float:
        """Pass some time, and return it."""
        self.now_s += self.step_s
        return self.now_s


class WorkingClock(LoopClock):
    """The loop's clock, which also moves when a test does some work."""

    worked_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds of the loop and of the work."""
        return super().monotonic_s() + self.worked_s


def _later(clock: FakeClock) -> Deadline:
    return Deadline.after(60.0, clock)


async def _begin(queue: StartQueue, clock: FakeClock, tenant: str, begun: list[str]) -> None:
    await queue.turn(tenant, _later(clock))
    begun.append(tenant)


async def test_a_burst_of_one_tenant_delays_no_other() -> None:
    """Behind a hundred calls of one tenant the first call of another begins after a few."""
    clock, begun = FakeClock(), list[str]()
    queue = StartQueue(clock)
    calls = [asyncio.create_task(_begin(queue, clock, "eve", begun)) for _ in range(100)]
    await asyncio.sleep(0)
    before = len(begun)
    calls.append(asyncio.create_task(_begin(queue, clock, "acme", begun)))
    await asyncio.gather(*calls)
    assert before == 1
    assert begun.index("acme") <= 3
    assert len(begun) == 101


@pytest.mark.parametrize(("clock", "least"), [(FakeClock(), 1), (BusyClock(), 4)])
async def test_the_loop_goes_round_between_two_calls(clock: FakeClock, least: int) -> None:
    """No two calls begin in the same round of the loop; on a busy loop several rounds are between them."""
    queue, begun, rounds, seen = StartQueue(clock), list[str](), 0, list[int]()

    async def call() -> None:
        await queue.turn("eve", _later(clock))
        begun.append("eve")
        seen.append(rounds)

    calls = asyncio.gather(*(call() for _ in range(10)))
    while not calls.done():
        rounds += 1
        await asyncio.sleep(0)
    gaps = [after - before for before, after in pairwise(seen)]
    assert len(begun) == 10
    assert min(gaps[1:]) >= least  # Behind the first one nobody waited yet.


async def test_a_busy_loop_holds_no_call_back_for_long() -> None:
    """However much else there is to do, the next call begins after MOST_S."""
    clock, times = BusyClock(), list[float]()
    queue = StartQueue(clock)

    async def call() -> None:
        await queue.turn("eve", _later(clock))
        times.append(clock.now_s)

    await asyncio.gather(*(call() for _ in range(10)))
    gaps = [after - before for before, after in pairwise(times)]
    assert (
        MOST_S < max(gaps[1:]) < MOST_S + 10 * clock.step_s
    )  # The first one took the time of all that came.


async def test_who_leaves_while_it_waits_costs_no_turn() -> None:
    """Calls that are cancelled before they begin do nothing, and the others go on."""
    clock, begun = FakeClock(), list[str]()
    queue = StartQueue(clock)
    left = [asyncio.create_task(_begin(queue, clock, "eve", begun)) for _ in range(50)]
    stays = asyncio.create_task(_begin(queue, clock, "eve", begun))
    await asyncio.sleep(0)
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await stays
    assert len(begun) == 2


async def test_who_has_no_turn_in_time_is_told() -> None:
    """It is refused before anything was done for it."""
    clock, begun = FakeClock(), list[str]()
    queue = StartQueue(clock)
    await queue.turn("eve", _later(clock))
    with pytest.raises(Overloaded) as refused:
        await queue.turn("eve", Deadline.after(0.0, clock))
    assert refused.value.retry_after_s is not None
    await _begin(queue, clock, "eve", begun)
    assert begun == ["eve"]


@virtual_time
async def test_a_tenant_rests_while_others_call() -> None:
    """Behind each of its calls it leaves others half of the time that this took; alone it leaves none."""
    clock, loop = WorkingClock(), asyncio.get_running_loop()
    queue = StartQueue(clock)

    async def call(tenant: str) -> float:
        await queue.turn(tenant, Deadline.after(60.0, clock))
        clock.worked_s += 2 * MOST_S
        return loop.time()

    alone = await asyncio.gather(call("eve"), call("eve"))
    assert alone[1] - alone[0] == 0.0
    await call("acme")
    await asyncio.sleep(ALONE_S / 2)
    beside = await asyncio.gather(call("eve"), call("acme"), call("eve"))
    # The round in which it began was that of the other's call, too.
    assert REST * 2 * MOST_S - 0.001 <= beside[2] - beside[0] <= REST * 4 * MOST_S + 0.001
    assert beside[1] < beside[2]
    await asyncio.sleep(2 * ALONE_S)
    again = await asyncio.gather(call("eve"), call("eve"))
    assert again[1] - again[0] == 0.0


@virtual_time
@pytest.mark.parametrize(("per_look", "waits"), [(BURST, True), (BURST - 1, False)])
async def test_a_burst_is_taken_in_before_its_calls_begin(per_look: int, waits: bool) -> None:
    """While a tenant's calls come in faster than any could begin, none begins; then all do, in order."""
    clock = LoopClock()
    queue, begun, calls = StartQueue(clock), list[int](), list[asyncio.Task[None]]()

    async def call(number: int) -> None:
        await queue.turn("eve", Deadline.after(60.0, clock))
        begun.append(number)

    def arrive(count: int) -> None:
        for _ in range(count):
            calls.append(asyncio.create_task(call(len(calls))))

    await queue.turn("acme", _later(FakeClock()))
    await queue.turn("eve", _later(FakeClock()))
    arrive(2 * BURST_QUEUE)
    await asyncio.sleep(BURST_LOOK_S / 2)
    before = len(begun)
    for _ in range(50):
        arrive(per_look)
        await asyncio.sleep(BURST_LOOK_S)
    assert (len(begun) == before) is waits
    await asyncio.gather(*calls)
    assert begun == sorted(begun)
    assert len(begun) == len(calls)


@virtual_time
async def test_a_burst_that_never_ends_is_refused_and_begins() -> None:
    """Of a full queue the newest go, so that it grows no more; those that came first begin."""
    clock = LoopClock()
    queue, begun = StartQueue(clock), list[str]()
    calls = [asyncio.create_task(_begin_later(queue, clock, begun)) for _ in range(QUEUE + 100)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in results if isinstance(each, Overloaded)]
    assert len(refused) + len(begun) == len(calls)
    assert len(refused) == 99  # One has the turn, and QUEUE wait.


async def _begin_later(queue: StartQueue, clock: LoopClock, begun: list[str]) -> None:
    await queue.turn("eve", Deadline.after(600.0, clock))
    begun.append("eve")
