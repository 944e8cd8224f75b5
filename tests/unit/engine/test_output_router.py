"""Outputs reach their callers in time, with few wake-ups of the event loop."""

import asyncio
import math

from gateway.domain.answer import FinishReason, ToolCallDelta
from gateway.engine.output_router import OutputGatherer, OutputRouter
from gateway.engine.sequence import GATHER_S, StepOutput
from gateway.engine.server import response_of
from gateway.engine.token_reader import AnswerPiece
from tests.support.fakes import FakeClock
from tests.support.scripted_model import ScriptedModel


def _text(letter: str, *, may_wait_s: float = GATHER_S, ticket: int = 1) -> StepOutput:
    return StepOutput(ticket=ticket, pieces=(AnswerPiece(text=letter),), may_wait_s=may_wait_s)


def _end(ticket: int = 1) -> StepOutput:
    return StepOutput(ticket=ticket, finish_reason=FinishReason.STOP)


def test_the_first_token_leaves_immediately() -> None:
    """A token that may not wait is delivered before the next decode."""
    delivered = list[list[StepOutput]]()
    gatherer = OutputGatherer(delivered.append, FakeClock())
    gatherer.add([_text("a", may_wait_s=0.0)])
    gatherer.deliver_due(all_due=False)
    assert delivered == [[_text("a", may_wait_s=0.0)]]


def test_later_tokens_leave_together() -> None:
    """They wait for each other until the oldest has waited long enough, and no longer."""
    clock, delivered = FakeClock(), list[list[StepOutput]]()
    gatherer = OutputGatherer(delivered.append, clock)
    for letter in "abc":
        gatherer.add([_text(letter)])
        gatherer.deliver_due(all_due=False)
        clock.advance(GATHER_S / 2)
    gatherer.deliver_due(all_due=False)
    assert ["".join(each.text for each in outputs) for outputs in delivered] == ["abc"]


def test_a_token_does_not_wait_for_a_step_that_takes_longer_than_it_may() -> None:
    """Of a slow model each token leaves alone: the next one comes too late."""
    clock, delivered = FakeClock(), list[list[StepOutput]]()
    gatherer = OutputGatherer(delivered.append, clock)
    for letter in "ab":
        gatherer.add([_text(letter)])
        gatherer.deliver_due(all_due=False, step_s=2 * GATHER_S)
        clock.advance(2 * GATHER_S)
    assert delivered == [[_text("a")], [_text("b")]]


def test_pieces_of_a_call_that_leave_together_are_one() -> None:
    """Each costs an event of its own at every door."""
    pieces = [
        ToolCallDelta(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments_json='{"x": '),
        ToolCallDelta(index=0, arguments_json="1}"),
        ToolCallDelta(index=1, id="b", name="g"),
    ]
    outputs = [StepOutput(ticket=1, pieces=(AnswerPiece(tool_calls=(piece,)),)) for piece in pieces]
    told = response_of(ScriptedModel(), outputs).tool_calls
    assert [(each.index, each.id, each.name, each.arguments_json) for each in told] == [
        (0, "a", "f", '{"x": 1}'),
        (1, "b", "g", ""),
    ]


def test_a_long_step_is_not_waited_for() -> None:
    """Before a prompt is read, whatever is held leaves."""
    delivered = list[list[StepOutput]]()
    gatherer = OutputGatherer(delivered.append, FakeClock())
    gatherer.add([_text("a")])
    gatherer.deliver_due(all_due=True)
    gatherer.deliver_due(all_due=True)
    assert delivered == [[_text("a")]]


def test_the_end_takes_what_is_held_along() -> None:
    """The last output may not wait, so the answer is not delayed by its end."""
    delivered = list[list[StepOutput]]()
    gatherer = OutputGatherer(delivered.append, FakeClock())
    gatherer.add([_text("a")])
    gatherer.add([_end()])
    gatherer.deliver_due(all_due=False)
    assert delivered == [[_text("a"), _end()]]


async def test_an_answer_that_nobody_streams_wakes_its_caller_once() -> None:
    """Its outputs are kept until the last one, while those of another request pass."""
    router = OutputRouter(asyncio.get_running_loop())
    whole, streamed = router.open(1), router.open(2)
    router.deliver([_text("a", may_wait_s=math.inf), _text("x", ticket=2)])
    router.deliver([_text("b", may_wait_s=math.inf), _end()])
    assert await whole.get() == [_text("a", may_wait_s=math.inf), _text("b", may_wait_s=math.inf), _end()]
    assert await streamed.get() == [_text("x", ticket=2)]
    assert whole.empty()


async def test_a_closed_ticket_gets_nothing() -> None:
    """What still comes for a caller that has gone is dropped."""
    router = OutputRouter(asyncio.get_running_loop())
    queue, other = router.open(1), router.open(2)
    router.close(1)
    router.deliver([_end(1), _end(2)])
    assert await other.get() == [_end(2)]
    assert queue.empty()
