"""Deadline-aware routing: what cannot finish is not started, and what is started finishes."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.backends.base import QueueForecast
from gateway.clock import Deadline
from gateway.dispatch.latency import FEWEST, FRESH_S, MAX_SAMPLES, LatencyTracker, foreseen_s
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.domain.conversation import ReasoningEffort
from gateway.domain.decision import Reason, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request_limits import RequestLimits
from gateway.errors import DeadlinePassed, NotDegraded
from gateway.policy.model import CompiledRule
from gateway.testing.scripted import Delay
from tests.support.deadline_cases import Simulated, one, simulate_engine, simulate_mixed, simulate_providers
from tests.support.decisions import decide
from tests.support.dispatch_doubles import Bench, a_request
from tests.support.fakes import FakeClock
from tests.support.pipeline_calls import pipeline_of
from tests.support.simulated_engine import SimulatedEngine
from tests.support.virtual_time import virtual_time


def test_nothing_is_known_at_first() -> None:
    """A model of which too little was measured is not held back, by however slow an answer."""
    paces = LatencyTracker(FakeClock())
    for _ in range(FEWEST - 1):
        assert paces.finish_s("m", 1000) == 0.0
        paces.note_whole("m", 1000.0, tokens=5, hit_limit=False)
    assert paces.finish_s("m", 1000) == 0.0
    paces.note_whole("m", 1000.0, tokens=5, hit_limit=False)
    assert paces.finish_s("m", 1000) == 1000.0


def test_stream_is_its_beginning_and_its_tokens() -> None:
    """An answer that would be shorter takes less, one that may be longer takes what answers take."""
    paces = LatencyTracker(FakeClock())
    for _ in range(FEWEST):
        paces.note_stream("m", begin_s=1.0, seconds=3.0, tokens=20)
    assert paces.finish_s("m", 10) == pytest.approx(2.0)
    assert paces.finish_s("m", 20) == paces.finish_s("m", 1000) == pytest.approx(3.0)


@pytest.mark.parametrize("cut", [1, 4, 16])
def test_cut_answers_are_nobody_elses_limit(cut: int) -> None:
    """Answers that their own limit cut make no other one longer: they took at least what they took."""
    paces = LatencyTracker(FakeClock())
    for _ in range(MAX_SAMPLES - cut):
        paces.note_stream("m", begin_s=1.0, seconds=3.0, tokens=20)
    for _ in range(cut):
        paces.note_stream("m", begin_s=1.0, seconds=1.5, tokens=5)
        paces.note_whole("unary", 2.0, tokens=5, hit_limit=True)
    assert paces.finish_s("m", 1024) == pytest.approx(3.0 if cut < MAX_SAMPLES else 1.5)
    assert paces.finish_s("unary", 1024) <= 2.0


def test_one_in_twenty_is_slower() -> None:
    """The estimate is the time that all but the slowest of the last few took."""
    paces = LatencyTracker(FakeClock())
    for taken in range(1, MAX_SAMPLES + 1):
        paces.note_whole("m", float(taken), tokens=5, hit_limit=False)
    assert paces.finish_s("m", 5) == MAX_SAMPLES - 1
    for _ in range(MAX_SAMPLES - 1):
        paces.note_whole("m", 1.0, tokens=5, hit_limit=False)
    assert paces.finish_s("m", 5) == 1.0


def test_given_up_is_slow() -> None:
    """A call that was given up took at least so long, or a model that never answers would look fast."""
    paces = LatencyTracker(FakeClock())
    for _ in range(FEWEST):
        paces.note_unfinished("m", 4.0)
    assert paces.finish_s("m", 5) == 8.0
    for _ in range(MAX_SAMPLES):
        paces.note_unfinished("m", 1.0)
        assert paces.finish_s("m", 5) == 8.0, "that it was given little time makes it no faster"


def test_old_news_is_forgotten() -> None:
    """A model that was slow and is not called any more gets another chance, in time."""
    clock = FakeClock()
    paces = LatencyTracker(clock)
    for _ in range(FEWEST):
        paces.note_whole("m", 8.0, tokens=5, hit_limit=False)
    clock.advance(FRESH_S)
    assert paces.finish_s("m", 5) == 8.0
    clock.advance(2 * FRESH_S)
    assert paces.finish_s("m", 5) == 2.0


@virtual_time
async def test_dispatch_learns_from_both_kinds() -> None:
    """Whole answers, streams and silences are all measured, without the time that the reader takes."""
    usage = Usage(prompt_tokens=1, completion_tokens=2)
    acts = (
        Delay(2.0),
        Chunk(text="a"),
        Delay(1.0),
        Chunk(text="b"),
        Chunk(finish_reason=FinishReason.STOP, usage=usage),
    )
    bench = Bench({"cloud": [acts], "silent": [Delay(1e6)]})
    for call in (bench.generate, bench.stream):
        for _ in range(FEWEST):
            await call("cloud")
        finish_s = bench.dispatcher.forecasts.finish_s(a_request(), policy=bench.policy)
        assert finish_s["cloud"] == pytest.approx(3.0)
    for _ in range(FEWEST):
        with pytest.raises(DeadlinePassed):
            await bench.stream("silent", timeout_s=5.0)
    finish_s = bench.dispatcher.forecasts.finish_s(a_request(), policy=bench.policy)
    assert finish_s["silent"] == pytest.approx(9.9)


@pytest.mark.parametrize("is_streamed", [True, False], ids=["stream", "whole"])
@virtual_time
async def test_long_answers_to_a_caller_in_a_hurry_make_no_short_one_slow(is_streamed: bool) -> None:
    """One tenant asks for more than its own deadline has time for: the others' short requests still go."""
    words = (Delay(0.5), *(part for _ in range(200) for part in (Chunk(text="a"), Delay(0.5))))
    bench = Bench({"cloud": [words if is_streamed else Delay(100.0)]})
    long = replace(a_request(), config=replace(a_request().config, max_tokens=1000))
    short = replace(a_request(tenant="other"), config=replace(a_request().config, max_tokens=4))
    for _ in range(MAX_SAMPLES):
        with pytest.raises(DeadlinePassed):
            await (bench.stream if is_streamed else bench.generate)("cloud", request=long, timeout_s=10.0)
    expected_s = bench.dispatcher.forecasts.finish_s(long, policy=bench.policy)["cloud"]
    assert 15.0 < expected_s < 25.0, "another long one has to know"
    assert bench.dispatcher.forecasts.finish_s(short, policy=bench.policy)["cloud"] < 3.0


@virtual_time
async def test_a_rule_that_shortens_the_answer_leaves_time_for_it() -> None:
    """What counts against the deadline is what the model is asked for, not what the caller allowed."""
    words = tuple(part for _ in range(20) for part in (Chunk(text="a"), Delay(0.5)))
    usage = Usage(prompt_tokens=1, completion_tokens=20)
    bench = Bench({"cloud": [(*words, Chunk(finish_reason=FinishReason.STOP, usage=usage))]})
    for _ in range(FEWEST):
        await bench.stream("cloud")
    deadline = Deadline.after(5.0, bench.clock)
    rule = CompiledRule(name="short", when=None, route=("cloud",))
    chains = []
    for limits in (None, RequestLimits(effort=ReasoningEffort.LOW), RequestLimits(max_tokens=4)):
        policy = replace(bench.policy, rules=(replace(rule, limits=limits),))
        decision = await pipeline_of(policy, bench).decide(a_request(), deadline)
        chains.append(decision.chain)

    assert chains == [(), (), ("cloud",)]


RULE = CompiledRule(name="default", when=None, route=("fast", "slow"))


@pytest.mark.slow
@virtual_time
async def test_what_is_let_through_finishes() -> None:
    """Of the requests that are let through at least 95 % finish, at mixed deadlines and in bad spells."""
    aware = await simulate_providers(looks_ahead=True, seed=1)
    assert aware.finished / aware.let_through >= 0.95
    blind = await simulate_providers(looks_ahead=False, seed=1)
    assert blind.finished / blind.let_through < 0.95, "without estimates it must fail, or it shows nothing"
    share, all_share = aware.finished / aware.came, blind.finished / blind.came
    assert share >= 0.8 * all_share, "too much of what could have finished is kept away"
    assert aware.let_through < aware.came


@pytest.mark.slow
@virtual_time
async def test_what_an_engine_is_sent_finishes() -> None:
    """So do they at an engine with more to do than it can, by its own word of its queue."""
    aware = await simulate_engine(looks_ahead=True, seed=1, for_s=120.0)
    assert aware.finished / aware.let_through >= 0.95
    blind = await simulate_engine(looks_ahead=False, seed=1, for_s=120.0)
    assert blind.finished / blind.let_through < 0.95
    assert aware.finished >= 0.8 * blind.finished, "too much of what could have finished is kept away"


@pytest.mark.parametrize(
    ("step_s", "cut_tokens", "timeout_s"),
    [(0.02, 5, 0.5), (0.02, 40, 0.5), (0.06, 1024, 60.0), (0.06, 5, 60.0)],
    ids=["cut at 5", "cut at 40", "16 tokens/s, cut at the default limit", "16 tokens/s, cut at 5"],
)
@pytest.mark.parametrize("max_tokens", [None, 8_192, 1_000_000])
@virtual_time
async def test_an_engine_does_not_lock_itself(
    step_s: float, cut_tokens: int, timeout_s: float, max_tokens: int | None
) -> None:
    """After answers that limit or deadline cut, short questions are answered as before."""
    lengths = iter([2000] * 6)
    engine = SimulatedEngine(
        "edge", seed=1, context_tokens=4096, length=lambda _: next(lengths, 6), step_s=step_s
    )
    bench = Bench({"edge": []}, backends={"edge": engine})
    bench.policy = replace(bench.policy, rules=(CompiledRule(name="default", when=None, route=("edge",)),))
    cut, asked = Simulated(), Simulated()
    request = a_request()
    for _ in range(6):
        limited = replace(request, config=replace(request.config, max_tokens=cut_tokens))
        await one(bench, limited, 60.0, cut, looks_ahead=True)
    for _ in range(40):
        wanted = replace(request, config=replace(request.config, max_tokens=max_tokens))
        await one(bench, wanted, timeout_s, asked, looks_ahead=True)

    assert (asked.let_through, asked.finished) == (40, 40)


@pytest.mark.slow
@pytest.mark.parametrize("per_s", [0.2, 1.0, 4.0])
@virtual_time
async def test_an_idle_engine_is_tried_and_a_busy_one_keeps_its_word(per_s: float) -> None:
    """With lengths, limits and deadlines of all kinds: what a busy engine admits finishes."""
    idle, busy = await simulate_mixed(seed=3, per_s=per_s, for_s=300.0 / per_s)
    assert idle.came > 20
    assert (idle.let_through, idle.refused) == (idle.came, 0), "an engine with nothing to do refused"
    if busy.let_through >= 60:
        assert busy.finished / (busy.let_through - busy.refused) >= 0.95
        assert busy.finished / busy.came >= 0.45, "too much of what could have finished is kept away"


@virtual_time
async def test_short_questions_are_answered_beside_a_long_answer() -> None:
    """One in nine answers is long, and one of those holds a slot: what ends in its second is not refused."""
    drawn = iter([1500, *([6] * 8 + [300]) * 4, 1500, *[6] * 25])
    engine = SimulatedEngine("edge", seed=1, slots=8, context_tokens=2048, length=lambda _: next(drawn, 6))
    bench = Bench({"edge": []}, backends={"edge": engine})
    bench.policy = replace(bench.policy, rules=(CompiledRule(name="default", when=None, route=("edge",)),))
    before, short = Simulated(), Simulated()
    request = a_request()
    request = replace(request, config=replace(request.config, max_tokens=None))
    for _ in range(37):
        await one(bench, request, 60.0, before, looks_ahead=True)
    async with asyncio.TaskGroup() as asking:
        asking.create_task(one(bench, request, 60.0, before, looks_ahead=True))
        await bench.clock.sleep(2.0)
        for _ in range(25):
            await one(bench, request, 1.0, short, looks_ahead=True)
        assert not engine.is_idle, "the long answer ended too early to show anything"

    assert (short.let_through, short.finished) == (25, 25)


def test_the_engine_is_believed_about_its_queue() -> None:
    """The wait, the rates and the length of answers are the engine's, the margin on top."""
    said = QueueForecast(wait_s=2.0, prompt_token_s=0.01, token_s=0.1, answer_tokens=30.0)
    assert foreseen_s(said, max_tokens=40) == pytest.approx(2.0 + 1.1 * 3.0)
    assert foreseen_s(said, max_tokens=20) == pytest.approx(2.0 + 1.1 * 2.0)


@virtual_time
async def test_an_engine_that_says_nothing_is_asked() -> None:
    """What an engine needed once is not held against it while it says nothing: it refuses by itself."""
    engine = SimulatedEngine("edge", seed=1)
    bench = Bench({"edge": []}, backends={"edge": engine})
    for _ in range(2 * FEWEST):
        with pytest.raises(DeadlinePassed):
            await bench.stream("edge", timeout_s=0.1)
    engine.forecast = lambda: None  # type: ignore[method-assign]  # As after a pause.
    assert bench.dispatcher.forecasts.finish_s(a_request(), policy=bench.policy) == {"edge": 0.0}


async def test_none_can_finish() -> None:
    """A request that no model can finish in time is told so at once: canned, or DEADLINE_EXCEEDED."""
    bench = Bench({"fast": [Delay(1e6)], "slow": [Delay(1e6)]}, clock=FakeClock())
    bench.policy = replace(bench.policy, rules=(RULE,))
    decision = decide(
        a_request(),
        scores=Scores(complexity=0.5, privacy=0.0, budget=0.0),
        privacy=PrivacyAssessment(score=0.0, privacy_class=PrivacyClass.PUBLIC, reason="score"),
        policy=bench.policy,
        state=RoutingState(deadline_s=1.0, finish_s={"fast": 2.0, "slow": 3.0}),
    )
    deadline = Deadline.after(1.0, bench.clock)
    began_s = time.perf_counter()
    for _ in range(50):
        answer = await bench.dispatcher.generate(
            a_request(), decision, policy=bench.policy, deadline=deadline
        )
    assert (time.perf_counter() - began_s) / 50 < 0.005
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.DEADLINE
    with pytest.raises(NotDegraded) as caught:
        await bench.dispatcher.generate(
            a_request(allow_degraded=False), decision, policy=bench.policy, deadline=deadline
        )
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert "fast: an answer is expected to take 2 s, and has 1 s" in str(caught.value)
    assert bench.called("fast") == bench.called("slow") == 0
