"""The servers of a gateway, one for each transport: they start together and end in one order."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gateway.clock import Clock
from gateway.domain.address import ListenSettings
from gateway.server.health import Health
from gateway.server.transport import TransportServer
from gateway.tasks import all_of, child


class Servers:
    """Starts all servers of a gateway, and ends them gracefully.

    Watchers of health never end by themselves, so `wait_idle` tells when no call of a model is in flight.
    """

    def __init__(
        self,
        servers: Sequence[TransportServer],
        *,
        health: Health,
        wait_idle: Callable[[], Coroutine[Any, Any, None]],
        times: ListenSettings,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._health = health
        self._wait_idle = wait_idle
        self._times = times
        self._clock = clock
        self._has_drained = False

    async def start(self) -> None:
        """Bind and serve; raises StartupError for an address that cannot be had."""
        for server in self._servers:
            await server.start()

    async def drain(self, *, is_urgent: bool = False) -> None:
        """End: health first, then no new work, then calls in flight get their time, then all is closed.

        A second call does nothing. `is_urgent` leaves out the wait for load balancers.
        """
        if self._has_drained:
            return
        self._has_drained = True
        await self._health.drain()
        if not is_urgent:
            await self._clock.sleep(self._times.drain_s)
        await all_of(*(server.stop_accepting() for server in self._servers))
        idle = child(self._wait_idle(), name="end of all calls")
        await asyncio.wait({idle}, timeout=self._times.grace_s)
        idle.cancel()
        await all_of(*(server.close() for server in self._servers))
