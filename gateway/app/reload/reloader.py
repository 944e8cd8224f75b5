"""Takes a changed policy into the process that serves: checked whole, then swapped in one step."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile
from gateway.app.runtime import Runtime
from gateway.errors import StartupError
from gateway.pipeline.active_policy import ActivePolicy
from gateway.policy.model import Policy
from gateway.server.admin.threads import in_operator_thread
from gateway.server.health import Health

OnReload = Callable[[ReloadResult], None]
"""Is told of every reload, whatever came of it; for metrics and records."""


class Reloader:
    """Changes the policy of this process, one reload at a time."""

    def __init__(
        self,
        file: WatchedPolicyFile,
        *,
        active: ActivePolicy,
        runtime: Runtime,
        health: Health,
        observers: Sequence[OnReload] = (),
    ) -> None:
        self._file = file
        self._active = active
        self._runtime = runtime
        self._health = health
        self._observers = tuple(observers)
        self._turn = asyncio.Lock()

    async def reload(self, *, allow_loosening: bool = False) -> ReloadResult:
        """Read the file, and let new requests begin with it if it is right and not looser than it may be."""
        async with self._turn:
            reloaded = await self._reload(allow_loosening=allow_loosening)
        reloaded.log()
        for observer in self._observers:
            observer(reloaded)
        return reloaded

    async def _reload(self, *, allow_loosening: bool) -> ReloadResult:
        running = self._active.pipeline.policy
        # Parsing takes tens of milliseconds, in which other requests shall not wait.
        policy, reloaded = await in_operator_thread(
            self._file.compare, running, allow_loosening=allow_loosening
        )
        if reloaded.outcome != "applied":
            return reloaded
        try:
            pipeline, retire = await self._runtime.prepare(policy)
        except StartupError as error:
            problems = (f"{self._file.name}:1: {error}",)
            return ReloadResult(outcome="refused", policy_hash=running.hash, problems=problems)
        self._active.swap(pipeline, retire=retire)
        self._runtime.forget(running, policy)
        await _tell(self._health, running, policy)
        return reloaded


async def _tell(health: Health, before: Policy, after: Policy) -> None:
    """Let health know of the models that came and went; an engine's comes and goes with the engine."""
    was, now = _without_engine(before), _without_engine(after)
    for name in was - now:
        await health.forget_model(name)
    for name in now - was:
        await health.set_model(name, True)


def _without_engine(policy: Policy) -> set[str]:
    return policy.models.keys() - policy.engines.keys()
