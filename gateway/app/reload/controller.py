"""What may change policy and keys of a process that serves: SIGHUP, watched files, and its operator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.app.reload.policy_file import LOOK_EVERY_S, ReloadResult, WatchedPolicyFile, watch
from gateway.app.reload.reloader import OnReload, Reloader
from gateway.app.workers.control_socket import ParentClient
from gateway.clock import Clock
from gateway.server.admin.server import ReloadHandler
from gateway.server.admin.threads import in_operator_thread
from gateway.server.key_file import KeyFile
from gateway.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadSource:
    """The file of the policy, and when it is read again."""

    file: WatchedPolicyFile
    observers: tuple[OnReload, ...] = ()
    is_watched: bool = False
    """Whether a change of the file is a reason."""
    hangup: Callable[[], Awaitable[None]] | None = None
    """Returns when a signal is a reason, in which case the keys are read again, too."""
    parent: ParentClient | None = None
    """In a worker: it reloads all workers when an operator asks, and is told what this one serves."""


class ReloadController:
    """Reloads the policy of this process, and of all workers where it is one of several; and its keys."""

    def __init__(
        self,
        source: ReloadSource,
        reloader: Reloader,
        *,
        keys: KeyFile | None,
        tasks: Tasks,
        clock: Clock,
    ) -> None:
        self.reloader = reloader
        self._source = source
        self._keys = keys
        self._tasks = tasks
        self._clock = clock

    @property
    def handler(self) -> ReloadHandler:
        """What an operator asks: where there are workers, their parent, for all of them."""
        return self._source.parent or self.reloader

    @asynccontextmanager
    async def running(self, policy_hash: str) -> AsyncIterator[None]:
        """Say what is served, and wait for reasons to reload, until the block ends."""
        await self._tell_parent(policy_hash)
        waiting = []
        if self._source.hangup is not None:
            work = self._reload_on(self._source.hangup)
            waiting.append(self._tasks.start("reload on SIGHUP", work, is_critical=True))
        if self._source.is_watched:
            work = watch(self._source.file.path, self._reload, clock=self._clock)
            waiting.append(self._tasks.start("watch of the policy file", work))
        if self._keys is not None:
            work = self._watch_keys(self._keys)
            waiting.append(self._tasks.start("watch of the keys", work, is_critical=True))
        try:
            yield
        finally:
            for task in waiting:
                task.cancel()

    async def _reload_on(self, hangup: Callable[[], Awaitable[None]]) -> None:
        while True:
            await hangup()
            if self._keys is not None:
                self._tasks.start("reload of the keys", in_operator_thread(self._keys.reload))
            self._tasks.start("reload of the policy", self._reload())

    async def _watch_keys(self, keys: KeyFile) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            await in_operator_thread(keys.reload, only_if_changed=True)

    async def _reload(self) -> ReloadResult:
        reloaded = await self.reloader.reload()
        await self._tell_parent(reloaded.policy_hash)
        return reloaded

    async def _tell_parent(self, policy_hash: str) -> None:
        if self._source.parent is not None:
            await self._source.parent.serves(policy_hash)
