"""Calls begin one after the other, tenants in turn, so that a burst of one tenant delays no other.

To begin a call costs the event loop a millisecond or two, and to refuse one half of that. A thousand that
begin in the same moment would hold it for that long together, and whoever comes behind them would wait for
all.
"""

import asyncio
from collections.abc import Callable

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
BURST_QUEUE = 16
"""If more calls of a tenant wait while others call, it is looked whether they are a burst."""
BURST_LOOK_S = 0.001
BURST = 2
"""In a burst so many more wait after BURST_LOOK_S, several times as many as could begin in it. A transport
hands calls over in the order of arrival, so that others wait behind a burst until all of it is here."""
QUEUE = 4096
"""Most calls that wait, of all tenants; they hold a stream of their connection and nothing else."""
_BOUNDS = Bounds(concurrency=2**31, tenant_concurrency=1, queue=QUEUE)


class StartQueue:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue = FairQueue(clock)
        self._latest: str | None = None
        """The tenant of the call that began last."""
        self._changed_s = -ALONE_S
        """When a call began that was of another tenant than the one before."""

    async def turn(self, tenant: str, until: Deadline) -> None:
        """Return when a call of the tenant may begin; raises Overloaded if that is not before `until`.

        What the caller does next, until it waits for something, is the turn.
        """
        try:
            leave = await self._queue.take(tenant, bounds=_BOUNDS, until=until)
        except NoSlot as full:
            said = "as many calls begin as may, and there is no turn in time"
            raise Overloaded(said, retry_after_s=full.retry_after_s) from None
        began_s = self._clock.monotonic_s()
        if tenant != self._latest:
            self._changed_s = self._changed_s if self._latest is None else began_s
            self._latest = tenant
        self._go_on(tenant, leave, began_s)

    def _go_on(self, tenant: str, leave: Callable[[], None], began_s: float) -> None:
        """Let the tenant's next call begin once the event loop has nothing else to do."""
        now_s = self._clock.monotonic_s()
        asyncio.get_running_loop().call_soon(self._after_round, tenant, leave, began_s, now_s)

    def _after_round(self, tenant: str, leave: Callable[[], None], began_s: float, round_s: float) -> None:
        now_s = self._clock.monotonic_s()
        taken_s = now_s - began_s
        waiting = self._queue.waiting(tenant)
        if now_s - round_s >= IDLE_S and taken_s < MOST_S and waiting:
            self._go_on(tenant, leave, began_s)
            return
        if now_s - self._changed_s >= ALONE_S:
            leave()
        elif waiting < BURST_QUEUE:
            asyncio.get_running_loop().call_later(REST * taken_s, leave)
        else:
            self._after_burst(tenant, leave, max(REST * taken_s, BURST_LOOK_S))

    def _after_burst(self, tenant: str, leave: Callable[[], None], rest_s: float) -> None:
        """Let the next call begin after the rest, and when no burst of its tenant comes in any more."""
        waiting = self._queue.waiting(tenant)

        def look() -> None:
            if self._queue.waiting(tenant) >= waiting + BURST:
                self._after_burst(tenant, leave, BURST_LOOK_S)
            else:
                leave()

        asyncio.get_running_loop().call_later(rest_s, look)
