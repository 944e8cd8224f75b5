"""From the settings of `gateway serve` to a process that serves, and to its end."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import structlog

from gateway.app.auth import access_of
from gateway.app.build import running_gateway
from gateway.app.file_limit import raise_file_limit
from gateway.app.interpreter import collect_when_grown, set_for_serving
from gateway.app.observability import Observability, observability_of
from gateway.app.parts import OptionalParts
from gateway.app.reload.controller import ReloadSource
from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile
from gateway.app.reload.reloader import OnReload
from gateway.app.settings import ServeSettings
from gateway.app.signals import ShutdownSignals
from gateway.app.workers import shared_folder
from gateway.app.workers.control_socket import ParentClient
from gateway.app.workers.engine_registry import board_of, place_of
from gateway.app.workers.parent import become_parent
from gateway.app.workers.policy_publisher import PUBLISHED, PublishedPolicy
from gateway.clock import SystemClock
from gateway.defects import log_thread_defects
from gateway.engine.parent_watch import wake_with_parent
from gateway.ledger.open import make_default_folder
from gateway.policy.loading.load import load_policy
from gateway.policy.model import Policy
from gateway.records.files import of_worker
from gateway.records.writer import Records
from gateway.server.access import Access
from gateway.server.admin.worker import WorkerIdentity
from gateway.tasks import Tasks
from gateway.telemetry.logs import configure_logs

_log = structlog.get_logger()


def run(settings: ServeSettings) -> None:
    """Serve until a signal ends it; raises StartupError or PolicyError for what is wrong from the start."""
    raise_file_limit()
    access = access_of(settings.tls, settings.auth, clock=SystemClock())
    worker = place_of()
    file = policy_file(settings, worker)
    policy = file.load()
    shadow = None if settings.policy.shadow is None else load_policy(settings.policy.shadow)
    if settings.state.is_default:
        make_default_folder(os.environ)
    if settings.workers > 1:
        become_parent(settings)
    configure_logs(settings.telemetry.log_format)
    log_thread_defects()
    engines = board_of()
    observability = observability_of(settings.telemetry, worker, environ=os.environ)
    records = _records(settings.state.decisions, observability, None if engines is None else worker.number)
    signals = ShutdownSignals()
    reload = ReloadSource(
        file=file,
        observers=(noted_by(records, observability, is_worker=engines is not None),),
        is_watched=settings.policy.watch
        and worker.folder is None,  # A worker's file is watched by its parent.
        hangup=signals.hangup,
        parent=None if worker.folder is None else ParentClient(worker.folder, worker=worker.number),
    )
    parts = OptionalParts(
        engines=engines,
        records=records,
        shadow=shadow,
        observability=observability,
        reload=reload,
        http=settings.http,
    )
    if engines is not None:
        wake_with_parent()
        threading.Thread(target=end_with_parent, daemon=True).start()
    with contextlib.nullcontext() if worker.folder is None else shared_folder.held(worker.folder):
        asyncio.run(_serve(settings, policy, access, parts, signals))


def policy_file(settings: ServeSettings, worker: WorkerIdentity) -> WatchedPolicyFile:
    """Return what this process reads: the file itself or, in a worker, what its parent took of it."""
    path = settings.policy.path
    if worker.folder is None:
        return WatchedPolicyFile(
            path=path,
            name=str(path),
            environ=os.environ,
            air_gap=settings.air_gap,
            allow_loosening=settings.policy.allow_loosening,
        )
    return PublishedPolicy(
        path=path,
        name=str(path),
        environ=os.environ,
        air_gap=settings.air_gap,
        allow_loosening=True,  # Whether it is too loose was for the parent to say.
        published=worker.folder / PUBLISHED,
    )


def _records(decisions: Path | None, observability: Observability, worker: int | None) -> Records | None:
    if decisions is None:
        return None
    file = of_worker(decisions, worker)
    return Records(file, clock=SystemClock(), on_lost=observability.measures.record_write_error)


def noted_by(records: Records | None, observability: Observability, *, is_worker: bool) -> OnReload:
    """Return what puts a change of the policy into the records, and counts it; a worker's parent counts."""

    def note(reloaded: ReloadResult) -> None:
        if not is_worker:
            observability.measures.record_reload(reloaded.outcome)
        if records is not None and reloaded.outcome == "applied":
            records.note_event("policy", policy_hash=reloaded.policy_hash, changes=list(reloaded.changes))

    return note


def end_with_parent() -> None:
    """Drain this worker when its standard input, which its parent holds, comes to its end."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


async def _serve(
    settings: ServeSettings, policy: Policy, access: Access, parts: OptionalParts, signals: ShutdownSignals
) -> None:
    signals.catch()
    tasks = Tasks()
    with contextlib.suppress(asyncio.CancelledError):  # A signal while it started: there is nothing to drain.
        async with running_gateway(
            policy,
            listen=settings.listen,
            access=access,
            state_url=settings.state.url,
            environ=os.environ,
            parts=parts,
        ) as gateway:
            if parts.records is not None:
                parts.records.note_event("policy", policy_hash=policy.hash, changes=[])
            path = str(settings.policy.path)
            set_for_serving()
            tasks.start("collection of garbage", collect_when_grown(SystemClock()))
            http = None if gateway.http is None else gateway.http.address.target
            _log.info(
                "gateway.serving",
                listen=gateway.target,
                http=http,
                policy=path,
                policy_hash=policy.hash[:12],
            )
            await signals.wait()
            _log.info("gateway.draining", at_once=signals.is_urgent)
            await gateway.servers.drain(is_urgent=signals.is_urgent)
            await tasks.aclose()
    _log.info("gateway.stopped")
