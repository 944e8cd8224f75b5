"""The parent of `gateway serve --workers N`: `python -m gateway.app.workers.parent ORDERS`, run by `serve`.

It never imports gRPC, which does not survive a fork and is not needed here. It keeps the port and owns the
engines, spawns the workers that share the port by SO_REUSEPORT, and starts again what ends.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile, start, watch
from gateway.app.workers import shared_folder
from gateway.app.workers.control_socket import listen
from gateway.app.workers.engine_registry import BOARD_VARIABLE, WORKER_VARIABLE, RegisteredEngine, write_board
from gateway.app.workers.policy_publisher import PolicyPublisher
from gateway.clock import SystemClock
from gateway.domain.address import Address, claim, parse_address, refused
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import STARTUP_STATUS, PolicyError, StartupError
from gateway.server.admin.worker import METRICS_FOLDER
from gateway.telemetry.logs import LogFormat, configure_logs
from gateway.telemetry.metrics import Measures, share_numbers

AGAIN_AFTER_S = 1.0
"""How long after its end a worker is started again."""
KILL_AFTER_S = 10.0
"""How much longer than its drain and grace a worker may take to end."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentConfig:
    """What `serve` hands to the parent: everything is checked already."""

    workers: int
    listen: str
    policy: str
    air_gap: bool
    allow_loosening: bool
    watch_policy: bool
    end_within_s: float
    """Drain and grace of a worker together."""
    log_format: LogFormat | None
    arguments: tuple[str, ...]
    """The command line of `serve`, for the workers."""


def become_parent(orders: ParentConfig) -> NoReturn:
    """Replace this process, which has loaded gRPC, by one that has not."""
    command = [sys.executable, "-P", "-m", "gateway.app.workers.parent", json.dumps(asdict(orders))]
    os.execv(sys.executable, command)  # noqa: S606  our own interpreter, and no shell


def reserve(address: Address) -> tuple[socket.socket, Address]:
    """Return a socket that keeps the port for this user's workers, and the port; StartupError if it is taken.

    It never listens, so it gets no connection. The exclusive bind before it finds a second gateway.
    """
    claim(address)
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
        raise refused(address, error) from None
    return held, Address(address.host, held.getsockname()[1])


class Parent:
    """Engines and workers of one gateway."""

    def __init__(self, orders: ParentConfig, address: Address, folder: Path) -> None:
        self._orders = orders
        self._address = address
        self._board = folder / "engines.json"
        (folder / METRICS_FOLDER).mkdir()
        share_numbers(folder / METRICS_FOLDER, worker=orders.workers)  # One more than the workers have.
        self._measures = Measures()
        self._processes: dict[int, Process] = {}
        self._is_ending = asyncio.Event()
        self.status = 0
        self._folder = folder
        self._reloading: set[asyncio.Task[object]] = set()
        file = WatchedPolicyFile(
            path=Path(orders.policy),
            name=orders.policy,
            environ=os.environ,
            air_gap=orders.air_gap,
            allow_loosening=orders.allow_loosening,
        )
        self._policy = PolicyPublisher(file, folder)
        self._supervisors = {
            name: EngineSupervisor(name, spec, clock=SystemClock(), on_status=lambda *_: self._write())
            for name, spec in self._policy.running.engines.items()
        }

    async def run(self) -> None:
        """Start the engines, then the workers; return when a signal has ended them all."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        hotline = await listen(self._folder, self)
        if self._orders.watch_policy:
            start(watch(Path(self._orders.policy), self.reload, clock=SystemClock()), self._reloading)
        try:
            await asyncio.gather(*(supervisor.start() for supervisor in self._supervisors.values()))
            self._write()
            await asyncio.gather(*(self._keep(number) for number in range(self._orders.workers)))
        finally:
            hotline.close()
            for task in self._reloading:
                task.cancel()
            await asyncio.gather(*(supervisor.stop() for supervisor in self._supervisors.values()))

    async def reload(self, *, allow_loosening: bool = False) -> ReloadResult:
        """Check the policy's file once, and have all workers take it, or go on as they are."""
        reloaded = await self._policy.reload(allow_loosening=allow_loosening)
        self._measures.note_reload(reloaded.outcome)
        for number in self._policy.serving:
            self._signal(self._processes[number], signal.SIGHUP)  # They read their keys again, too.
        if reloaded.outcome == "applied" and not await self._policy.all_serve(self._orders.workers):
            _log.error("policy.late", policy_hash=reloaded.policy_hash)
        return reloaded

    async def serves(self, worker: int, policy_hash: str) -> None:
        """Take down what a worker serves."""
        await self._policy.serves(worker, policy_hash)

    def _hang_up(self) -> None:
        start(self.reload(), self._reloading)

    def _write(self) -> None:
        engines = {
            name: RegisteredEngine(
                target=supervisor.target,
                generation=supervisor.generation,
                is_serving=supervisor.is_serving,
                load_s=supervisor.load_s,
            )
            for name, supervisor in self._supervisors.items()
        }
        write_board(self._board, engines)

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
        """Run a worker, again and again, until the end."""
        while not self._is_ending.is_set():
            process = self._processes[number] = await self._spawn(number)
            _log.info("worker.started", worker=number, pid=process.pid)
            status = await self._wait(process)
            self._policy.has_gone(number)
            if self._is_ending.is_set():
                return
            _log.error("worker.exited", worker=number, pid=process.pid, status=status)
            if status == STARTUP_STATUS:
                self.status = STARTUP_STATUS  # It has said why, and would say so again.
                self._end(signal.SIGTERM)
                return
            try:
                await asyncio.wait_for(self._is_ending.wait(), AGAIN_AFTER_S)
            except TimeoutError:
                continue

    async def _spawn(self, number: int) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "gateway", *self._orders.arguments,
            "--workers", "1", "--listen", self._address.target,
            stdin=PIPE,  # It closes with this process, however that ends, and the worker ends with it.
            env=os.environ
            | {BOARD_VARIABLE: str(self._board), WORKER_VARIABLE: f"{number}/{self._orders.workers}"},
            start_new_session=True,
        )  # fmt: skip

    async def _wait(self, process: Process) -> int:
        """Return its exit status; kill it when it takes too long to end."""
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self._is_ending.wait())
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            await asyncio.wait({ended}, timeout=self._orders.end_within_s + KILL_AFTER_S)
        if not ended.done():
            process.kill()
        return await ended


def main() -> int:
    """Read the orders and run; the exit status is that of `gateway serve`."""
    orders = ParentConfig(**json.loads(sys.argv[1]))
    configure_logs(orders.log_format)
    try:
        held, address = reserve(parse_address(orders.listen))
        with held, shared_folder.made() as folder:
            return asyncio.run(_run(orders, address, folder))
    except StartupError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return STARTUP_STATUS
    except PolicyError as error:  # It was right a moment ago, when `serve` read it.
        sys.stderr.write(f"{error}\n")
        return STARTUP_STATUS


async def _run(orders: ParentConfig, address: Address, folder: Path) -> int:
    parent = Parent(orders, address, folder)
    await parent.run()
    return parent.status


if __name__ == "__main__":
    sys.exit(main())
