"""What signals ask of a process that serves."""

import asyncio
import signal


class ShutdownSignals:
    """What signals ask of a process: to end, to end without waiting, to read files again."""

    def __init__(self) -> None:
        self.is_urgent = False
        self._is_starting = True
        self._asked = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._task: asyncio.Task[object] | None = None

    def catch(self) -> None:
        """Take signals from now on; until `wait` is called, one that asks for the end cancels this task."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)

    async def wait(self) -> None:
        """Return when a signal asks for the end."""
        self._is_starting = False
        await self._asked.wait()

    async def hangup(self) -> None:
        """Return at the next SIGHUP, or immediately when one came since the last call."""
        await self._hung_up.wait()
        self._hung_up.clear()

    def _end(self) -> None:
        self._asked.set()
        if self._is_starting and self._task is not None:
            self._task.cancel()

    def _interrupt(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self.is_urgent = True
        self._end()
