"""What an operator sees of a serving process: built beside the server, and ended with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module

import structlog

from gateway.app.settings import ADMIN_OFF, TelemetrySettings
from gateway.domain.address import Address
from gateway.domain.optional import require
from gateway.errors import StartupError
from gateway.server.admin.address import AdminAddress, default_address, parse_admin
from gateway.server.admin.page import MetricsPage
from gateway.server.admin.recent import Recent
from gateway.server.admin.server import AdminServer, AdminService, ReloadHandler
from gateway.server.admin.status import Sources, StatusReader
from gateway.server.admin.worker import WorkerIdentity
from gateway.telemetry.metrics import Measures, counted, share_numbers
from gateway.telemetry.report import Observer
from gateway.telemetry.traces import NO_SPAN, Tracer

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    """What operators get of this process; make it by `observability_of`."""

    place: WorkerIdentity
    admin: Callable[[str], AdminAddress | None] = lambda name: None
    """The address of the admin service of the gateway of a name; None: no such service."""
    metrics: Address | None = None
    """Where the page for Prometheus is; None: nowhere."""
    tracer: Tracer = NO_SPAN
    close_tracer: Callable[[], None] = lambda: None
    """Sends the spans that are left; blocks."""
    measures: Measures = field(default_factory=Measures)
    recent: Recent = field(default_factory=Recent)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is told of every call."""
        return self.measures.record_call, self.recent.record_call


def observability_of(
    telemetry: TelemetrySettings, worker: WorkerIdentity, *, environ: Mapping[str, str]
) -> Observability:
    """Return what the settings and the parent of this process ask for; raises StartupError."""
    if worker.numbers_folder is not None:
        share_numbers(worker.numbers_folder, worker=worker.number)
    found = Observability(
        place=worker, admin=admin_choice(telemetry.admin, environ), metrics=telemetry.metrics
    )
    found.measures.record_worker_start()
    return found if telemetry.otlp is None else traced(found, telemetry.otlp, own=telemetry.own_traces)


def traced(operator: Observability, endpoint: str, *, own: bool) -> Observability:
    """Return the operator with traces that go to a collector; StartupError where the extra is missing."""
    require("otel", because="--otlp: needs OpenTelemetry")
    otel = import_module("gateway.telemetry.otel")
    tracer = otel.OtelTraces(otel.otlp_exporter(endpoint), own=own)
    return replace(operator, tracer=tracer, close_tracer=tracer.close)


def admin_choice(text: str | None, environ: Mapping[str, str]) -> Callable[[str], AdminAddress | None]:
    """Return where the admin service listens, by the name of the gateway; raises StartupError."""
    if text == ADMIN_OFF:
        return lambda name: None
    if text is not None:
        address = parse_admin(text)
        return lambda name: address
    return lambda name: _default_or_none(environ, name)


def _default_or_none(environ: Mapping[str, str], name: str) -> AdminAddress | None:
    # Nobody asked for it, so a machine that has no place for a socket is no reason not to serve.
    try:
        return default_address(environ, name=name)
    except StartupError as error:
        _log.warning("admin.unavailable", error=str(error))
        return None


@asynccontextmanager
async def operated(
    operator: Observability, sources: Sources, *, reloading: ReloadHandler | None, name: str
) -> AsyncIterator[None]:
    """Serve status, metrics and reloads until the block ends; raises StartupError."""
    place = operator.place
    reader = StatusReader(sources)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, operator.close_tracer)
        stack.push_async_callback(reader.aclose)
        address = operator.admin(name) if place.speaks_for_all else None
        if address is not None or place.folder is not None:
            server = AdminServer(AdminService(reader, reloading), place=place, address=address)
            await server.start()
            stack.push_async_callback(server.stop)
            if address is not None:
                _log.info("admin.serving", address=server.target)
        if operator.metrics is not None and place.speaks_for_all:
            registry = operator.measures.registry
            if place.numbers_folder is not None:
                registry = counted(place.numbers_folder)
            page = MetricsPage(operator.metrics, counted=registry, reader=reader)
            await page.start()
            stack.push_async_callback(page.stop)
            _log.info("metrics.serving", address=page.target)
        yield
