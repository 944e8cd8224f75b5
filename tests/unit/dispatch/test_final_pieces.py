"""A caller that cannot be told of a restart: what it was sent stands, or its stream fails."""

from collections.abc import AsyncGenerator

import pytest

from gateway.domain.answer import Answer, Chunk, Delta, FinishReason, Restart, StreamEvent, ToolCallDelta
from gateway.domain.delivery import Delivery
from gateway.errors import BackendFailed, StreamTruncated
from gateway.pipeline.buffered import buffered
from gateway.policy.model import Resilience
from gateway.testing.scripted import reply
from tests.support.dispatch_doubles import CLOUD, Bench, told
from tests.support.virtual_time import virtual_time

FINAL = Delivery.FINAL_PIECES
HALF = Chunk(text="half ")
CUT = (HALF, StreamTruncated("cloud", "cut"))
STOP = Chunk(finish_reason=FinishReason.STOP)
RESUME = Resilience(recovery="resume")
GOES_ON = CLOUD.model_copy(update={"prefill": True})


@virtual_time
async def test_before_the_first_text_the_next_model_answers() -> None:
    """Nothing was said, so nothing is taken back."""
    bench = Bench({"cloud": [[BackendFailed("cloud", "500")]], "backup": [reply("whole")]})
    assert told(await bench.stream("cloud", "backup", delivery=FINAL)) == ["0:whole", "answer whole"]


@virtual_time
async def test_a_cut_ends_the_stream() -> None:
    """No other model begins anew, and none is called for it."""
    bench = Bench({"cloud": [CUT], "backup": [reply("whole")]})
    with pytest.raises(StreamTruncated):
        await bench.stream("cloud", "backup", delivery=FINAL)
    assert bench.called("backup") == 0


@virtual_time
async def test_no_canned_reply_follows_half_an_answer() -> None:
    """Who was sent half an answer gets an error, whatever the request says of canned replies."""
    bench = Bench({"cloud": [CUT]})
    with pytest.raises(StreamTruncated):
        await bench.stream("cloud", delivery=FINAL)


@virtual_time
async def test_a_model_may_say_the_same_and_more() -> None:
    """With `resume`, a whole answer that begins word for word with what was sent goes on from there."""
    same = [(Chunk(text="half an answer"), STOP)]
    bench = Bench({"cloud": [CUT], "backup": same}, resilience=RESUME)
    events = await bench.stream("cloud", "backup", delivery=FINAL)
    assert told(events) == ["0:half ", "0:an answer", "answer half an answer"]


@virtual_time
async def test_another_answer_is_not_begun() -> None:
    """With `resume`, an answer that differs from what was sent ends the stream, and asks no third model."""
    bench = Bench({"cloud": [CUT], "backup": [reply("no")], "third": [reply("half")]}, resilience=RESUME)
    with pytest.raises(StreamTruncated):
        await bench.stream("cloud", "backup", "third", delivery=FINAL)
    assert bench.called("third") == 0


@virtual_time
async def test_buffered_pieces_are_of_a_whole_answer() -> None:
    """What a model said before it failed is never seen; calls of tools follow the text."""
    call = ToolCallDelta(index=0, id="a", name="f", arguments_json="{}")
    answer = (Chunk(text="whole", tool_calls=(call,)), STOP)
    bench = Bench({"cloud": [CUT], "backup": [answer]})
    whole = await bench.stream("cloud", "backup", delivery=Delivery.WHOLE)
    events = [event async for event in buffered(_replayed(whole))]
    deltas = [event for event in events if isinstance(event, Delta)]
    assert [(delta.text, delta.tool_call) for delta in deltas] == [("whole", None), ("", call)]
    assert isinstance(events[-1], Answer)
    assert not [event for event in events if isinstance(event, Restart)]


async def _replayed(events: list[StreamEvent]) -> AsyncGenerator[StreamEvent, None]:
    for event in events:
        yield event
