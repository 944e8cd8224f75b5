"""A free slot is risked for what will probably finish, as long as nearly all that is admitted does."""

import pytest

from gateway import errors
from gateway.clock import Deadline
from gateway.engine.sequence import StepOutput
from tests.support.scripted_model import Bench, ScriptedModel

STEP_S = 0.1


def risky_bench() -> Bench:
    """Return a scheduler with two slots, one of them busy, that knows of answers of 2 and of 60 tokens."""
    bench = Bench(ScriptedModel(slots=3, context_tokens=256, kv_cells=2048))
    bench.model.during_decode = lambda: bench.clock.advance(STEP_S)
    for size in [2, 2, 2, 60] * 4:
        bench.model.scripts = [b"a" * (size - 1)]
        bench.submit(1, max_tokens=200)
        bench.finish()
    bench.model.scripts = [b"a" * 200]
    bench.submit(1, max_tokens=200)
    bench.step()
    return bench


def ask_risky(bench: Bench, *, size: int) -> int:
    """Ask for an answer that ends in its two seconds if it is one of the short ones."""
    bench.model.scripts.append(b"a" * (size - 1))
    try:
        return bench.submit(1, max_tokens=200, deadline=Deadline.after(2.0, bench.clock))
    except errors.EngineQueueFull:
        bench.model.scripts.pop()
        raise


def wait_for(bench: Bench, ticket: int) -> StepOutput:
    """Step until an answer is over."""
    while not any(each.ticket == ticket and each.is_last for each in bench.given):
        bench.step()
    return bench.last(ticket)


def test_a_free_slot_is_risked_as_long_as_answers_are_in_time() -> None:
    """Three of four answers are short enough: the risk is taken again and again while it turns out well."""
    bench = risky_bench()
    for _ in range(20):
        assert wait_for(bench, ask_risky(bench, size=2)).failure is None


def test_a_risk_that_failed_is_not_taken_again_soon() -> None:
    """One answer that was late is as many as there may be until some more were in time."""
    bench = risky_bench()
    late = wait_for(bench, ask_risky(bench, size=60))
    assert isinstance(late.failure, errors.DeadlinePassed)

    with pytest.raises(errors.EngineQueueFull, match="expected to take"):
        ask_risky(bench, size=2)
    for _ in range(25):
        bench.model.scripts.append(b"a")
        wait_for(bench, bench.submit(1, max_tokens=200))

    assert wait_for(bench, ask_risky(bench, size=2)).failure is None


def test_no_more_is_risked_concurrently_than_may_fail() -> None:
    """A risk is paid for before it is taken, and not at all where nobody is likely to end in time."""
    bench = risky_bench()
    ask_risky(bench, size=2)
    with pytest.raises(errors.EngineQueueFull):
        ask_risky(bench, size=2)

    bench = risky_bench()
    with pytest.raises(errors.EngineQueueFull):
        bench.submit(1, max_tokens=200, deadline=Deadline.after(0.15, bench.clock))


def test_a_caller_that_leaves_early_pays_for_no_risk() -> None:
    """Who cancels with most of its time left says nothing of lateness; who cancels at its end does."""
    bench = risky_bench()
    for _ in range(3):
        ticket = ask_risky(bench, size=60)
        bench.step()
        bench.scheduler.cancel(ticket)
        bench.step()
    end_s = bench.clock.monotonic_s() + 2.0
    ticket = ask_risky(bench, size=60)
    while bench.clock.monotonic_s() < end_s - 0.5 * STEP_S:
        bench.step()
    bench.scheduler.cancel(ticket)
    bench.step()
    with pytest.raises(errors.EngineQueueFull):
        ask_risky(bench, size=2)
