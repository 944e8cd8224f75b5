"""What operators ask never waits behind what is done for requests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.operated import operated, read_page
from tests.support.reloading import OTHER, running


async def test_metrics_and_status_answer_while_all_threads_of_the_loop_are_busy(tmp_path: Path) -> None:
    """The event loop's own pool is where providers' names are looked up, and such a look-up may hang."""
    goes_on = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    model = ScriptedBackend("edge", lambda _: reply("fine"))
    async with operated({"edge": model, "cloud": model}, tmp_path) as gateway:
        hung = [loop.run_in_executor(None, goes_on.wait, 30.0) for _ in range(8)]
        try:
            async with asyncio.timeout(10.0):
                page = await read_page(gateway.page_address)
                status = await gateway.admin.status()
        finally:
            goes_on.set()
        assert await asyncio.gather(*hung) == [True] * 8
    assert page.text
    assert len(status.workers) == 1


async def test_a_reload_works_while_all_threads_of_the_loop_are_busy(tmp_path: Path) -> None:
    """The file is read and its patterns are compiled in threads of their own."""
    goes_on = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    async with running(tmp_path) as gateway:
        hung = [loop.run_in_executor(None, goes_on.wait, 30.0) for _ in range(8)]
        try:
            async with asyncio.timeout(10.0):
                reloaded = await gateway.put(OTHER)
        finally:
            goes_on.set()
        assert await asyncio.gather(*hung) == [True] * 8
    assert reloaded.outcome == "applied"
