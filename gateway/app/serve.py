"""From what the flags of `serve` ask for to a process that serves, and to its end."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.app.air_gap import refuse_beyond_this_host
from gateway.app.auth import Access, access_of
from gateway.app.build import running_gateway
from gateway.app.interpreter import set_for_serving
from gateway.app.observability import (
    Observability,
    admin_choice,
    metrics_address,
    operator_of,
    refuse_open_page,
)
from gateway.app.reload.controller import ReloadController, policy_file
from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile
from gateway.app.reload.reloader import OnReload
from gateway.app.signals import ShutdownSignals
from gateway.app.workers import shared_folder
from gateway.app.workers.engine_registry import EngineRegistry, board_of, place_of
from gateway.app.workers.parent import ParentConfig, become_parent
from gateway.clock import SystemClock
from gateway.domain.address import parse_listen
from gateway.engine.parent_watch import wake_with_owner
from gateway.errors import StartupError
from gateway.ledger.open import default_ledger_url, make_default_folder
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.model import Policy
from gateway.records.files import of_worker
from gateway.records.writer import Records
from gateway.server.admin.worker import WorkerIdentity
from gateway.server.grpc.connection_limits import raise_file_limit
from gateway.server.grpc.grpc_server import ServerOptions
from gateway.telemetry.logs import LogFormat, configure_logs
from gateway.telemetry.traces import check_endpoint

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The flags of `gateway serve`, by their names; what each means is said in `serve_flags`."""

    policy: Path | None
    listen: str
    state: str | None
    insecure: bool
    air_gap: bool
    trust_tenant_header: bool
    keys: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    guard_health: bool
    max_request_bytes: int
    workers: int
    metrics: str | None
    admin: str | None
    otlp: str | None
    own_traces: bool
    drain_s: float
    grace_s: float
    watch_policy: bool
    allow_loosening: bool
    decisions: Path | None
    shadow: Path | None
    log_format: LogFormat | None

    @property
    def policy_path(self) -> Path:
        """The policy's file."""
        return self.policy or default_policy_path()

    @property
    def state_url(self) -> str:
        """Where spend is kept."""
        return self.state or default_ledger_url(os.environ)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """All that was checked and opened before there is an event loop."""

    asked: ServeSettings
    access: Access
    file: WatchedPolicyFile
    policy: Policy
    shadow: Policy | None
    place: WorkerIdentity
    board: EngineRegistry | None
    """The engines of the parent; None: this process is no worker, and has its own."""
    operator: Observability
    records: Records | None


def run(asked: ServeSettings) -> None:
    """Serve until a signal ends it; raises StartupError or PolicyError for what is wrong from the start."""
    raise_file_limit()
    access = _checked_access(asked)
    place = place_of()
    file = policy_file(
        asked.policy_path,
        place=place,
        air_gap=asked.air_gap,
        allow_loosening=asked.allow_loosening,
        environ=os.environ,
    )
    policy = file.load()
    shadow = None if asked.shadow is None else load_policy(asked.shadow)
    if asked.state is None:
        make_default_folder(os.environ)
    if asked.workers > 1:
        become_parent(_orders(asked))
    configure_logs(asked.log_format)
    board = board_of()
    operator = operator_of(
        admin=asked.admin,
        metrics=asked.metrics,
        otlp=asked.otlp,
        own_traces=asked.own_traces,
        place=place,
    )
    records = _records(asked, operator, worker=None if board is None else place.number)
    if board is not None:
        wake_with_owner()
        threading.Thread(target=end_with_parent, daemon=True).start()
    process = _Process(
        asked=asked,
        access=access,
        file=file,
        policy=policy,
        shadow=shadow,
        place=place,
        board=board,
        operator=operator,
        records=records,
    )
    with contextlib.nullcontext() if place.folder is None else shared_folder.held(place.folder):
        asyncio.run(_serve(process))


def _checked_access(asked: ServeSettings) -> Access:
    """Return who may call; raises StartupError where an address is open to more than was meant."""
    address = parse_listen(asked.listen)
    if asked.air_gap:
        refuse_beyond_this_host(hosts={"--listen": address.host}, state_url=asked.state_url)
    access = access_of(
        keys=asked.keys,
        tls_cert=asked.tls_cert,
        tls_key=asked.tls_key,
        tls_client_ca=asked.tls_client_ca,
        trust_tenant_header=asked.trust_tenant_header,
        clock=SystemClock(),
    )
    if not address.is_loopback and not access.is_guarded and not asked.insecure:
        raise StartupError(
            f"--listen {asked.listen}: reaches beyond this host without TLS and keys (or client"
            " certificates); say --insecure if that is meant"
        )
    if asked.guard_health and asked.keys is None and asked.tls_client_ca is None:
        raise StartupError("--guard-health needs --keys or --tls-client-ca: nobody has credentials to show")
    refuse_open_page(metrics_address(asked.metrics), insecure=asked.insecure, air_gap=asked.air_gap)
    if asked.otlp is not None:
        check_endpoint(asked.otlp, air_gap=asked.air_gap)
    admin_choice(asked.admin, os.environ)  # Said now where it is wrong, and by one process.
    return access


def _orders(asked: ServeSettings) -> ParentConfig:
    if parse_listen(asked.listen).path is not None:
        raise StartupError(
            f"--workers {asked.workers}: a unix socket cannot be shared; choose HOST:PORT for --listen"
        )
    if asked.state_url.startswith("memory:"):
        raise StartupError(
            f"--workers {asked.workers}: memory: is not shared; choose sqlite:///PATH for --state"
        )
    return ParentConfig(
        workers=asked.workers,
        listen=asked.listen,
        policy=str(asked.policy_path),
        air_gap=asked.air_gap,
        allow_loosening=asked.allow_loosening,
        watch_policy=asked.watch_policy,
        end_within_s=asked.drain_s + asked.grace_s,
        log_format=asked.log_format,
        arguments=tuple(sys.argv[1:]),
    )


def _records(asked: ServeSettings, operator: Observability, *, worker: int | None) -> Records | None:
    if asked.decisions is None:
        return None
    file = of_worker(asked.decisions, worker)
    return Records(file, clock=SystemClock(), on_lost=operator.measures.note_record_error)


def _options(process: _Process) -> ServerOptions:
    asked = process.asked
    return ServerOptions(
        address=parse_listen(asked.listen),
        shares_port=process.board is not None,
        max_request_bytes=asked.max_request_bytes,
        tenant_of=process.access.tenant_of,
        tls=process.access.tls,
        guards_health=asked.guard_health,
        drain_s=asked.drain_s,
        grace_s=asked.grace_s,
    )


def _keeper(process: _Process) -> ReloadController:
    observer = noted_by(process.records, process.operator, is_worker=process.board is not None)
    return ReloadController(
        process.file,
        place=process.place,
        read_again=process.access.reload,
        observers=(observer,),
        is_watching=process.asked.watch_policy,
    )


def noted_by(records: Records | None, operator: Observability, *, is_worker: bool) -> OnReload:
    """Return what puts a change of the policy into the records, and counts it; a worker's parent counts."""

    def note(reloaded: ReloadResult) -> None:
        if not is_worker:
            operator.measures.note_reload(reloaded.outcome)
        if records is not None and reloaded.outcome == "applied":
            records.note_event("policy", policy_hash=reloaded.policy_hash, changes=list(reloaded.changes))

    return note


def end_with_parent() -> None:
    """Drain this worker when its standard input, which its parent holds, comes to its end."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


async def _serve(process: _Process) -> None:
    policy, records = process.policy, process.records
    keeper = _keeper(process)
    ending = ShutdownSignals(on_hangup=keeper.hang_up)
    with contextlib.suppress(asyncio.CancelledError):  # A signal while it started: there is nothing to drain.
        async with (
            running_gateway(
                policy,
                options=_options(process),
                state_url=process.asked.state_url,
                environ=os.environ,
                board=process.board,
                records=records,
                shadow=process.shadow,
                operator=process.operator,
                reloader=keeper.reloader,
                reloading=keeper.reloading,
            ) as server,
            keeper.keeping(policy.hash),
        ):
            if records is not None:
                records.note_event("policy", policy_hash=policy.hash, changes=[])
            path = str(process.asked.policy_path)
            set_for_serving()
            _log.info("gateway.serving", listen=server.target, policy=path, policy_hash=policy.hash[:12])
            await ending.wait()
            _log.info("gateway.draining", at_once=ending.is_urgent)
            await server.stop(at_once=ending.is_urgent)
    _log.info("gateway.stopped")
