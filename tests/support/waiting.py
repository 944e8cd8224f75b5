"""Waiting for what will be true."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; TimeoutError after 90 seconds: machines may be busy."""
    async with asyncio.timeout(90.0):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)
