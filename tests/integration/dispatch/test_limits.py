"""What runs at once is bounded, what waits is bounded, and no tenant starves another."""

import asyncio
import random
from collections import Counter

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.domain.answer import Answer, Outcome
from gateway.domain.decision import Reason
from gateway.errors import NotDegraded, Overloaded
from gateway.policy.limits import Limits
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.dispatch_doubles import CLOUD, Bench, a_request
from tests.support.draws import examples
from tests.support.served import served
from tests.support.virtual_time import LoopClock, VirtualLoop, virtual_time

ONE = CLOUD.model_copy(update={"concurrency": 1})
ARRIVAL = st.tuples(
    st.sampled_from("abc"),
    st.floats(min_value=0.0, max_value=5.0),
    st.floats(min_value=0.0, max_value=3.0),
    st.floats(min_value=0.0, max_value=4.0),
    st.none() | st.floats(min_value=0.0, max_value=6.0),
)


@settings(max_examples=examples(200), deadline=None)
@given(
    arrivals=st.lists(ARRIVAL, max_size=30),
    bounds=st.builds(
        Bounds, concurrency=st.integers(1, 4), tenant_concurrency=st.integers(1, 4), queue=st.integers(0, 6)
    ),
)
def test_bounds_hold(arrivals: list[tuple[str, float, float, float, float | None]], bounds: Bounds) -> None:
    """Whoever comes, stays, leaves or is cancelled: bounds hold, nobody waits too long, nothing leaks."""
    inside: Counter[str] = Counter()
    refused_s: list[float] = []

    async def come(gate: FairQueue, tenant: str, at_s: float, stays_s: float, patience_s: float) -> None:
        await asyncio.sleep(at_s)
        until = Deadline.after(patience_s, LoopClock())
        try:
            async with gate.slot(tenant, bounds=bounds, until=until):
                inside[tenant] += 1
                assert LoopClock().monotonic_s() <= until.at_s + 1e-6
                # Whoever was let in counts from that moment on, a turn of the loop before it goes on.
                assert inside.total() <= gate.running <= bounds.concurrency
                assert inside[tenant] <= bounds.tenant_concurrency
                assert gate.queued <= bounds.queue
                try:
                    await asyncio.sleep(stays_s)
                finally:
                    inside[tenant] -= 1
        except NoSlot:
            refused_s.append(LoopClock().monotonic_s() - until.at_s)

    async def run() -> None:
        gate = FairQueue(LoopClock())
        loop = asyncio.get_running_loop()
        tasks = []
        for tenant, at_s, stays_s, patience_s, leaves_s in arrivals:
            tasks.append(asyncio.create_task(come(gate, tenant, at_s, stays_s, patience_s)))
            if leaves_s is not None:
                loop.call_later(leaves_s, tasks[-1].cancel)
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert ended is None or isinstance(ended, asyncio.CancelledError), ended
        assert (gate.running, gate.queued, inside.total()) == (0, 0, 0)
        assert max(refused_s, default=0.0) <= 1e-6

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())


@pytest.mark.parametrize("queue", [8, 1000])
@virtual_time
async def test_a_flood_starves_nobody(queue: int) -> None:
    """While one tenant sends fifty times what there is room for, another one waits a turn or two at most."""
    gate, bounds = FairQueue(LoopClock()), Bounds(concurrency=2, tenant_concurrency=2, queue=queue)
    waits_s: dict[str, list[float]] = {"flood": [], "other": []}
    refused: Counter[str] = Counter()

    async def come(tenant: str, at_s: float) -> None:
        await asyncio.sleep(at_s)
        came_s = LoopClock().monotonic_s()
        try:
            async with gate.slot(tenant, bounds=bounds, until=Deadline.after(20.0, LoopClock())):
                waits_s[tenant].append(LoopClock().monotonic_s() - came_s)
                await asyncio.sleep(0.5)
        except NoSlot:
            refused[tenant] += 1

    rng = random.Random(4)
    flood = [come("flood", rng.uniform(0.0, 30.0)) for _ in range(6_000)]
    others = [come("other", float(second)) for second in range(1, 30)]
    await asyncio.gather(*flood, *others)
    assert len(waits_s["other"]) == 29
    assert max(waits_s["other"]) <= 1.0
    assert (refused["other"], refused["flood"] > 5_000) == (0, True)


@virtual_time
async def test_what_cannot_have_its_turn_in_time_is_refused_at_once() -> None:
    """The wait is foreseen from how long places are taken, and said."""
    gate, bounds = FairQueue(LoopClock()), Bounds(concurrency=1, tenant_concurrency=1, queue=100)

    async def hold() -> None:
        async with gate.slot("a", bounds=bounds, until=Deadline.never()):
            await asyncio.sleep(2.0)

    await hold()
    waiting = [asyncio.create_task(hold()) for _ in range(4)]
    await asyncio.sleep(0.1)
    came_s = LoopClock().monotonic_s()
    with pytest.raises(NoSlot) as full:
        async with gate.slot("a", bounds=bounds, until=Deadline.after(5.0, LoopClock())):
            pass
    assert LoopClock().monotonic_s() == came_s
    assert full.value.retry_after_s == pytest.approx(8.0)
    await asyncio.gather(*waiting)


@virtual_time
async def test_a_busy_model_is_waited_for_or_passed_over() -> None:
    """Alone it is waited for; with another one behind it, only as long as for a rate limit."""
    slow = [(Delay(3.0), reply("slow"))]
    bench = Bench({"cloud": slow, "backup": [reply("fast")]}, specs={"cloud": ONE})
    alone = await asyncio.gather(*(bench.generate("cloud", timeout_s=30.0) for _ in range(3)))
    assert [answer.model for answer in alone] == ["cloud"] * 3
    assert max(answer.attempts[0].duration_ms for answer in alone) == pytest.approx(9_000.0)
    both = await asyncio.gather(*(bench.generate("cloud", "backup", timeout_s=30.0) for _ in range(3)))
    assert [answer.model for answer in both] == ["cloud", "cloud", "backup"]
    passed = both[2].attempts[0]
    assert (passed.outcome, passed.reason) == (Outcome.REFUSED, Reason.QUEUE_FULL)
    assert passed.cost_usd_nanos == 0


@virtual_time
async def test_a_stream_holds_its_place_until_it_is_left() -> None:
    """A place is free again when a stream ends, however it does."""
    bench = Bench({"cloud": [(reply("a b c"), Delay(1e6))]}, specs={"cloud": ONE})
    for _ in range(3):
        events = await bench.stream("cloud", leave_after=1)
        assert len(events) == 1
    assert bench.called("cloud") == 3


@virtual_time
async def test_all_models_busy() -> None:
    """With no place at any model a caller gets the canned reply or the error, with when to come back."""
    bench = Bench({"cloud": [(Delay(3.0), reply("slow"))]}, specs={"cloud": ONE})
    await bench.generate("cloud")
    busy = [asyncio.create_task(bench.generate("cloud")) for _ in range(4)]
    await asyncio.sleep(0.1)
    canned = await bench.generate("cloud", timeout_s=5.0)
    assert canned.degraded is not None
    assert canned.degraded.reason is Reason.QUEUE_FULL
    assert canned.degraded.retry_after_s == pytest.approx(12.0)
    with pytest.raises(NotDegraded) as caught:
        await bench.generate("cloud", request=a_request(allow_degraded=False), timeout_s=5.0)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.retry_after_s == pytest.approx(12.0)
    await asyncio.gather(*busy)


@virtual_time
async def test_a_tenant_has_its_share_of_the_process() -> None:
    """A tenant above its bound waits while others may come in; above the queue it is refused untried."""
    limits = Limits(concurrency=3, tenant_concurrency=2, queue=2)
    bench = Bench({"cloud": [(Delay(3.0), reply("slow"))]}, limits=limits)

    async def ask(tenant: str) -> Answer | Overloaded:
        try:
            return await bench.generate("cloud", request=a_request(tenant=tenant))
        except Overloaded as error:
            return error

    asked = await asyncio.gather(*(ask("a") for _ in range(6)), ask("b"))
    overloaded = [each for each in asked if isinstance(each, Overloaded)]
    assert len(overloaded) == 2
    assert all(each.code == "RESOURCE_EXHAUSTED" and each.retry_after_s for each in overloaded)
    assert isinstance(asked[-1], Answer)
    assert asked[-1].attempts[0].start_ms == 0.0
    assert bench.called("cloud") == 5


@virtual_time
async def test_a_new_policy_holds_from_its_first_request_on() -> None:
    """Bounds that were raised let those in that wait."""
    gate = FairQueue(LoopClock())
    tight, wide = (Bounds(concurrency=n, tenant_concurrency=n, queue=9) for n in (1, 4))

    async def hold(bounds: Bounds) -> float:
        async with gate.slot("a", bounds=bounds, until=Deadline.never()):
            entered_s = LoopClock().monotonic_s()
            await asyncio.sleep(2.0)
        return entered_s

    waiting = [asyncio.create_task(hold(tight)) for _ in range(3)]
    await asyncio.sleep(1.0)
    assert await hold(wide) == 1.0
    assert await asyncio.gather(*waiting) == [0.0, 1.0, 1.0]


POLICY = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
rules: [{name: default, route: [edge]}]
limits: {concurrency: 2, queue: 1}
replies: [{id: sorry, text: "Sorry."}]
"""


async def test_a_caller_is_told_when_to_come_back() -> None:
    """Through gRPC: RESOURCE_EXHAUSTED, QUEUE_FULL, RetryInfo, and the pushback that gRPC's retries obey."""
    edge = ScriptedBackend("edge", [(Delay(0.5), reply("fine"))])
    async with served({"edge": edge}, policy=POLICY) as running:
        request = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content="hello")])
        await running.stub.Generate(request)
        calls = [running.stub.Generate(request) for _ in range(4)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
    errors = [each for each in ended if isinstance(each, grpc.aio.AioRpcError)]
    assert len(errors) == 1
    assert len(edge.calls) == 4
    (error,) = errors
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(error)
    assert status is not None
    info, retry = details.ErrorInfo(), details.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    assert info.reason == "QUEUE_FULL"
    assert retry.retry_delay.ToMilliseconds() > 100
    pushback = dict(error.trailing_metadata() or ())["grpc-retry-pushback-ms"]
    assert abs(int(pushback) - retry.retry_delay.ToMilliseconds()) <= 1
