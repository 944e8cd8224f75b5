"""Builds a gateway in one pass: engines, ledger, pipeline, servers; each is made with all that it needs.

`running_gateway` makes the parts in the order in which they depend on each other; an exit stack ends them in
reverse. `Runtime` holds what outlives a policy, `ActivePolicy` the pipeline of the running one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import KW_ONLY, dataclass

import structlog

from gateway.app.engines import Engines, engines_of
from gateway.app.http import http_servers
from gateway.app.observability import Observability, operated
from gateway.app.parts import NO_PARTS, OptionalParts
from gateway.app.reload.controller import ReloadController
from gateway.app.reload.reloader import Reloader
from gateway.app.runtime import Runtime, Stores
from gateway.app.servers import Servers
from gateway.clock import Clock, SystemClock
from gateway.domain.address import ListenSettings
from gateway.engine_host.supervisor import OnStatus
from gateway.extras.cache.opener import CacheOpener
from gateway.extras.handoff.open import HandoffOpener
from gateway.ledger.open import open_ledger
from gateway.pipeline.active_policy import ActivePolicy
from gateway.policy.model import Policy
from gateway.server.access import Access
from gateway.server.admin.status import Sources
from gateway.server.calls import Calls
from gateway.server.grpc.grpc_server import GrpcServer
from gateway.server.grpc.health import GrpcHealth
from gateway.server.health import Health
from gateway.server.http.http_server import HttpServer
from gateway.server.http.probes import HttpProbes
from gateway.sessions.open import open_sessions
from gateway.tasks import Tasks
from gateway.telemetry.traces import NO_SPAN

_log = structlog.get_logger()
ANYBODY = Access()
"""Every caller is of one tenant, and nothing is encrypted."""


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that serves."""

    grpc: GrpcServer
    servers: Servers
    """All of them; to drain them is the gateway's end."""
    _: KW_ONLY
    http: HttpServer | None
    calls: Calls
    health: Health
    tasks: Tasks
    """Its background tasks; when a critical one fails, health is NOT_SERVING for good."""
    reloader: Reloader | None

    @property
    def target(self) -> str:
        """Where it listens, as gRPC takes it."""
        return self.grpc.address.target


@asynccontextmanager
async def running_gateway(
    policy: Policy,
    *,
    listen: ListenSettings,
    access: Access = ANYBODY,
    state_url: str = "memory:",
    environ: Mapping[str, str],
    parts: OptionalParts = NO_PARTS,
    clock: Clock | None = None,
) -> AsyncIterator[RunningGateway]:
    """Run a gateway until the block ends: port, engines, health. Raises StartupError for a missing part."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        health = Health(checks := GrpcHealth(access.guard), probes := HttpProbes(access.guard))
        tasks = _tasks(health)
        stack.push_async_callback(tasks.aclose)
        if parts.records is not None:
            stack.push_async_callback(asyncio.to_thread, parts.records.close)
        on_status = _reporter(health, tasks)
        engines = engines_of(policy, parts, stack, on_status=on_status, tasks=tasks, clock=clock)
        runtime, active = await stack.enter_async_context(
            _active(policy, engines, parts, access, state_url=state_url, environ=environ, clock=clock)
        )
        calls = _calls(active, parts, runtime, access=access, clock=clock)
        grpc = GrpcServer(
            calls, listen=listen, access=access, checks=checks, shares_port=parts.shares_port, clock=clock
        )
        http = http_servers(calls, active, parts, listen=listen, access=access, probes=probes, clock=clock)
        servers = Servers([grpc, *http], health=health, wait_idle=calls.wait_idle, times=listen, clock=clock)
        await health.begin(policy.models, serving=policy.models.keys() - engines.watched.keys())
        stack.push_async_callback(servers.drain, is_urgent=True)
        await servers.start()
        reloads = _reloads(parts, access, active, runtime, health, tasks=tasks, clock=clock)
        if parts.observability is not None:
            sources = _sources(parts.observability, calls, active, runtime, engines, clock=clock)
            handler = None if reloads is None else reloads.handler
            operator = operated(parts.observability, sources, reloading=handler, name=grpc.address.name)
            await stack.enter_async_context(operator)
            runtime.scoring.begin_warm_up()  # It serves for long: its first long text finds a process.
        await engines.start(on_status=on_status, tasks=tasks, clock=clock)
        await health.set_ready()
        if reloads is not None:
            await stack.enter_async_context(reloads.running(policy.hash))
        yield RunningGateway(
            grpc,
            servers,
            http=next(iter(http), None),
            calls=calls,
            health=health,
            tasks=tasks,
            reloader=None if reloads is None else reloads.reloader,
        )


@asynccontextmanager
async def _active(
    policy: Policy,
    engines: Engines,
    parts: OptionalParts,
    access: Access,
    *,
    state_url: str,
    environ: Mapping[str, str],
    clock: Clock,
) -> AsyncIterator[tuple[Runtime, ActivePolicy]]:
    """Open what outlives a policy, and make the first policy active; raises StartupError."""
    async with AsyncExitStack() as stack:
        ledger = open_ledger(state_url, clock=clock)
        stack.push_async_callback(ledger.aclose)
        mirror = parts.mirror(lambda: active.begin(), policy, clock=clock)
        sessions = open_sessions(state_url, has_tenants=access.tells_callers_apart, clock=clock)
        runtime = Runtime(
            lasting=engines.backends,
            stores=Stores(
                ledger,
                sessions,
                CacheOpener(state_url=state_url, on_look_up=parts.on_cache_look_up, clock=clock),
            ),
            handoff=HandoffOpener(state_url=state_url, environ=environ, clock=clock),
            shadow=parts.shadow,
            extras=parts.extras(mirror),
            has_tenants=access.tells_callers_apart,
            environ=environ,
            clock=clock,
        )
        stack.push_async_callback(runtime.aclose)
        active = await runtime.begin(policy)
        stack.push_async_callback(active.aclose)
        if mirror is not None:
            stack.push_async_callback(mirror.aclose)
        yield runtime, active


def _tasks(health: Health) -> Tasks:
    """Return the owner of the background tasks of a gateway: without a critical one it takes no requests."""

    def fail(name: str) -> None:
        _log.error("gateway.failed", task=name, cure="restart the gateway, and report the defect")
        tasks.start("health after a failure", health.fail())

    tasks = Tasks(on_critical_failure=fail)
    return tasks


def _reporter(health: Health, tasks: Tasks) -> OnStatus:
    """Return what tells health how an engine is."""

    def report(model: str, is_serving: bool) -> None:
        tasks.start(f"health of {model}", health.set_model(model, is_serving), is_critical=True)

    return report


def _calls(
    active: ActivePolicy, parts: OptionalParts, runtime: Runtime, *, access: Access, clock: Clock
) -> Calls:
    """Return the calls of this process, whatever transport brings them."""
    return Calls(
        active,
        clock=clock,
        tenant_of=access.tenant_of,
        observers=(*parts.all_observers(), runtime.rates.note),
        tracer=NO_SPAN if parts.observability is None else parts.observability.tracer,
    )


def _reloads(
    parts: OptionalParts,
    access: Access,
    active: ActivePolicy,
    runtime: Runtime,
    health: Health,
    *,
    tasks: Tasks,
    clock: Clock,
) -> ReloadController | None:
    if parts.reload is None:
        return None
    file, observers = parts.reload.file, parts.reload.observers
    reloader = Reloader(file, active=active, runtime=runtime, health=health, observers=observers)
    return ReloadController(parts.reload, reloader, keys=access.keys, tasks=tasks, clock=clock)


def _sources(
    observability: Observability,
    calls: Calls,
    active: ActivePolicy,
    runtime: Runtime,
    engines: Engines,
    *,
    clock: Clock,
) -> Sources:
    """Return where the status of this process is read from."""
    return Sources(
        place=observability.place,
        current=active,
        in_flight=lambda: calls.in_flight,
        cache_bytes=lambda: runtime.cache_bytes,
        breakers=runtime.breakers,
        budgets=runtime.budgets,
        ledger=runtime.ledger,
        engines=engines.watched,
        recent=observability.recent,
        clock=clock,
    )
