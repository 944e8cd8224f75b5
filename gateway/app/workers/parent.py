"""The parent of `gateway serve --workers N`, which runs `python -m gateway.app.workers.parent`.

It never imports gRPC, which does not survive a fork and is not needed here. It keeps the port and owns the
engines, spawns the workers that share the port by SO_REUSEPORT, and starts again what ends.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import NoReturn

import structlog
from pydantic import TypeAdapter

from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile, watch
from gateway.app.settings import ServeSettings
from gateway.app.workers import shared_folder
from gateway.app.workers.control_socket import listen
from gateway.app.workers.engine_registry import BOARD_VARIABLE, WORKER_VARIABLE, RegisteredEngine, write_board
from gateway.app.workers.policy_publisher import PolicyPublisher
from gateway.clock import SystemClock
from gateway.defects import log_defect, log_thread_defects
from gateway.domain.address import Address, claim, refused
from gateway.engine_host.memory import MemoryGate
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import STARTUP_STATUS, PolicyError, StartupError
from gateway.server.admin.worker import METRICS_FOLDER
from gateway.tasks import Tasks, all_of, child
from gateway.telemetry.logs import configure_logs
from gateway.telemetry.metrics import Measures, share_numbers

SETTINGS_VARIABLE = "GATEWAY_PARENT_SETTINGS"
"""Holds the settings of `serve`, as JSON, for its parent alone."""
FAILED_STATUS = 1
"""The exit status after a defect: to be started again is worth a try."""
AGAIN_AFTER_S = 1.0
"""How long after its end a worker is started again."""
REFUSED_AGAIN_S = 5.0
"""The same for one that could not start, since a file went wrong: it takes a second of a processor."""
KILL_AFTER_S = 10.0
"""How much longer than its drain and grace a worker may take to end."""

_SETTINGS = TypeAdapter(ServeSettings)
_log = structlog.get_logger()


def become_parent(settings: ServeSettings) -> NoReturn:
    """Replace this process, which has loaded gRPC, by one that has not; workers get its command line."""
    # By the environment, which no other user can read: the URL of the state may hold a password.
    os.environ[SETTINGS_VARIABLE] = _SETTINGS.dump_json(settings).decode()
    command = [sys.executable, "-P", "-m", "gateway.app.workers.parent", *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606  our own interpreter, and no shell


def reserve(address: Address, *, flag: str) -> tuple[socket.socket, Address]:
    """Return a socket that keeps the port for this user's workers, and the port; StartupError if it is taken.

    It never listens, so it gets no connection. The exclusive bind before it finds a second gateway.
    """
    claim(address, flag=flag)
    family, _, _, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    held = socket.socket(family, socket.SOCK_STREAM)
    # The connections of a gateway that ended wait a minute on its port, without SO_REUSEPORT if it was alone.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind(where)
    except OSError as error:
        held.close()
        raise refused(address, error, flag=flag) from None
    return held, Address(address.host, held.getsockname()[1])


class Parent:
    """Engines and workers of one gateway."""

    def __init__(self, settings: ServeSettings, addresses: Mapping[str, Address], folder: Path) -> None:
        self._settings = settings
        self._addresses = addresses
        """By the flag that names each to workers."""
        self._folder = folder
        self._board = folder / "engines.json"
        (folder / METRICS_FOLDER).mkdir()
        share_numbers(folder / METRICS_FOLDER, worker=settings.workers)  # One more than the workers have.
        self._measures = Measures()
        self._processes: dict[int, Process] = {}
        self._is_ending = asyncio.Event()
        self.status = 0
        self._tasks = Tasks(on_critical_failure=self._fail)
        file = WatchedPolicyFile(
            path=settings.policy.path,
            name=str(settings.policy.path),
            environ=os.environ,
            air_gap=settings.air_gap,
            allow_loosening=settings.policy.allow_loosening,
        )
        self._policy = PolicyPublisher(file, folder)
        memory = MemoryGate()
        self._supervisors = {
            name: EngineSupervisor(
                name,
                spec,
                clock=SystemClock(),
                on_status=lambda *_: self._write(),
                tasks=self._tasks,
                memory=memory,
            )
            for name, spec in self._policy.running.engines.items()
        }

    async def run(self) -> None:
        """Start the engines, then the workers; return when a signal, or a failure, has ended them all."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        control_socket = await listen(self._folder, self)
        if self._settings.policy.watch:
            watching = watch(self._settings.policy.path, self.reload, clock=SystemClock())
            self._tasks.start("watch of the policy file", watching)
        try:
            await all_of(*(supervisor.start() for supervisor in self._supervisors.values()))
            self._write()
            watches = [
                self._tasks.start(f"worker {number}", self._keep(number), is_critical=True)
                for number in range(self._settings.workers)
            ]
            await asyncio.wait(watches)
        finally:
            control_socket.close()
            await asyncio.gather(*(supervisor.stop() for supervisor in self._supervisors.values()))
            await self._tasks.aclose()

    async def reload(self, *, allow_loosening: bool = False) -> ReloadResult:
        """Check the policy's file once, and have all workers take it, or go on as they are."""
        reloaded = await self._policy.reload(allow_loosening=allow_loosening)
        self._measures.record_reload(reloaded.outcome)
        for number in self._policy.serving:
            self._signal(self._processes[number], signal.SIGHUP)  # They read their keys again, too.
        if reloaded.outcome == "applied" and not await self._policy.all_serve(self._settings.workers):
            _log.error("policy.late", policy_hash=reloaded.policy_hash)
        return reloaded

    async def serves(self, worker: int, policy_hash: str) -> None:
        """Take down what a worker serves."""
        await self._policy.serves(worker, policy_hash)

    def _hang_up(self) -> None:
        self._tasks.start("reload of the policy", self.reload())

    def _write(self) -> None:
        engines = {
            name: RegisteredEngine(
                target=supervisor.target,
                generation=supervisor.generation,
                is_serving=supervisor.is_serving,
                load_s=supervisor.load_s,
                lacking=tuple(sorted(supervisor.lacking)),
            )
            for name, supervisor in self._supervisors.items()
        }
        write_board(self._board, engines)

    def _fail(self, task: str) -> None:
        """End in order where the parent cannot do its job: whoever started it starts it again."""
        _log.error("gateway.failed", task=task, cure="restart the gateway, and report the defect")
        self.status = FAILED_STATUS
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self._is_ending.set()
        self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            self._signal(process, number)

    def _signal(self, process: Process, number: signal.Signals) -> None:
        if process.returncode is None:
            process.send_signal(number)

    async def _keep(self, number: int) -> None:
        """Run a worker, again and again, until the end.

        What keeps one from its first start ends the gateway: it has said why, and would say so again. One
        that has served was right to start: a file of keys, say, is wrong now, and may be mended.
        """
        has_served = False
        while not self._is_ending.is_set():
            try:
                process = self._processes[number] = await self._spawn(number)
            except OSError as error:  # No memory, or too many processes: it may pass.
                _log.error("worker.start_failed", worker=number, error=error.strerror)
                await self._rest(AGAIN_AFTER_S)
                continue
            _log.info("worker.started", worker=number, pid=process.pid)
            status = await self._wait(process)
            has_served = has_served or number in self._policy.serving
            self._policy.has_gone(number)
            if self._is_ending.is_set():
                return
            _log.error("worker.exited", worker=number, pid=process.pid, status=status)
            if status == STARTUP_STATUS and not has_served:
                self.status = STARTUP_STATUS
                self._end(signal.SIGTERM)
                return
            await self._rest(REFUSED_AGAIN_S if status == STARTUP_STATUS else AGAIN_AFTER_S)

    async def _rest(self, seconds: float) -> None:
        """Wait before the next start, or until the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_ending.wait(), seconds)

    async def _spawn(self, number: int) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "gateway", *sys.argv[1:],
            "--workers", "1", *chain(*((flag, each.target) for flag, each in self._addresses.items())),
            stdin=PIPE,  # It closes with this process, however that ends, and the worker ends with it.
            env=os.environ
            | {BOARD_VARIABLE: str(self._board), WORKER_VARIABLE: f"{number}/{self._settings.workers}"},
            start_new_session=True,
        )  # fmt: skip

    async def _wait(self, process: Process) -> int:
        """Return its exit status; kill it when it takes too long to end."""
        ended = child(process.wait(), name=f"end of process {process.pid}")
        asked = child(self._is_ending.wait(), name="end of the gateway")
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            await asyncio.wait({ended}, timeout=self._settings.end_within_s + KILL_AFTER_S)
        if not ended.done():
            process.kill()
        return await ended


def main() -> int:
    """Read the settings and run; the exit status is that of `gateway serve`."""
    settings = _SETTINGS.validate_json(os.environ.pop(SETTINGS_VARIABLE))
    configure_logs(settings.telemetry.log_format)
    log_thread_defects()
    try:
        with contextlib.ExitStack() as stack:
            addresses = {}
            for flag, wanted in settings.addresses.items():
                held, addresses[flag] = reserve(wanted, flag=flag)
                stack.enter_context(held)
            folder = stack.enter_context(shared_folder.made())
            return asyncio.run(_run(settings, addresses, folder))
    except StartupError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return STARTUP_STATUS
    except PolicyError as error:  # It was right a moment ago, when `serve` read it.
        sys.stderr.write(f"{error}\n")
        return STARTUP_STATUS
    except Exception as error:  # noqa: BLE001  The outermost border of a process: a line in the log, no traceback.
        log_defect(error, process="parent")
        return FAILED_STATUS


async def _run(settings: ServeSettings, addresses: Mapping[str, Address], folder: Path) -> int:
    parent = Parent(settings, addresses, folder)
    await parent.run()
    return parent.status


if __name__ == "__main__":
    sys.exit(main())
