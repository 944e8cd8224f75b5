"""An event loop whose time jumps to the next timer, so that timeouts are tested without waiting."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import ParamSpec

P = ParamSpec("P")

UNIX_S = 1_800_000_000.0


class _JumpingSelector(selectors.SelectSelector):
    """Lets time pass where another selector would wait."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if that is nothing, the next timer is due."""
        if timeout is None:
            raise RuntimeError("nothing is scheduled: the test would hang for ever")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without threads: it does not wait for them."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now_s


class LoopClock:
    """The clock of the running loop, as SystemClock is for a real one."""

    def monotonic_s(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def unix_s(self) -> float:
        """Seconds since 1970 in UTC."""
        return UNIX_S + self.monotonic_s()

    async def sleep(self, delay_s: float) -> None:
        """Wait, in the loop's time."""
        await asyncio.sleep(delay_s)


def virtual_time(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test on a loop of its own whose time jumps."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
