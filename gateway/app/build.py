"""The composition root: everything that serves is built here, by hand, once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from gateway.app.observability import Observability, operated
from gateway.app.reload.reloader import Reloader
from gateway.app.runtime import Runtime
from gateway.app.workers.engine_registry import EngineRegistry, SharedEngine
from gateway.backends.base import Backend
from gateway.backends.local import LocalBackend
from gateway.clock import Clock, SystemClock
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.extras.mirror.mirror import Mirror, Tell
from gateway.ledger.open import open_ledger
from gateway.pipeline.active_policy import ActivePolicy
from gateway.policy.model import Policy
from gateway.records.writer import Records
from gateway.server.admin.server import ReloadHandler
from gateway.server.admin.status import Sources, WatchedEngine
from gateway.server.grpc.api_keys import anyone
from gateway.server.grpc.grpc_server import GatewayServer, ServerOptions
from gateway.types import MirrorResult

_log = structlog.get_logger()


class _HealthRelay:
    """Carries what supervisors report to the server's health, once there is a server."""

    def __init__(self) -> None:
        self._server: GatewayServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, server: GatewayServer) -> None:
        self._server = server

    def report(self, model: str, is_serving: bool) -> None:
        if self._server is not None:
            task = asyncio.get_running_loop().create_task(self._server.health.set_model(model, is_serving))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@dataclass(slots=True)
class _Edge:
    """What stays for as long as the process: backends that no policy changes, and the engines behind them."""

    backends: dict[str, Backend]
    supervisors: list[EngineSupervisor] = field(default_factory=list)
    """Of the engines that this process owns; those of a parent have none here."""
    watched: dict[str, WatchedEngine] = field(default_factory=dict)
    """What an operator is shown of each engine."""


def _edge(
    policy: Policy,
    replaced: Mapping[str, Backend],
    *,
    board: EngineRegistry | None,
    on_status: Callable[[str, bool], None],
    clock: Clock,
) -> _Edge:
    edge = _Edge(dict(replaced))
    for name, spec in policy.engines.items():
        if name in replaced:
            continue
        state: SharedEngine | EngineSupervisor
        if board is not None:
            state = board.engines[name]
        else:
            state = EngineSupervisor(name, spec, clock=clock, on_status=on_status)
            edge.supervisors.append(state)
        edge.backends[name] = local = LocalBackend(name, state, clock=clock)
        edge.watched[name] = WatchedEngine(state=state, ask=local.status)
    return edge


def _told(records: Records, operator: Observability | None) -> Tell:
    """Return what puts a second answer into the records, and counts it."""

    def tell(mirrored: MirrorResult, policy: Policy) -> None:
        records.take_mirrored(mirrored, policy)
        if operator is not None:
            operator.measures.note_mirrored(mirrored)

    return tell


@asynccontextmanager
async def running_gateway(
    policy: Policy,
    *,
    options: ServerOptions,
    state_url: str,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    replaced: Mapping[str, Backend] | None = None,
    board: EngineRegistry | None = None,
    records: Records | None = None,
    shadow: Policy | None = None,
    operator: Observability | None = None,
    reloader: Reloader | None = None,
    reloading: ReloadHandler | None = None,
) -> AsyncIterator[GatewayServer]:
    """Run a gateway until the block ends: the port first, then engines, then health; the reverse at the end.

    `replaced` puts other backends, scripted ones for example, in the place of models of the policy. With a
    `board` the engines are those of a parent that shares them among its workers. `records` are closed at the
    end; `shadow` decides beside the policy and does nothing; `reloader` can change the policy; an `operator`
    gets status and metrics, and asks `reloading` for a reload. Raises StartupError when something that the
    policy or the operator names is not to be had.
    """
    clock = clock or SystemClock()
    relay = _HealthRelay()
    async with AsyncExitStack() as stack:
        if records is not None:
            stack.push_async_callback(asyncio.to_thread, records.close)
            observers = (*options.observers, records.note)
            options = replace(options, observers=observers, take_feedback=records.take_feedback)
        if operator is not None:
            observers = (*options.observers, *operator.observers)
            options = replace(options, observers=observers, tracer=operator.tracer)
        edge = _edge(policy, replaced or {}, board=board, on_status=relay.report, clock=clock)
        for supervisor in edge.supervisors:
            stack.push_async_callback(supervisor.stop)
        for backend in edge.backends.values():
            stack.push_async_callback(backend.aclose)
        ledger = open_ledger(state_url, clock=clock)
        stack.push_async_callback(ledger.aclose)
        keeping = Runtime(
            lasting=edge.backends,
            ledger=ledger,
            state_url=state_url,
            environ=environ,
            clock=clock,
            shadow=shadow,
            gates=() if records is None else (records.gate,),
            has_tenants=options.tenant_of is not anyone,
        )
        stack.push_async_callback(keeping.aclose)
        pipeline, retire = keeping.pipeline(policy)
        await keeping.check()
        current = ActivePolicy(pipeline, retire=retire)
        stack.push_async_callback(current.aclose)
        options = replace(options, observers=(*options.observers, keeping.rates.note))
        if records is not None:
            mirror = Mirror(current, tell=_told(records, operator), clock=clock)
            stack.push_async_callback(mirror.aclose)
            options = replace(options, mirror=mirror)
        elif policy.mirror is not None:
            _log.warning("mirror.off", why="nothing keeps what comes of it: gateway serve --decisions FILE")
        server = GatewayServer(current, options=options, clock=clock)
        relay.attach(server)
        stack.push_async_callback(server.stop, at_once=True)
        await server.start()
        if operator is not None:
            # Somebody operates this one, so it serves for long: its first long text finds a process.
            warming = asyncio.create_task(keeping.scoring.warm(), name="scoring warm-up")
            stack.push_async_callback(asyncio.wait, {warming})
            sources = Sources(
                place=operator.place,
                current=current,
                in_flight=lambda: server.in_flight,
                breakers=keeping.breakers,
                budgets=keeping.budgets,
                ledger=ledger,
                engines=edge.watched,
                recent=operator.recent,
                clock=clock,
            )
            await stack.enter_async_context(
                operated(operator, sources, reloading=reloading, name=server.address.name)
            )
        for name, spec in policy.models.items():
            if name in (replaced or {}) or not spec.has_engine:
                await server.health.set_model(name, True)
        await asyncio.gather(*(supervisor.start() for supervisor in edge.supervisors))
        if board is not None:
            watching = asyncio.create_task(board.watch(clock, relay.report), name="engine board")
            stack.callback(watching.cancel)
        await server.health.set_ready()
        if reloader is not None:
            reloader.attach(current=current, keeping=keeping, health=server.health)
        yield server
