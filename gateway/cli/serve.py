"""`gateway serve`: run the gateway until a signal ends it."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.cli import serve_flags as flags
from gateway.cli.access import access_of
from gateway.cli.air_gap import refuse_beyond_this_host
from gateway.cli.assembly import running_gateway
from gateway.cli.engine_board import EngineBoard, board_of, place_of
from gateway.cli.operating import Operator, admin_choice, metrics_address, operator_of, refuse_open_page
from gateway.cli.policy_change import Reloaded
from gateway.cli.policy_keeper import PolicyKeeper, policy_file
from gateway.cli.reloading import OnReload
from gateway.cli.workers import Orders, become_parent
from gateway.clock import SystemClock
from gateway.engine.owner import wake_with_owner
from gateway.errors import StartupError
from gateway.ledger.open import default_ledger_url, make_default_folder
from gateway.policy.load import default_policy_path, load_policy
from gateway.policy.model import Policy
from gateway.records.files import of_worker
from gateway.records.writer import Records
from gateway.server.listen import parse_address
from gateway.server.serving import ServerOptions
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.traces import check_endpoint

_log = structlog.get_logger()


def serve(
    policy: flags.Policy = None,
    listen: flags.Listen = "127.0.0.1:50051",
    state: flags.State = None,
    insecure: flags.Insecure = False,
    air_gap: flags.AirGap = False,
    trust_tenant_header: flags.TrustTenantHeader = False,
    keys: flags.Keys = None,
    tls_cert: flags.TlsCert = None,
    tls_key: flags.TlsKey = None,
    tls_client_ca: flags.TlsClientCa = None,
    guard_health: flags.GuardHealth = False,
    max_request_bytes: flags.MaxRequestBytes = 1024 * 1024,
    workers: flags.Workers = 1,
    metrics: flags.Metrics = None,
    admin: flags.Admin = None,
    otlp: flags.Otlp = None,
    drain_s: flags.DrainS = 5.0,
    grace_s: flags.GraceS = 30.0,
    watch_policy: flags.WatchPolicy = False,
    allow_loosening: flags.AllowLoosening = False,
    decisions: flags.Decisions = None,
    shadow: flags.Shadow = None,
    log_format: flags.LogFormat = None,
) -> None:
    """Run the gateway.

    SIGTERM drains: health says NOT_SERVING, then no new calls, then calls in flight to their end, then the
    engines. Ctrl-C does the same without the first wait; a second Ctrl-C ends at once. SIGHUP reloads the
    policy and the keys: what is wrong, or allows more than before, is refused and changes nothing.

    Example: gateway serve --policy policies/default.yaml --listen 127.0.0.1:50051
    """
    address = parse_address(listen)
    state_url = state or default_ledger_url(os.environ)
    if air_gap:
        refuse_beyond_this_host(hosts={"--listen": address.host}, state_url=state_url)
    access = access_of(
        keys=keys,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        trust_tenant_header=trust_tenant_header,
        clock=SystemClock(),
    )
    if not address.is_loopback and not access.is_guarded and not insecure:
        raise StartupError(
            f"--listen {listen}: reaches beyond this host without TLS and keys (or client certificates);"
            " say --insecure if that is meant"
        )
    if guard_health and keys is None and tls_client_ca is None:
        raise StartupError("--guard-health needs --keys or --tls-client-ca: nobody has credentials to show")
    refuse_open_page(metrics_address(metrics), insecure=insecure, air_gap=air_gap)
    if otlp is not None:
        check_endpoint(otlp, air_gap=air_gap)
    admin_choice(admin, os.environ)  # Said now where it is wrong, and by one process.
    path = policy or default_policy_path()
    place = place_of()
    file = policy_file(
        path, place=place, air_gap=air_gap, allow_loosening=allow_loosening, environ=os.environ
    )
    loaded = file.load()
    watching = None if shadow is None else load_policy(shadow)
    if state is None:
        make_default_folder(os.environ)
    if workers > 1:
        if state_url.startswith("memory:"):
            raise StartupError(
                f"--workers {workers}: memory: is not shared; choose sqlite:///PATH for --state"
            )
        become_parent(
            Orders(
                workers=workers,
                listen=listen,
                policy=str(path),
                air_gap=air_gap,
                allow_loosening=allow_loosening,
                watch_policy=watch_policy,
                end_within_s=drain_s + grace_s,
                log_format=log_format,
                arguments=tuple(sys.argv[1:]),
            )
        )
    board = board_of()
    options = ServerOptions(
        address=address,
        shares_port=board is not None,
        max_request_bytes=max_request_bytes,
        tenant_of=access.tenant_of,
        tls=access.tls,
        guards_health=guard_health,
        drain_s=drain_s,
        grace_s=grace_s,
    )
    configure_logs(log_format)
    operator = operator_of(admin=admin, metrics=metrics, otlp=otlp, place=place)
    records = None
    if decisions is not None:
        number = None if board is None else place.number
        records = Records(
            of_worker(decisions, number), clock=SystemClock(), on_lost=operator.measures.note_record_error
        )
    if board is not None:
        wake_with_owner()
        threading.Thread(target=end_with_parent, daemon=True).start()

    def keeper() -> PolicyKeeper:
        return PolicyKeeper(
            file,
            place=place,
            read_again=access.reload,
            observers=(noted_by(records, operator, is_worker=board is not None),),
            is_watching=watch_policy,
        )

    asyncio.run(
        _serve(
            loaded,
            path,
            options=options,
            state_url=state_url,
            make_keeper=keeper,
            board=board,
            records=records,
            shadow=watching,
            operator=operator,
        )
    )


def noted_by(records: Records | None, operator: Operator, *, is_worker: bool) -> OnReload:
    """Return what puts a change of the policy into the records, and counts it; a worker's parent counts."""

    def note(reloaded: Reloaded) -> None:
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


async def _serve(
    policy: Policy,
    path: Path,
    *,
    options: ServerOptions,
    state_url: str,
    make_keeper: Callable[[], PolicyKeeper],
    board: EngineBoard | None,
    records: Records | None,
    shadow: Policy | None,
    operator: Operator,
) -> None:
    keeper = make_keeper()
    ending = _Ending(on_hangup=keeper.hang_up)
    with contextlib.suppress(asyncio.CancelledError):  # A signal while it started: there is nothing to drain.
        async with (
            running_gateway(
                policy,
                options=options,
                state_url=state_url,
                environ=os.environ,
                board=board,
                records=records,
                shadow=shadow,
                operator=operator,
                reloader=keeper.reloader,
                reloading=keeper.reloading,
            ) as server,
            keeper.keeping(policy.hash),
        ):
            if records is not None:
                records.note_event("policy", policy_hash=policy.hash, changes=[])
            _log.info("gateway.serving", listen=server.target, policy=str(path), policy_hash=policy.hash[:12])
            await ending.wait()
            _log.info("gateway.draining", at_once=ending.is_urgent)
            await server.stop(at_once=ending.is_urgent)
    _log.info("gateway.stopped")


class _Ending:
    """What signals ask of the task that made it: to end, to end without waiting, to read files again."""

    def __init__(self, *, on_hangup: Callable[[], None]) -> None:
        self.is_urgent = False
        self._is_starting = True
        self._asked = asyncio.Event()
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)

    async def wait(self) -> None:
        """Return when a signal asks for the end; until this is called, it cancels the task instead."""
        self._is_starting = False
        await self._asked.wait()

    def _end(self) -> None:
        self._asked.set()
        if self._is_starting and self._task is not None:
            self._task.cancel()

    def _interrupt(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self.is_urgent = True
        self._end()
