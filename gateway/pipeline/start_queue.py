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
REST = 0.5
"""How many times as long as its turn a tenant rests while others call, so it has two thirds of the loop."""
ALONE_S = 1.0
"""So long after a call of another tenant a tenant is alone, and rests no more."""
_BOUNDS = Bounds(concurrency=2**31, tenant_concurrency=1, queue=2**31)
"""Those that wait hold a place among the requests that are worked on, and are bounded with them."""


class StartQueue:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue = FairQueue(clock)
        self._latest = ""
        """The tenant of the call that began last."""
        self._changed_s = -ALONE_S
        """When a call began that was of another tenant than the one before."""

    @asynccontextmanager
    async def turn(self, tenant: str, until: Deadline) -> AsyncGenerator[None, None]:
        """Do the block's work in the tenant's turn; raises Overloaded if it does not come before `until`."""
        try:
            leave = await self._queue.take(tenant, bounds=_BOUNDS, until=until)
        except NoSlot as full:
            said = "as many calls begin as may, and there is no turn in time"
            raise Overloaded(said, retry_after_s=full.retry_after_s) from None
        began_s = self._clock.monotonic_s()
        if tenant != self._latest:
            self._changed_s = began_s if self._latest else self._changed_s
            self._latest = tenant
        try:
            yield
        finally:
            self._go_on(leave, began_s)

    def _go_on(self, leave: Callable[[], None], began_s: float) -> None:
        """Let the tenant's next call begin once the event loop has nothing else to do."""
        asyncio.get_running_loop().call_soon(self._after_round, leave, began_s, self._clock.monotonic_s())

    def _after_round(self, leave: Callable[[], None], began_s: float, round_s: float) -> None:
        now_s = self._clock.monotonic_s()
        taken_s = now_s - began_s
        if now_s - round_s >= IDLE_S and taken_s < MOST_S and self._queue.queued:
            self._go_on(leave, began_s)
        elif now_s - self._changed_s < ALONE_S:
            asyncio.get_running_loop().call_later(REST * taken_s, leave)
        else:
            leave()
