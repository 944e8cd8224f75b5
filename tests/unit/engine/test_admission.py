"""Who gets a slot when, and who is told at once that the time will not suffice."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from gateway import errors
from gateway.clock import Deadline
from gateway.domain.answer import FinishReason
from gateway.engine.throughput import MARGIN, MIN_CHUNK_TOKENS, ThroughputModel, Work, starts
from tests.support.fakes import FakeClock
from tests.support.scripted_model import Bench, ScriptedModel

STEP_S = 0.1


def busy_bench(*, slots: int = 2, queue_limit: int = 32, stay: bool = True) -> Bench:
    """Return a scheduler whose steps take 0.1 s, and that has measured it, and answers of 50 tokens."""
    bench = Bench(ScriptedModel(slots=slots, context_tokens=256, kv_cells=2048), queue_limit=queue_limit)
    bench.model.during_decode = lambda: bench.clock.advance(STEP_S)
    for _ in range(8):
        bench.submit(1, max_tokens=50)
    bench.finish()
    if stay:
        for _ in range(slots):
            bench.submit(1, max_tokens=50)
        bench.step()
    return bench


@pytest.mark.parametrize(
    ("busy_s", "queue_s", "found"),
    [
        ((), (1.0, 1.0), [0.0, 0.0]),
        ((), (1.0, 2.0, 3.0), [0.0, 0.0, 1.0]),
        ((5.0, 1.0), (1.0, 1.0), [1.0, 2.0]),
        ((5.0,), (9.0, 1.0), [0.0, 5.0]),
    ],
)
def test_starts(busy_s: tuple[float, ...], queue_s: tuple[float, ...], found: list[float]) -> None:
    """A queue is served in order, each by the slot that is free first."""
    assert starts(busy_s, queue_s, 2) == found


def test_a_request_that_cannot_finish_is_refused_at_once_with_the_wait() -> None:
    """When slots are taken for 4.9 s, a deadline in 3 s is refused, and the wait is said."""
    bench = busy_bench()

    with pytest.raises(
        errors.EngineQueueFull, match=r"expected to take 6\.0 s, 4\.9 s of them waiting, and has 3\.0 s"
    ) as late:
        bench.submit(1, max_tokens=10, deadline=Deadline.after(3.0, bench.clock))

    assert late.value.retry_after_s == pytest.approx(4.9, abs=0.2)


def test_a_request_that_can_finish_is_taken_and_does() -> None:
    """A deadline behind the predicted end is accepted, and met."""
    bench = busy_bench()
    ticket = bench.submit(1, max_tokens=10, deadline=Deadline.after(7.0, bench.clock))

    bench.finish()

    assert bench.last(ticket).failure is None


def test_nobody_is_taken_at_the_cost_of_one_who_was_promised() -> None:
    """A newcomer with an earlier deadline is refused if the one it would overtake came too late for it."""
    bench = busy_bench(slots=1)
    promised = bench.submit(1, max_tokens=10, deadline=Deadline.after(6.5, bench.clock))

    with pytest.raises(errors.EngineQueueFull, match="a request that was accepted earlier would miss"):
        bench.submit(1, max_tokens=10, deadline=Deadline.after(6.4, bench.clock))
    bench.finish()

    assert bench.last(promised).failure is None


def test_the_queue_is_ordered_by_deadline() -> None:
    """Who is due first is served first, whoever came first."""
    bench = Bench(ScriptedModel(slots=1, scripts=[b"a\0", b"b\0", b"c\0", b"d\0"]))
    times = (40.0, 20.0, 30.0)
    far, near, middle = (bench.submit(1, deadline=Deadline.after(s, bench.clock)) for s in times)

    bench.finish()

    assert [e.ticket for e in bench.given if e.is_last] == [near, middle, far]


def test_a_far_deadline_does_not_starve() -> None:
    """A request without a deadline is due a minute after its arrival, before what comes later than that."""
    bench = Bench(ScriptedModel(slots=1, scripts=[b"a" * 8, b"b\0", b"c\0"]))
    bench.submit(1)
    bench.step()
    patient = bench.submit(1)
    bench.clock.advance(30.0)
    later = bench.submit(1, deadline=Deadline.after(40.0, bench.clock))

    bench.finish()

    assert [e.ticket for e in bench.given if e.is_last][1:] == [patient, later]


def test_nothing_is_refused_before_anything_was_measured() -> None:
    """Without a measurement there is no prediction, so a short deadline is taken."""
    bench = Bench(ScriptedModel())

    assert bench.submit(20, max_tokens=8, deadline=Deadline.after(0.001, bench.clock)) == 1


def test_a_prompt_that_is_in_memory_costs_no_time() -> None:
    """Beside another answer, a prompt of which all but a few tokens were read before is not refused."""
    model = ScriptedModel(slots=2, context_tokens=256, kv_cells=2048)
    bench = Bench(model, kept_bytes=1_000_000)
    model.during_decode = lambda: bench.clock.advance(STEP_S * (1 + len(model.rows)))
    bench.submit(120, max_tokens=2)
    bench.finish()
    bench.submit(1, max_tokens=100)
    bench.step()
    soon = Deadline.after(4.0, bench.clock)

    with pytest.raises(errors.EngineQueueFull, match="expected to take"):
        bench.submit(120, max_tokens=2, deadline=soon, tenant="other")
    ticket = bench.submit(120, max_tokens=2, deadline=soon)
    bench.finish()

    assert bench.last(ticket).failure is None


@pytest.mark.parametrize("seed", range(3))
def test_four_times_too_much(seed: int) -> None:
    """Under 4x overload at least 90 % of all tokens belong to answers in time, and every tenant has some."""
    dice = random.Random(seed)
    bench = busy_bench(slots=4, stay=False)
    tokens, asked, met = {}, 0, {"a": 0, "b": 0, "c": 0}
    owner = {}
    start_s, before = bench.clock.monotonic_s(), bench.scheduler.metrics.completion_tokens
    while bench.clock.monotonic_s() - start_s < 120.0:
        while asked < 4 * 40.0 * (bench.clock.monotonic_s() - start_s) / 20:
            asked += 1
            size, tenant = dice.randint(10, 30), dice.choice("abc")
            deadline = Deadline.after(dice.uniform(2.0, 15.0), bench.clock)
            try:
                ticket = bench.submit(1, max_tokens=size, deadline=deadline, tenant=tenant)
            except errors.EngineQueueFull:
                continue
            tokens[ticket], owner[ticket] = size, tenant
        if bench.scheduler.is_idle:
            bench.clock.advance(STEP_S)
        bench.step()
    for each in bench.given:
        if each.finish_reason is not None and each.ticket in tokens:
            met[owner[each.ticket]] += tokens[each.ticket]
    sampled = bench.scheduler.metrics.completion_tokens - before

    assert sum(met.values()) >= 0.9 * 40.0 * 120.0
    assert sum(met.values()) >= 0.9 * sampled
    assert min(met.values()) >= 0.2 * sum(met.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nobody_starves_for_being_large_or_patient(seed: int) -> None:
    """Under 4x overload of short answers in a hurry, long ones and patient ones come to their end."""
    dice = random.Random(seed)
    bench = busy_bench(slots=4, stay=False)
    kinds: dict[int, str] = {}
    asked: Counter[str] = Counter()
    start_s = bench.clock.monotonic_s()
    while bench.clock.monotonic_s() - start_s < 300.0:
        passed_s = bench.clock.monotonic_s() - start_s
        while asked["hurry"] < 4 * 40.0 * passed_s / 10:
            asked["hurry"] += 1
            take(bench, kinds, "hurry", size=10, deadline_s=dice.uniform(2.0, 6.0))
        while asked["long"] < passed_s / 30:
            asked["long"] += 1
            take(bench, kinds, "long", size=100, deadline_s=90.0)
        while asked["patient"] < passed_s / 30:
            asked["patient"] += 1
            take(bench, kinds, "patient", size=10, deadline_s=None)
        if bench.scheduler.is_idle:
            bench.clock.advance(STEP_S)
        bench.step()
    bench.finish()
    met = Counter(kinds[each.ticket] for each in bench.given if each.finish_reason and each.ticket in kinds)
    taken = Counter(kinds.values())

    assert asked["long"] == asked["patient"] == 10
    assert (met["long"], met["patient"]) == (taken["long"], taken["patient"])
    assert taken["long"] >= 5
    assert taken["patient"] >= 5
    assert met["hurry"] >= 0.9 * taken["hurry"]


def take(bench: Bench, kinds: dict[int, str], kind: str, *, size: int, deadline_s: float | None) -> None:
    """Submit a request; note its kind if it is taken in."""
    deadline = None if deadline_s is None else Deadline.after(deadline_s, bench.clock)
    try:
        kinds[bench.submit(1, max_tokens=size, deadline=deadline)] = kind
    except errors.EngineQueueFull:
        return


def test_a_prompt_is_read_in_pieces_that_hardly_hold_up_who_answers() -> None:
    """Beside others a step may take 2.5 times what it takes without prompts; alone it may take a second."""
    throughput = ThroughputModel(8, clock=FakeClock())
    assert throughput.prompt_budget(answering=0, most=512) == 64
    throughput.record_step(answering=8, prompt_tokens=0, taken_s=0.04)
    throughput.record_step(answering=0, prompt_tokens=100, taken_s=0.1)

    assert throughput.prompt_budget(answering=8, most=504) == 60
    assert throughput.prompt_budget(answering=0, most=512) == 512
    for _ in range(10):
        throughput.record_step(answering=0, prompt_tokens=100, taken_s=1000.0)
    assert throughput.prompt_budget(answering=8, most=504) == MIN_CHUNK_TOKENS


def test_predictions_follow_what_was_measured() -> None:
    """The time of an answer is that of its prompt and of the tokens that answers usually have."""
    throughput = ThroughputModel(2, clock=FakeClock())
    work = Work(prompt_tokens=100, max_tokens=100)
    assert throughput.predict_s(work, sequences=1) == throughput.finish_s(work, sequences=1) == 0.0
    throughput.record_step(answering=0, prompt_tokens=100, taken_s=1.0)
    throughput.record_step(answering=1, prompt_tokens=0, taken_s=0.1)
    for tokens in (40, 50, 60, 40, 60, 10_000):
        throughput.record_answer(tokens, is_cut=False)

    assert throughput.predict_s(work, sequences=1) == pytest.approx(1.0 + 310 / 6 * 0.1)
    assert throughput.finish_s(work, sequences=1) == pytest.approx(MARGIN * (1.0 + 60 * 0.1))
    assert throughput.finish_s(replace(work, max_tokens=5), sequences=1) == pytest.approx(MARGIN * 1.5)
    begun = replace(work, prompt_tokens=0, sampled_tokens=55)
    assert throughput.predict_s(begun, sequences=1) == pytest.approx(5 * 0.1)
    assert throughput.predict_s(replace(begun, most_s=0.2), sequences=1) == 0.2
    assert throughput.predict_s(replace(begun, sampled_tokens=70), sequences=1) == pytest.approx(30 * 0.1)


def test_one_step_that_was_held_up_changes_little() -> None:
    """A machine that stood still for a step makes no slow model, and one that became slow is noticed."""
    throughput = ThroughputModel(1, clock=FakeClock())
    for _ in range(5):
        throughput.record_step(answering=1, prompt_tokens=0, taken_s=0.01)
    throughput.record_step(answering=1, prompt_tokens=0, taken_s=30.0)
    assert throughput.token_s(1) == pytest.approx(0.016)
    for _ in range(30):
        throughput.record_step(answering=1, prompt_tokens=0, taken_s=0.5)
    assert throughput.token_s(1) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_an_idle_engine_is_tried_whatever_was_cut_before(cut: int) -> None:
    """Answers that their limits cut, few or many, do not keep an engine from what it has time for."""
    bench = busy_bench(stay=False)
    for _ in range(cut):
        bench.submit(1, max_tokens=5)
        bench.finish()
    bench.model.scripts = [b"abc\0"] * 3
    tickets = []
    for _ in range(3):
        tickets.append(bench.submit(1, max_tokens=1_000_000, deadline=Deadline.after(0.6, bench.clock)))
        bench.finish()

    assert [bench.last(ticket).finish_reason for ticket in tickets] == [FinishReason.STOP] * 3


def test_two_that_come_at_once_to_an_idle_engine() -> None:
    """The first is tried and needs no prediction; the second is not refused for its sake, in any order."""
    bench = busy_bench(stay=False)
    bench.model.scripts = [b"abc\0"] * 2
    first = bench.submit(1, max_tokens=50, deadline=Deadline.after(0.9, bench.clock))
    second = bench.submit(1, max_tokens=3, deadline=Deadline.after(0.8, bench.clock))
    bench.finish()

    assert bench.last(first).failure is bench.last(second).failure is None


def test_a_cut_answer_is_nobody_elses_limit() -> None:
    """Beside another, a short answer is expected where answers are short, after many that were cut."""
    bench = busy_bench(stay=False)
    bench.model.scripts = [*([b"abcdefgh\0"] * 12), *([b"ab" * 20] * 20), b"abcdefgh" * 30, b"abcdefgh\0"]
    for max_tokens in (*([200] * 12), *([3] * 20)):
        bench.submit(1, max_tokens=max_tokens)
        bench.finish()
    bench.submit(1, max_tokens=240)
    bench.step(2)
    ticket = bench.submit(1, max_tokens=200, deadline=Deadline.after(8.0, bench.clock))
    bench.finish()

    assert bench.last(ticket).finish_reason is FinishReason.STOP


@pytest.mark.parametrize("max_tokens", [254, 255, 8192, 1_000_000, 2**31 - 1])
def test_a_limit_above_the_context_is_the_context(max_tokens: int) -> None:
    """No more is foreseen, reserved or generated than the context leaves beside the prompt."""
    bench = Bench(ScriptedModel(slots=2, context_tokens=256, kv_cells=512))
    ticket = bench.submit(3, max_tokens=max_tokens)
    bench.finish()

    usage = bench.last(ticket).usage
    assert usage is not None
    assert usage.completion_tokens == min(max_tokens, 253)
    assert bench.last(ticket).finish_reason is FinishReason.LENGTH
    assert bench.is_clean()


def test_a_runner_holds_its_slot_no_longer_than_its_deadline() -> None:
    """Who waits for it is foreseen a slot when its time is over, however long its answer may be."""
    bench = busy_bench(slots=1, stay=False)
    bench.submit(1, max_tokens=200, deadline=Deadline.after(2.0, bench.clock))
    bench.step(2)

    assert bench.scheduler.forecast().wait_s == pytest.approx(1.8)
