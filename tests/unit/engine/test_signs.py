"""A request that waits, or whose prompt is read, is told that the engine is at work; never that it hangs."""

import asyncio

import pytest

from gateway.engine.output_router import HEARTBEAT_S, next_or_heartbeat
from gateway.engine.sequence import StepOutput
from gateway.engine.token_reader import AnswerPiece
from tests.support.virtual_time import virtual_time

TEXT = StepOutput(ticket=7, pieces=(AnswerPiece(text="a"),))


@virtual_time
async def test_an_engine_at_work_says_so_until_there_is_text() -> None:
    """Every two seconds without text there is an empty output; text comes when it comes."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[list[StepOutput]]()
    loop.call_later(3.5 * HEARTBEAT_S, queue.put_nowait, [TEXT])
    found = [await next_or_heartbeat(queue, iterations=lambda: int(10 * loop.time())) for _ in range(4)]
    assert found == [[], [], [], [TEXT]]
    assert loop.time() == pytest.approx(3.5 * HEARTBEAT_S)


@virtual_time
async def test_an_engine_that_hangs_says_nothing() -> None:
    """Without a turn of the scheduler there is silence, which is what whoever waits has to see."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[list[StepOutput]]()
    loop.call_later(20 * HEARTBEAT_S, queue.put_nowait, [TEXT])
    assert await next_or_heartbeat(queue, iterations=lambda: 3) == [TEXT]
