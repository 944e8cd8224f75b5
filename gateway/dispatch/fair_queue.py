"""A bound on concurrent work, with a bounded queue in which tenants take turns.

Round robin between the tenants that wait, first come, first served inside each. A full queue refuses the
newest of the tenant that has most in it, so that a flood pushes out itself and nobody else (McKenney,
Stochastic Fairness Queueing, 1990).
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.clock import Clock, Deadline
from gateway.dispatch.layer import seconds_left

LEAST_RETRY_S = 0.1
_WEIGHT = 0.1
"""Weight of the latest measurement in the moving mean of how long a place is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many may run concurrently, how many of one tenant, and how many may wait."""

    concurrency: int
    tenant_concurrency: int
    queue: int


class NoSlot(Exception):
    """There is no place in time; `retry_after_s` is the wait that is foreseen."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("no place in time")
        self.retry_after_s = max(LEAST_RETRY_S, retry_after_s)


class FairQueue:
    """Counts who is inside. Bounds come with each call, so that a new policy holds from its first one on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bounds = Bounds(concurrency=1, tenant_concurrency=1, queue=0)
        self._inside: Counter[str] = Counter()
        self._running = 0
        self._waiting: dict[str, deque[asyncio.Future[bool]]] = {}
        """By tenant, whose turn is next first; True lets one in, False turns it away."""
        self._queued = 0
        self._taken_s = 0.0
        """How long a place is taken, lately."""

    @property
    def running(self) -> int:
        """How many are inside."""
        return self._running

    @property
    def queued(self) -> int:
        """How many wait."""
        return self._queued

    def waiting(self, tenant: str) -> int:
        """Return how many of a tenant wait."""
        return len(self._waiting.get(tenant, ()))

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait."""
        return self._queued > 0 or self._running >= self._bounds.concurrency

    @asynccontextmanager
    async def slot(self, tenant: str, *, bounds: Bounds, until: Deadline) -> AsyncGenerator[bool, None]:
        """Hold a place while the block runs; raises NoSlot if there is none before `until`.

        Yields whether it had to be waited for.
        """
        has_waited = await self._come_in(tenant, bounds, until)
        leave = self._leaver(tenant)
        try:
            yield has_waited
        finally:
            leave()

    async def take(self, tenant: str, *, bounds: Bounds, until: Deadline) -> Callable[[], None]:
        """Take a place, and return what gives it back; raises NoSlot if there is none before `until`."""
        await self._come_in(tenant, bounds, until)
        return self._leaver(tenant)

    async def _come_in(self, tenant: str, bounds: Bounds, until: Deadline) -> bool:
        """Take a place, and say whether it had to be waited for."""
        self._bounds = bounds
        self._let_in()
        must_wait = tenant in self._waiting or not self._fits(tenant)
        if must_wait:
            await self._wait(tenant, until)
        else:
            self._enter(tenant)
        return must_wait

    def _leaver(self, tenant: str) -> Callable[[], None]:
        """Return what gives a place back that was taken now."""
        began_s = self._clock.monotonic_s()

        def leave() -> None:
            taken_s = self._clock.monotonic_s() - began_s
            self._taken_s = (
                taken_s if not self._taken_s else self._taken_s + _WEIGHT * (taken_s - self._taken_s)
            )
            self._leave(tenant)

        return leave

    def wait_s(self, tenant: str) -> float:
        """Return how long one more of a tenant would wait, if tenants take turns; 0 if nothing is known."""
        own = len(self._waiting.get(tenant, ()))
        ahead = sum(min(len(queue), own + 1) for other, queue in self._waiting.items() if other != tenant)
        turns = max(
            (ahead + own + 1) / self._bounds.concurrency,
            # Its own bound may be what it waits for, whatever the others do.
            (own + 1) / self._bounds.tenant_concurrency if self._is_full_of(tenant) else 0.0,
        )
        return turns * self._taken_s

    async def _wait(self, tenant: str, until: Deadline) -> None:
        left_s, wait_s = until.remaining_s(self._clock), self.wait_s(tenant)
        if wait_s > left_s or not self._may_wait(tenant):
            raise NoSlot(wait_s)
        if self._queued >= self._bounds.queue:
            self._turn_away_newest(self._longest_waiting(tenant))
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._queued += 1
        try:
            async with asyncio.timeout(seconds_left(until, self._clock)):
                is_let_in = await turn
        except TimeoutError:
            self._give_up(tenant, turn)
            raise NoSlot(self.wait_s(tenant)) from None
        except asyncio.CancelledError:
            self._give_up(tenant, turn)
            raise
        if not is_let_in:
            raise NoSlot(self.wait_s(tenant))

    def _give_up(self, tenant: str, turn: "asyncio.Future[bool]") -> None:
        """Wait no more; a place that was given in the same moment is given back."""
        self._discard(tenant, turn)
        if turn.done() and not turn.cancelled() and turn.result():
            self._leave(tenant)

    def _may_wait(self, tenant: str) -> bool:
        """Say whether one more of a tenant may wait: in a full queue, if another tenant has more in it."""
        if self._queued < self._bounds.queue:
            return True
        longest = self._longest_waiting(tenant)
        return len(self._waiting.get(longest, ())) > len(self._waiting.get(tenant, ())) + 1

    def _longest_waiting(self, default: str) -> str:
        """Return the tenant that has most in the queue."""
        return max(self._waiting, key=lambda other: len(self._waiting[other]), default=default)

    def _turn_away_newest(self, tenant: str) -> None:
        """Refuse the one of a tenant that came last, which makes room for another."""
        newest = self._waiting[tenant][-1]
        self._discard(tenant, newest)
        if not newest.done():
            newest.set_result(False)

    def _let_in(self) -> None:
        """Give free places to those that wait, a tenant at a time."""
        while self._running < self._bounds.concurrency:
            tenant = next((each for each in self._waiting if self._fits(each)), None)
            if tenant is None:
                return
            turn = self._waiting[tenant][0]
            self._discard(tenant, turn)
            if turn.done():
                continue  # Whoever waited is being cancelled.
            if tenant in self._waiting:
                self._waiting[tenant] = self._waiting.pop(tenant)
            self._enter(tenant)
            turn.set_result(True)

    def _discard(self, tenant: str, turn: "asyncio.Future[bool]") -> None:
        if turn not in self._waiting.get(tenant, ()):
            return
        self._waiting[tenant].remove(turn)
        self._queued -= 1
        if not self._waiting[tenant]:
            del self._waiting[tenant]

    def _fits(self, tenant: str) -> bool:
        return self._running < self._bounds.concurrency and not self._is_full_of(tenant)

    def _is_full_of(self, tenant: str) -> bool:
        return self._inside[tenant] >= self._bounds.tenant_concurrency

    def _enter(self, tenant: str) -> None:
        self._running += 1
        self._inside[tenant] += 1

    def _leave(self, tenant: str) -> None:
        self._running -= 1
        self._inside[tenant] -= 1
        if not self._inside[tenant]:
            del self._inside[tenant]
        self._let_in()
