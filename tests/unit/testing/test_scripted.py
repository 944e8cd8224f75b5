"""The scripted backend: what dispatch is tried with must itself do what it is told."""

import pytest

from gateway.backends.base import Backend, Call
from gateway.clock import Deadline
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.errors import BackendFailed, StreamTruncated
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from tests.support.dispatch_doubles import a_request
from tests.support.fakes import FakeClock

CALL = Call(request=a_request(), max_tokens=5, deadline=Deadline.never())
USAGE = Usage(prompt_tokens=1, completion_tokens=2)


async def test_steps_in_turn() -> None:
    """Each call takes the next step, the last one for ever; calls are remembered."""
    backend = ScriptedBackend("m", [BackendFailed("m", "500"), reply("one"), reply("two")])
    seam: Backend = backend
    with pytest.raises(BackendFailed):
        await seam.generate(CALL)
    assert [(await seam.generate(CALL)).text for _ in range(3)] == ["one", "two", "two"]
    assert backend.calls == [CALL] * 4
    assert backend.stopped == []


async def test_function_of_the_call() -> None:
    """A function of the call is a script, too."""
    backend = ScriptedBackend("m", lambda call: reply(f"at most {call.max_tokens}"))
    assert (await backend.generate(CALL)).text == "at most 5"


async def test_reply_is_streamed_word_by_word() -> None:
    """A streamed reply is the same text, with finish reason and usage on the last piece only."""
    backend = ScriptedBackend("m", [reply("one two  three", usage=USAGE)])
    chunks = [chunk async for chunk in backend.stream(CALL)]
    assert "".join(chunk.text for chunk in chunks) == "one two  three"
    assert [chunk.finish_reason for chunk in chunks] == [None, None, None, FinishReason.STOP]
    assert [chunk.usage for chunk in chunks] == [None, None, None, USAGE]


async def test_delay_is_on_the_clock() -> None:
    """A delay passes on the backend's clock."""
    clock = FakeClock()
    backend = ScriptedBackend("m", [(Delay(3.0), reply("late"))], clock=clock)
    await backend.generate(CALL)
    assert clock.slept_s == [3.0]


async def test_pieces_without_an_end() -> None:
    """Pieces without a finish reason are a cut: a stream just ends, a unary call fails."""
    backend = ScriptedBackend("m", [(Chunk(text="a"), Chunk(text="b"))])
    assert [chunk.text async for chunk in backend.stream(CALL)] == ["a", "b"]
    with pytest.raises(StreamTruncated):
        await backend.generate(CALL)


async def test_stopped_call_is_remembered() -> None:
    """A stream that is closed before its end counts as stopped."""
    backend = ScriptedBackend("m", [reply("one two")])
    stream = backend.stream(CALL)
    await anext(stream)
    await stream.aclose()
    assert backend.stopped == [CALL]
    await backend.aclose()
    assert backend.is_closed


def test_empty_script() -> None:
    """A script without a step is refused when it is written, not when it is played."""
    with pytest.raises(ValueError, match="no step"):
        ScriptedBackend("m", [])
