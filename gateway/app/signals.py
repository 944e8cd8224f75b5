"""What signals ask of a process that serves."""

import asyncio
import signal
from collections.abc import Callable


class ShutdownSignals:
    """What signals ask of the task that made it: to end, to end without waiting, to read files again."""

    def __init__(self, *, on_hangup: Callable[[], None]) -> None:
        self.is_urgent = False
        self._is_starting = True
        self._asked = asyncio.Event()
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)

    async def wait(self) -> None:
        """Return when a signal asks for the end; until this is called, it cancels the task instead."""
        self._is_starting = False
        await self._asked.wait()

    def _end(self) -> None:
        self._asked.set()
        if self._is_starting and self._task is not None:
            self._task.cancel()

    def _interrupt(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self.is_urgent = True
        self._end()
