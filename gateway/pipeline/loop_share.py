"""Turns at the event loop for work that takes milliseconds of it: one piece at a time, then a rest.

Rates and slots let a caller make many concurrent calls. Each may hold the loop for some milliseconds, and all
of them together would hold it for as long as they come.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.clock import Clock, Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.errors import Overloaded
from gateway.tasks import Tasks

REST = 2.0
"""How many times as long as the work the rest behind it is: such work has a third of the loop's time."""
QUEUE = 1024
"""Most requests that wait for a turn: the default of `limits.concurrency`."""
_BOUNDS = Bounds(concurrency=1, tenant_concurrency=1, queue=QUEUE)


class LoopShare:
    """One for each process; tenants take turns."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gate = FairQueue(clock)
        self._tasks = Tasks()

    @property
    def is_free(self) -> bool:
        """Whether a turn is free now."""
        return not self._gate.is_full

    @asynccontextmanager
    async def turn(self, tenant: str, until: Deadline) -> AsyncGenerator[None, None]:
        """Do the block's work when it is the tenant's turn; raises Overloaded if that is not before `until`.

        Whoever had the turn does not wait for the rest behind it.
        """
        held = AsyncExitStack()
        try:
            await held.enter_async_context(self._gate.slot(tenant, bounds=_BOUNDS, until=until))
        except NoSlot as full:
            said = "others are checked and scored, and there is no turn in time"
            raise Overloaded(said, retry_after_s=full.retry_after_s) from None
        began_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            taken_s = self._clock.monotonic_s() - began_s
            self._tasks.start("rest of the event loop", self._rest(held, taken_s))

    async def _rest(self, held: AsyncExitStack, taken_s: float) -> None:
        async with held:
            await self._clock.sleep(REST * taken_s)
