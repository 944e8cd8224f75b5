"""Streams never lie: what was cut is voided or ends in an error, and only an Answer ends one well."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.clock import Deadline
from gateway.domain.answer import Answer, Chunk, FinishReason, Outcome, Route, Usage
from gateway.domain.decision import Reason
from gateway.errors import (
    BackendFailed,
    BackendUnreachable,
    ContentFiltered,
    DeadlinePassed,
    EngineDied,
    NotDegraded,
    StreamTruncated,
)
from gateway.policy.model import Resilience
from gateway.testing.scripted import Act, Delay, reply
from tests.support.dispatch_doubles import CLOUD, Bench, a_decision, a_request, told
from tests.support.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
HALF = Chunk(text="half ")
BACKUP = [reply("whole", usage=USAGE)]
STOP = Chunk(finish_reason=FinishReason.STOP, usage=USAGE)
FAIL = Resilience(recovery="fail")
SLOW: tuple[Act, ...] = (HALF, Delay(4.0))

CUTS: dict[str, tuple[Sequence[Act], Reason]] = {
    "cut": ((HALF, StreamTruncated("cloud", "cut")), Reason.STREAM_TRUNCATED),
    "reset": ((HALF, BackendUnreachable("cloud", "reset")), Reason.UPSTREAM_UNREACHABLE),
    "stall": ((HALF, Delay(11.0), STOP), Reason.STREAM_TRUNCATED),
    "no finish reason": ((HALF,), Reason.STREAM_TRUNCATED),
    "engine died": ((HALF, EngineDied("cloud", "x")), Reason.ENGINE_DOWN),
}


@pytest.mark.parametrize(
    "acts",
    [
        [BackendFailed("cloud", "500")],
        [StreamTruncated("cloud", "cut")],
        [Delay(1e6)],
        [Chunk(text=""), StreamTruncated("cloud", "cut")],  # An empty piece is no text.
        [],  # Ended without a word.
    ],
)
@virtual_time
async def test_fall_back_before_the_first_text(acts: Sequence[Act]) -> None:
    """Before the first text a stream falls back freely, and the caller sees one answer."""
    bench = Bench({"cloud": [acts], "backup": BACKUP}, resilience=FAIL)
    assert told(await bench.stream("cloud", "backup")) == ["0:whole", "answer whole"]


@pytest.mark.parametrize("cut", CUTS)
@virtual_time
async def test_restart(cut: str) -> None:
    """After it, `restart` voids what was sent and gives the next model's whole answer."""
    acts, reason = CUTS[cut]
    bench = Bench({"cloud": [acts], "backup": BACKUP})
    events = await bench.stream("cloud", "backup")
    assert told(events) == ["0:half ", f"restart backup {reason}", "1:whole", "answer whole"]


@pytest.mark.parametrize("cut", CUTS)
@virtual_time
async def test_fail(cut: str) -> None:
    """With `fail` a stream that was cut ends as ABORTED, with its attempts, and no other model is called."""
    bench = Bench({"cloud": [CUTS[cut][0]], "backup": BACKUP}, resilience=FAIL)
    with pytest.raises(StreamTruncated) as caught:
        await bench.stream("cloud", "backup")
    assert caught.value.code == "ABORTED"
    assert [attempt.model for attempt in caught.value.attempts] == ["cloud"]
    assert bench.called("backup") == 0


@virtual_time
async def test_restart_waits_for_who_speaks() -> None:
    """One restart is sent, by the model that begins to speak, for the reason that ended the text."""
    bench = Bench({"a": [(HALF,)], "b": [BackendFailed("b", "500")], "c": BACKUP})
    assert told(await bench.stream("a", "b", "c")) == [
        "0:half ",
        "restart c STREAM_TRUNCATED",
        "1:whole",
        "answer whole",
    ]


@virtual_time
async def test_two_restarts() -> None:
    """Each restart begins a new attempt, so that a client that ignores Restart notices it."""
    bench = Bench({"a": [(HALF,)], "b": [(HALF,)], "c": BACKUP})
    assert told(await bench.stream("a", "b", "c")) == [
        "0:half ",
        "restart b STREAM_TRUNCATED",
        "1:half ",
        "restart c STREAM_TRUNCATED",
        "2:whole",
        "answer whole",
    ]


@virtual_time
async def test_restart_of_an_empty_answer() -> None:
    """An answer without a word also voids what was sent before."""
    bench = Bench({"cloud": [(HALF,)], "backup": [STOP]})
    assert told(await bench.stream("cloud", "backup")) == [
        "0:half ",
        "restart backup STREAM_TRUNCATED",
        "answer ",
    ]


@virtual_time
async def test_canned_after_a_cut() -> None:
    """When nobody is left the canned reply is announced as one and never mixed with what was sent."""
    bench = Bench({"cloud": [(HALF,)]})
    events = await bench.stream("cloud")
    assert told(events) == ["0:half ", "restart canned STREAM_TRUNCATED", "answer Sorry."]
    assert isinstance(events[-1], Answer)
    assert events[-1].route is Route.CANNED


@virtual_time
async def test_canned_before_any_text() -> None:
    """Without text before it the canned reply needs no restart."""
    bench = Bench({"edge": [EngineDied("edge", "x")]})
    assert told(await bench.stream("edge")) == ["answer Sorry."]


@virtual_time
async def test_canned_declined_after_a_cut() -> None:
    """A caller who declines canned replies learns that the stream was cut."""
    bench = Bench({"cloud": [(HALF,)]})
    with pytest.raises(StreamTruncated):
        await bench.stream("cloud", request=a_request(allow_degraded=False))
    with pytest.raises(NotDegraded):
        await bench.stream(request=a_request(allow_degraded=False))


@virtual_time
async def test_callers_fault_in_the_middle() -> None:
    """A content filter in the middle of an answer is not routed around."""
    bench = Bench({"cloud": [(HALF, ContentFiltered("cloud", "x"))], "backup": BACKUP})
    with pytest.raises(ContentFiltered):
        await bench.stream("cloud", "backup")
    assert bench.called("backup") == 0


@virtual_time
async def test_nothing_is_read_after_the_finish() -> None:
    """The piece with the finish reason is the last one, whatever a backend says after it."""
    bench = Bench({"cloud": [(HALF, STOP, Chunk(text="more"))]})
    assert told(await bench.stream("cloud")) == ["0:half ", "answer half "]


@virtual_time
async def test_empty_pieces_end_nothing() -> None:
    """A piece without text is no delta, and no end."""
    bench = Bench({"cloud": [(Chunk(), HALF, Chunk(), HALF, STOP)]})
    assert told(await bench.stream("cloud")) == ["0:half ", "0:half ", "answer half half "]


@virtual_time
async def test_first_text_has_its_time() -> None:
    """A stream that does not begin in first_token_s, which a model may override, is given up."""
    slow = CLOUD.model_copy(update={"first_token_s": 12.0})
    bench = Bench({"cloud": [(Delay(11.0), HALF, STOP)], "slow": [(Delay(13.0), HALF, STOP)]},
                  specs={"slow": slow}, resilience=Resilience(first_token_s=10.0))  # fmt: skip
    answer = (await bench.stream("cloud", "slow"))[-1]
    assert isinstance(answer, Answer)
    assert [attempt.reason for attempt in answer.attempts] == [Reason.UPSTREAM_SILENT] * 2
    assert bench.clock.monotonic_s() == pytest.approx(22.0)


@virtual_time
async def test_speaking_stream_may_use_all_time() -> None:
    """A stream that speaks is not cut at the half that is kept for other models."""
    acts = [*SLOW, *SLOW, *SLOW, *SLOW, *SLOW, STOP]
    bench = Bench({"cloud": [acts], "backup": BACKUP})
    events = await bench.stream("cloud", "backup", timeout_s=25.0)
    assert told(events)[-1] == "answer " + "half " * 5
    assert bench.clock.monotonic_s() == pytest.approx(20.0)


@virtual_time
async def test_deadline_in_the_middle() -> None:
    """A stream that speaks ends at the caller's deadline, which is no fault of the model."""
    acts: list[Act] = [Delay(1.0), HALF]
    acts = [*acts * 20, STOP]
    bench = Bench({"cloud": [acts], "backup": BACKUP})
    for _ in range(5):
        with pytest.raises(DeadlinePassed) as caught:
            await bench.stream("cloud", "backup", timeout_s=10.0)
        assert [attempt.reason for attempt in caught.value.attempts] == [Reason.DEADLINE] * 2
    assert bench.called("cloud") == 5, "no breaker opened"
    assert bench.called("backup") == 0


@pytest.mark.parametrize("taken", [1, 2])
@virtual_time
async def test_closing_stops_the_backend(taken: int) -> None:
    """A caller who closes the stream stops the backend before `aclose` returns."""
    bench = Bench({"cloud": [(HALF, HALF, Delay(1e6), STOP)], "backup": BACKUP})
    events = bench.dispatcher.stream(
        a_request(), a_decision("cloud", "backup"), policy=bench.policy, deadline=Deadline.never()
    )
    for _ in range(taken):
        await anext(events)
    await events.aclose()
    assert len(bench.backends["cloud"].stopped) == 1
    assert bench.called("backup") == 0


@virtual_time
async def test_cancel_in_the_middle() -> None:
    """A cancelled stream stops the backend while it is silent."""
    bench = Bench({"cloud": [(HALF, Delay(9.0), STOP)], "backup": BACKUP})
    task = asyncio.ensure_future(bench.stream("cloud", "backup"))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(bench.backends["cloud"].stopped) == 1
    assert bench.called("backup") == 0


@virtual_time
async def test_attempts_of_a_restart() -> None:
    """The answer explains the cut: both attempts, in order, with true outcomes."""
    bench = Bench({"cloud": [(HALF,)], "backup": BACKUP})
    answer = (await bench.stream("cloud", "backup"))[-1]
    assert isinstance(answer, Answer)
    assert [(attempt.model, attempt.outcome) for attempt in answer.attempts] == [
        ("cloud", Outcome.FAILED),
        ("backup", Outcome.ANSWERED),
    ]
