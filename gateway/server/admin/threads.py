"""Threads for what operators ask: metrics, status, reload. Nothing that is done for a request runs in them.

The event loop's own pool of threads also looks up providers' names, and a look-up may hang for a minute.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="operator")


async def in_operator_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what `work` returns; the event loop goes on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *args, **kwargs))
