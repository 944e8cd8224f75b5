"""Retries: how long to wait, when not to, and what a 429 means for others."""

import asyncio

import pytest

from gateway.domain.answer import Chunk, Outcome, Route, Usage
from gateway.domain.decision import Reason
from gateway.errors import BackendFailed, BackendOverloaded, BackendRateLimited, NotDegraded
from gateway.policy.model import Backoff, Resilience
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import Bench, a_request
from tests.support.virtual_time import virtual_time

OK = reply("fine", usage=Usage(prompt_tokens=1, completion_tokens=1))
FAILED = BackendFailed("cloud", "500")


def limited(retry_after_s: float | None = None) -> BackendRateLimited:
    """Return a 429."""
    return BackendRateLimited("cloud", "429", retry_after_s=retry_after_s)


@virtual_time
async def test_backoff() -> None:
    """The waits between tries double, with at most 20 % jitter, and the answer of the retry counts."""
    bench = Bench({"cloud": [FAILED, FAILED, OK]})
    answer = await bench.generate("cloud")
    assert answer.text == "fine"
    first, second, third = (attempt.start_ms for attempt in answer.attempts)
    assert 160 <= second - first <= 240
    assert 320 <= third - second <= 480


@virtual_time
async def test_retry_after_is_obeyed() -> None:
    """A time to come back that is longer than the backoff is waited for."""
    bench = Bench({"cloud": [BackendOverloaded("cloud", "503", retry_after_s=3.0), OK], "backup": [OK]})
    answer = await bench.generate("cloud", "backup")
    assert (answer.model, answer.attempts[1].start_ms) == ("cloud", 3000.0)


@pytest.mark.parametrize(
    ("retry_after_s", "chain", "timeout_s", "model", "waited_s"),
    [
        (3.0, ("cloud", "backup"), 60.0, "cloud", 3.0),  # Within the longest backoff of 4 s.
        (5.0, ("cloud", "backup"), 60.0, "backup", 0.0),  # Too long while another model is there.
        (5.0, ("cloud",), 60.0, "cloud", 5.0),  # No other model: wait.
        (3.0, ("cloud", "backup"), 3.0, "backup", 0.0),  # Does not fit the deadline.
        (90.0, ("cloud",), 60.0, "", 0.0),  # Nor does this: canned, at once.
    ],
)
@virtual_time
async def test_rate_limited(
    retry_after_s: float, chain: tuple[str, ...], timeout_s: float, model: str, waited_s: float
) -> None:
    """After a 429 wait if that is short or the only way, and fits the deadline; else go on at once."""
    bench = Bench({"cloud": [limited(retry_after_s), OK], "backup": [OK]})
    answer = await bench.generate(*chain, timeout_s=timeout_s)
    assert answer.model == model
    assert bench.clock.monotonic_s() == pytest.approx(waited_s)


@virtual_time
async def test_rate_limited_without_time() -> None:
    """A 429 that names no time is retried after the backoff, like any other failure that may heal."""
    bench = Bench({"cloud": [limited(), OK]})
    answer = await bench.generate("cloud")
    assert answer.model == "cloud"
    assert 0.16 <= bench.clock.monotonic_s() <= 0.24


@virtual_time
async def test_not_before_holds_for_later_requests() -> None:
    """A model that asked for a long pause is passed over by later requests until the pause is over."""
    bench = Bench({"cloud": [limited(20.0), OK], "backup": [OK]})
    await bench.generate("cloud", "backup")
    answer = await bench.generate("cloud", "backup")
    assert answer.model == "backup"
    assert (answer.attempts[0].outcome, answer.attempts[0].reason) == (Outcome.REFUSED, Reason.RATE_LIMITED)
    assert bench.called("cloud") == 1
    await asyncio.sleep(20.0)
    assert (await bench.generate("cloud", "backup")).model == "cloud"


@virtual_time
async def test_a_pause_holds_for_those_that_back_off() -> None:
    """A pause that another request was asked for holds for one that sleeps between two tries, too."""
    script: list[Step] = [BackendFailed("cloud", "500"), limited(30.0), reply("too soon")]
    bench = Bench(
        {"cloud": script, "edge": [reply("fine")]},
        resilience=Resilience(backoff_s=Backoff(first=2.0, max=4.0)),
    )
    first = asyncio.create_task(bench.generate("cloud", "edge"))
    await asyncio.sleep(1.0)
    assert (await bench.generate("cloud", "edge")).text == "fine"
    answer = await first
    assert [(a.model, a.reason) for a in answer.attempts] == [
        ("cloud", Reason.UPSTREAM_ERROR),
        ("cloud", Reason.RATE_LIMITED),
        ("edge", None),
    ]
    assert bench.called("cloud") == 2


@virtual_time
async def test_not_before_is_told() -> None:
    """When only a paused model is left, and the pause is too long, the caller learns when to come back."""
    bench = Bench({"cloud": [limited(100.0)]})
    await bench.generate("cloud", timeout_s=10.0)
    await asyncio.sleep(40.0)
    with pytest.raises(NotDegraded) as caught:
        await bench.generate("cloud", timeout_s=10.0, request=a_request(allow_degraded=False))
    assert (caught.value.reason, caught.value.code) == (Reason.RATE_LIMITED, "RESOURCE_EXHAUSTED")
    assert caught.value.retry_after_s == pytest.approx(60.0)


@virtual_time
async def test_retry_budget() -> None:
    """When three requests already retry, a fourth of only four in flight goes to the next model instead."""
    resilience = Resilience(backoff_s=Backoff(first=10.0, max=10.0))
    bench = Bench({"cloud": [FAILED, FAILED, FAILED, FAILED, OK], "backup": [OK]}, resilience=resilience)
    answers = await asyncio.gather(*(bench.generate("cloud", "backup") for _ in range(4)))
    assert [answer.model for answer in answers] == ["cloud", "cloud", "cloud", "backup"]
    refused = answers[-1].attempts[1]
    assert (refused.model, refused.outcome, refused.reason) == ("cloud", Outcome.REFUSED, Reason.RETRY_BUDGET)


@virtual_time
async def test_retry_budget_is_given_back() -> None:
    """The right to retry returns when the turn is over, also when its caller left."""
    resilience = Resilience(backoff_s=Backoff(first=10.0, max=10.0))
    bench = Bench({"cloud": [FAILED] * 4 + [OK]}, resilience=resilience)
    tasks = [asyncio.ensure_future(bench.generate("cloud")) for _ in range(3)]
    await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (await bench.generate("cloud")).attempts[-1].outcome is Outcome.ANSWERED


@virtual_time
async def test_nothing_is_retried_after_the_first_text() -> None:
    """An error that could be retried is not, once the caller was sent a word."""
    bench = Bench({"cloud": [(Chunk(text="once "), FAILED), OK], "backup": [OK]})
    events = await bench.stream("cloud", "backup")
    assert bench.called("cloud") == 1
    assert getattr(events[-1], "model", None) == "backup"


@virtual_time
async def test_cancel_while_waiting() -> None:
    """A caller who leaves during a backoff ends it: no further call is made."""
    bench = Bench({"cloud": [limited(30.0), OK]})
    task = asyncio.ensure_future(bench.generate("cloud"))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(60.0)
    assert bench.called("cloud") == 1


@virtual_time
async def test_attempts_of_one() -> None:
    """A policy of one attempt retries nothing."""
    bench = Bench({"cloud": [FAILED, OK]}, resilience=Resilience(attempts=1))
    assert (await bench.generate("cloud")).route is Route.CANNED


@virtual_time
async def test_delay_is_not_retried() -> None:
    """Silence is not retried: the model had its time."""
    bench = Bench({"cloud": [Delay(1e6), OK]})
    assert (await bench.generate("cloud")).route is Route.CANNED
    assert bench.called("cloud") == 1
