"""The engines of a process: its own, or those of a parent that shares them among its workers."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.app.parts import OptionalParts
from gateway.app.workers.engine_registry import EngineRegistry, SharedEngine
from gateway.backends.base import Backend
from gateway.backends.local import LocalBackend
from gateway.clock import Clock
from gateway.engine_host.memory import MemoryGate
from gateway.engine_host.supervisor import EngineSupervisor, OnStatus
from gateway.policy.model import Policy
from gateway.server.admin.status import WatchedEngine
from gateway.tasks import Tasks, all_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What stays for as long as the process: backends that no policy changes, and the engines behind them."""

    backends: dict[str, Backend]
    supervisors: list[EngineSupervisor]
    """Of the engines that this process owns; those of a parent have none here."""
    watched: dict[str, WatchedEngine]
    """What an operator is shown of each engine."""
    shared: EngineRegistry | None
    """Those of a parent."""

    async def start(self, *, on_status: OnStatus, tasks: Tasks, clock: Clock) -> None:
        """Return when every engine that this process owns has loaded its model; raises StartupError."""
        await all_of(*(supervisor.start() for supervisor in self.supervisors))
        if self.shared is not None:
            watch = self.shared.watch(clock, on_status)
            tasks.start("states of the parent's engines", watch, is_critical=True)


def engines_of(
    policy: Policy,
    parts: OptionalParts,
    stack: AsyncExitStack,
    *,
    on_status: OnStatus,
    tasks: Tasks,
    clock: Clock,
) -> Engines:
    """Return the backends of local models, none of whose engines runs yet; the stack ends them."""
    engines = Engines(backends=dict(parts.replaced), supervisors=[], watched={}, shared=parts.engines)
    memory = MemoryGate()
    for name, spec in policy.engines.items():
        if name in parts.replaced:
            continue
        state: SharedEngine | EngineSupervisor
        if parts.engines is not None:
            state = parts.engines.engines[name]
        else:
            state = EngineSupervisor(name, spec, clock=clock, on_status=on_status, tasks=tasks, memory=memory)
            stack.push_async_callback(state.stop)
            engines.supervisors.append(state)
        engines.backends[name] = local = LocalBackend(name, state, clock=clock)
        engines.watched[name] = WatchedEngine(state=state, ask=local.status)
    for backend in engines.backends.values():
        stack.push_async_callback(backend.aclose)
    return engines
