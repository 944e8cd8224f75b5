"""The only file that starts asyncio tasks: a background task has a name, and its failure is logged.

asyncio keeps the error of a task for whoever awaits it. Nobody awaits a background task, so its error would
be lost. asyncio.TaskGroup does not fit these: it cancels all its tasks when one fails.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from gateway.defects import log_defect

T = TypeVar("T")

OnCriticalFailure = Callable[[str], None]
"""Is told the name of a critical task that failed; it is called in the event loop."""


class Tasks:
    """Background tasks, kept until they end.

    A failure is logged. `on_critical_failure` is told as well when the process cannot do its job without the
    task: a gateway reports NOT_SERVING then, and the parent of workers ends.
    """

    def __init__(self, *, on_critical_failure: OnCriticalFailure | None = None) -> None:
        self._on_critical_failure = on_critical_failure
        self._running: set[asyncio.Task[Any]] = set()

    def start(
        self, name: str, work: Coroutine[Any, Any, T], *, is_critical: bool = False, **where: str
    ) -> asyncio.Task[T]:
        """Run `work` in the background; `where` is in the log line of its failure."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(partial(self._end, is_critical=is_critical, where=where))
        return task

    @property
    def is_idle(self) -> bool:
        """Whether none runs."""
        return not self._running

    async def drain(self) -> None:
        """Return when all have ended, those too that start meanwhile."""
        while self._running:
            await asyncio.wait(self._running)

    async def aclose(self) -> None:
        """Cancel all, and return when they have ended."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running)

    def _end(self, task: asyncio.Task[Any], *, is_critical: bool, where: dict[str, str]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log_defect(error, task=task.get_name(), **where)
        if is_critical and self._on_critical_failure is not None:
            self._on_critical_failure(task.get_name())


async def all_of(*work: Coroutine[Any, Any, object]) -> None:
    """Return when all have ended; the first failure cancels the others and is raised when they have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def child(work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Run `work` beside its caller, who awaits the task and handles its error: no background task."""
    return asyncio.create_task(work, name=name)
