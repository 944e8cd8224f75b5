"""Calls begin one after the other, tenants in turn, so that a burst of one tenant delays no other.

To begin a call costs the event loop a millisecond or two. A thousand that begin in the same moment would
hold it for that long together, and whoever comes behind them would wait for all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from gateway.clock import Clock, Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.errors import Overloaded

IDLE_S = 0.0002
"""A round of the event loop that takes less had nothing to do but the queue's own work."""
MOST_S = 0.005
"""After that the next call begins whatever else there is to do."""
_BOUNDS = Bounds(concurrency=1, tenant_concurrency=1, queue=2**31)
"""Those that wait hold a place among the requests that are worked on, and are bounded with them."""


class StartQueue:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue = FairQueue(clock)

    @asynccontextmanager
    async def turn(self, tenant: str, until: Deadline) -> AsyncGenerator[None, None]:
        """Do the block's work in the tenant's turn; raises Overloaded if it does not come before `until`."""
        try:
            leave = await self._queue.take(tenant, bounds=_BOUNDS, until=until)
        except NoSlot as full:
            said = "as many calls begin as may, and there is no turn in time"
            raise Overloaded(said, retry_after_s=full.retry_after_s) from None
        try:
            yield
        finally:
            self._go_on(leave, self._clock.monotonic_s())

    def _go_on(self, leave: Callable[[], None], ended_s: float) -> None:
        """Let the next call begin once the event loop has nothing else to do; it is idle for no moment."""
        asyncio.get_running_loop().call_soon(self._after_round, leave, ended_s, self._clock.monotonic_s())

    def _after_round(self, leave: Callable[[], None], ended_s: float, began_s: float) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - began_s < IDLE_S or now_s - ended_s >= MOST_S or not self._queue.queued:
            leave()
        else:
            self._go_on(leave, ended_s)
