"""One timer bounds many waits: each wait has its own time, and nobody else's cancellation is taken for it."""

import asyncio

import pytest

from gateway.clock import WaitLimit
from gateway.tasks import child
from tests.support.virtual_time import virtual_time


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_each_wait_has_its_own_time() -> None:
    """Waits that end in time leave those behind them all of theirs, whatever the timer was set to."""
    limit = WaitLimit()
    for _ in range(5):
        with limit.within(2.0):
            await asyncio.sleep(1.5)
    began_s = _now_s()
    with pytest.raises(TimeoutError), limit.within(2.0):
        await asyncio.sleep(3.0)
    assert (limit.has_expired, _now_s() - began_s) == (True, 2.0)
    with limit.within(1.0):
        await asyncio.sleep(0.5)
    assert not limit.has_expired


@virtual_time
async def test_a_shorter_wait_ends_sooner() -> None:
    """A timer that is set for later does not make a shorter wait longer."""
    limit = WaitLimit()
    with limit.within(100.0):
        await asyncio.sleep(1.0)
    began_s = _now_s()
    with pytest.raises(TimeoutError), limit.within(1.0):
        await asyncio.sleep(5.0)
    assert _now_s() - began_s == 1.0


@virtual_time
async def test_no_time_between_waits_is_counted() -> None:
    """A timer that fires while nobody waits ends nothing, and the next wait has its whole time."""
    limit = WaitLimit()
    with limit.within(1.0):
        pass
    await asyncio.sleep(10.0)
    with limit.within(1.0):
        await asyncio.sleep(0.5)
    began_s = _now_s()
    with pytest.raises(TimeoutError), limit.within(1.0):
        await asyncio.sleep(2.0)
    assert _now_s() - began_s == 1.0


@virtual_time
async def test_a_cancelled_task_is_cancelled() -> None:
    """Who ends the task from outside ends it; that is no timeout, even in the same moment."""

    async def wait() -> None:
        with limit.within(1.0):
            await asyncio.sleep(5.0)

    for after_s in (0.5, 1.0):
        limit = WaitLimit()
        task = child(wait(), name="wait")
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@virtual_time
async def test_a_timeout_of_the_wait_itself_is_not_its_own() -> None:
    """A TimeoutError that comes from within is passed on, and told apart."""
    limit = WaitLimit()
    with pytest.raises(TimeoutError), limit.within(1.0):
        raise TimeoutError
    assert not limit.has_expired


@virtual_time
async def test_no_timer_is_left() -> None:
    """A limit that is closed does not wake the loop: time does not go on by itself."""
    limit = WaitLimit()
    with limit.within(50.0):
        await asyncio.sleep(1.0)
    limit.close()
    await asyncio.sleep(1.0)
    assert _now_s() == 2.0
    with limit.within(float("inf")):
        await asyncio.sleep(100.0)
