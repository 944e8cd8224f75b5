"""The caller's deadline is the only clock: nothing of a request lives beyond it."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.answer import Chunk, Usage
from gateway.errors import (
    BackendFailed,
    BackendOverloaded,
    BackendRateLimited,
    BackendReset,
    DeadlinePassed,
    GatewayError,
    NotDegraded,
)
from gateway.policy.model import Backoff, Resilience
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import WORST, Bench, a_budget, a_request
from tests.support.draws import examples
from tests.support.virtual_time import LoopClock, VirtualLoop, virtual_time

LATE_S = 0.05
USAGE = Usage(prompt_tokens=1, completion_tokens=1)
SECONDS = st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0, 40.0, 1e5])
ERRORS = st.sampled_from(["failed", "limited", "limited long", "overloaded", "reset"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), SECONDS, SECONDS),
        st.tuples(ERRORS, SECONDS, SECONDS),
        st.tuples(st.just("cut"), SECONDS, SECONDS),
    ),
    min_size=1,
    max_size=5,
)


def step_of(name: str, kind: str, first_s: float, then_s: float) -> Step:
    """Return what a model does in one call."""
    wait = Delay(first_s)
    match kind:
        case "answer":
            return (wait, Chunk(text="a "), Delay(then_s), reply("b", usage=USAGE))
        case "cut":
            return (wait, Chunk(text="a "), Delay(then_s))
        case "failed":
            return (wait, BackendFailed(name, "500"))
        case "limited":
            return (wait, BackendRateLimited(name, "429"))
        case "limited long":
            return (wait, BackendRateLimited(name, "429", retry_after_s=then_s))
        case "overloaded":
            return (wait, BackendOverloaded(name, "503", retry_after_s=then_s))
    return (wait, BackendReset(name, "reset"))


class WatchedClock:
    """A clock that notes until when every sleep lasted."""

    def __init__(self, ends_s: list[float]) -> None:
        self._clock, self._ends_s = LoopClock(), ends_s

    def monotonic_s(self) -> float:
        """Seconds of the loop."""
        return self._clock.monotonic_s()

    def unix_s(self) -> float:
        """Seconds since 1970."""
        return self._clock.unix_s()

    async def sleep(self, delay_s: float) -> None:
        """Wait, of a model or between two tries, and note when that was over."""
        try:
            await self._clock.sleep(delay_s)
        finally:
            self._ends_s.append(self.monotonic_s())


@settings(max_examples=examples(200), deadline=None)
@given(
    scripts=st.dictionaries(st.sampled_from(["cloud", "backup", "edge"]), STEPS, min_size=1),
    timeout_s=st.sampled_from([0.0, 0.06, 0.5, 3.0, 20.0, 60.0]),
    is_streamed=st.booleans(),
    allow_degraded=st.booleans(),
    backoff_s=st.sampled_from([0.01, 0.5, 4.0]),
)
def test_nothing_outlives_the_deadline(
    scripts: dict[str, list[tuple[str, float, float]]],
    timeout_s: float,
    is_streamed: bool,
    allow_degraded: bool,
    backoff_s: float,
) -> None:
    """No answer, try, sleep, wait or work of a model goes on beyond the deadline, whatever goes wrong."""
    ends_s: list[float] = []

    async def run() -> None:
        clock = WatchedClock(ends_s)
        bench = Bench(
            {name: [step_of(name, *step) for step in steps] for name, steps in scripts.items()},
            budgets=[a_budget(100 * WORST)],
            resilience=Resilience(backoff_s=Backoff(first=backoff_s, max=4.0)),
            clock=clock,
        )
        request = a_request(allow_degraded=allow_degraded)
        for _ in range(2):
            ends_s.clear()
            began_s = clock.monotonic_s()
            try:
                if is_streamed:
                    await bench.stream(*scripts, request=request, timeout_s=timeout_s)
                else:
                    await bench.generate(*scripts, request=request, timeout_s=timeout_s)
            except GatewayError:
                pass
            await bench.dispatcher.drained()
            over_s = clock.monotonic_s()
            assert max([over_s, *ends_s]) <= began_s + timeout_s + LATE_S
            assert len(asyncio.all_tasks()) == 1, "a task of the request lives on"
            await asyncio.sleep(200.0)
            assert max(ends_s, default=0.0) <= began_s + timeout_s + LATE_S, "something woke up later"

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())


@virtual_time
async def test_canned_reply_comes_in_time() -> None:
    """The canned reply, too, is inside the deadline: models that fail slowly leave room."""
    bench = Bench({"cloud": [(Delay(0.9), BackendFailed("cloud", "500"))], "edge": [Delay(1e6)]})
    with pytest.raises(DeadlinePassed):
        await bench.generate("cloud", "edge", timeout_s=2.0)
    assert bench.clock.monotonic_s() <= 2.0


FAILURES = [
    BackendFailed("cloud", "500"),
    BackendRateLimited("cloud", "429"),
    BackendReset("cloud", "reset"),
    BackendOverloaded("cloud", "503", retry_after_s=0.1),
]


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("chain", [("cloud",), ("cloud", "edge")], ids=["alone", "with a backup"])
@virtual_time
async def test_retries_do_not_multiply_the_load(failure: Exception, chain: tuple[str, ...]) -> None:
    """With a provider that always fails, at ten times the load, it gets at most 1.2 calls a request."""
    bench = Bench({"cloud": [(Delay(0.05), failure)], "edge": [(Delay(0.05), reply("fine"))]})
    requests, rng = 1_000, random.Random(3)

    async def ask(after_s: float) -> None:
        await asyncio.sleep(after_s)
        await bench.generate(*chain, timeout_s=20.0)

    await asyncio.gather(*(ask(rng.uniform(0.0, 5.0)) for _ in range(requests)))
    assert 0 < bench.called("cloud") <= 1.2 * requests


@virtual_time
async def test_pushback_tells_when_the_breaker_lets_through() -> None:
    """When its breaker opened, a caller learns when to come back, though the model did not say."""
    bench = Bench({"cloud": [FAILURES[0]]}, resilience=Resilience(attempts=1))
    declines = a_request(allow_degraded=False)
    for _ in range(4):
        with pytest.raises(NotDegraded) as caught:
            await bench.generate("cloud", request=declines)
        assert caught.value.retry_after_s is None
    for _ in range(2):
        with pytest.raises(NotDegraded) as caught:
            await bench.generate("cloud", request=declines)
        assert caught.value.retry_after_s == pytest.approx(5.0)
    canned = await bench.generate("cloud")
    assert canned.degraded is not None
    assert canned.degraded.retry_after_s == pytest.approx(5.0)
