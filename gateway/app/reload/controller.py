"""What may change the policy of a process that serves: SIGHUP, its watched file, and its operator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile, start, watch
from gateway.app.reload.reloader import OnReload, Reloader
from gateway.app.workers.control_socket import ParentClient
from gateway.app.workers.policy_publisher import PUBLISHED, PublishedPolicy
from gateway.clock import SystemClock
from gateway.server.admin.server import ReloadHandler
from gateway.server.admin.worker import WorkerIdentity


def policy_file(
    path: Path, *, place: WorkerIdentity, air_gap: bool, allow_loosening: bool, environ: Mapping[str, str]
) -> WatchedPolicyFile:
    """Return what this process reads: the file itself or, in a worker, what its parent took of it."""
    if place.folder is not None:
        # Whether it is too loose was for the parent to say.
        return PublishedPolicy(
            path=path,
            name=str(path),
            environ=environ,
            air_gap=air_gap,
            allow_loosening=True,
            published=place.folder / PUBLISHED,
        )
    return WatchedPolicyFile(
        path=path, name=str(path), environ=environ, air_gap=air_gap, allow_loosening=allow_loosening
    )


class ReloadController:
    """Reloads the policy of this process, and of all workers where it is one of several."""

    def __init__(
        self,
        file: WatchedPolicyFile,
        *,
        place: WorkerIdentity,
        read_again: Callable[[], None],
        observers: tuple[OnReload, ...],
        is_watching: bool,
    ) -> None:
        self.reloader = Reloader(file, observers=observers)
        self._file = file
        self._hotline = None if place.folder is None else ParentClient(place.folder, worker=place.number)
        self._read_again = read_again
        self._is_watching = is_watching and place.folder is None
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def reloading(self) -> ReloadHandler:
        """What an operator asks: where there are workers, their parent, for all of them."""
        return self._hotline or self.reloader

    def hang_up(self) -> None:
        """Do what SIGHUP asks: read keys and policy again."""
        self._read_again()
        start(self._reload(), self._tasks)

    @asynccontextmanager
    async def keeping(self, policy_hash: str) -> AsyncIterator[None]:
        """Say what is served, and watch the file, until the block ends."""
        if self._hotline is not None:
            await self._hotline.serves(policy_hash)
        if self._is_watching:
            start(watch(self._file.path, self._reload, clock=SystemClock()), self._tasks)
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()

    async def _reload(self) -> ReloadResult:
        reloaded = await self.reloader.reload()
        if self._hotline is not None:
            await self._hotline.serves(reloaded.policy_hash)
        return reloaded
