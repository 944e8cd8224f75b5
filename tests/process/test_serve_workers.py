"""`gateway serve --workers N`: one address, one set of engines, several processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.admin.v1 import admin_pb2 as pb_admin
from gateway.app.workers.engine_registry import (
    BOARD_VARIABLE,
    RegisteredEngine,
    board_of,
    read_board,
    write_board,
)
from gateway.cli.app import run
from gateway.client.admin import AdminClient
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.logged_process import LoggedProcess
from tests.support.operated import read_page
from tests.support.waiting import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Gateway(LoggedProcess):
    """A parent with its workers, and what they logged."""

    admin: str

    def pids(self, event: str) -> list[int]:
        """Return the process ids of an event, in order."""
        return [int(str(entry["pid"])) for entry in self.logs if entry["event"] == event]

    async def ask(self) -> pb.GenerateResponse:
        """Ask through a connection of its own, so that the kernel chooses a worker."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.address, options=options) as channel:
            request = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content="Hello")])
            return await gateway_pb2_grpc.GatewayServiceStub(channel).Generate(request, timeout=20.0)


def is_running(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def shared_folder_of(pid: int) -> Path:
    """Return the folder that a worker shares with its parent."""
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (board,) = (each for each in environ if each.startswith(BOARD_VARIABLE.encode()))
    return Path(board.decode().partition("=")[2]).parent


def loaded(pid: int) -> str:
    """Return what a process has mapped, its libraries among it."""
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway of two workers with the packaged policy."""
    admin = f"unix:{tmp_path}/admin.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--workers", "2", "--listen", "127.0.0.1:0",
        "--drain-s", "0", "--state", f"sqlite:///{tmp_path}/ledger.db", "--log-format", "json",
        "--metrics", "127.0.0.1:0", "--admin", admin, stderr=subprocess.PIPE,
    )  # fmt: skip
    running = Gateway(process, admin)
    reading = asyncio.create_task(running.read())
    try:
        await running.wait_serving(2)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def test_two_workers_answer_from_one_engine_and_end_together(gateway: Gateway) -> None:
    """Both processes take calls, one engine answers, and SIGTERM to the parent ends all with status 0."""
    replies = [await gateway.ask() for _ in range(16)]
    workers, engines = gateway.pids("worker.started"), gateway.pids("engine.started")
    libraries = loaded(gateway.process.pid)

    gateway.process.terminate()
    status = await asyncio.wait_for(gateway.process.wait(), 60.0)

    assert {reply.route for reply in replies} == {pb.ROUTE_LOCAL}
    assert (len(workers), len(engines)) == (2, 1)
    assert "cygrpc" not in libraries
    assert status == 0
    assert not any(map(is_running, [*workers, *engines]))


async def test_a_worker_that_dies_is_started_again(gateway: Gateway) -> None:
    """After kill -9 of a worker there are two again, with the same engine."""
    victim = gateway.pids("worker.started")[0]

    os.kill(victim, signal.SIGKILL)
    await until(lambda: gateway.count("gateway.serving") == 3)

    assert (await gateway.ask()).route == pb.ROUTE_LOCAL
    assert gateway.count("engine.started") == 1
    assert victim in gateway.pids("worker.exited")


async def _answering(gateway: Gateway) -> pb_admin.GetStatusResponse:
    """Return the status once both workers answer."""
    async with asyncio.timeout(60.0), AdminClient(gateway.admin) as admin:
        while True:
            try:
                status = await admin.status(decisions=100)
            except CallFailed:  # Worker 0, which answers for all, is not there yet.
                status = pb_admin.GetStatusResponse()
            if len(status.workers) == 2:
                return status
            await asyncio.sleep(0.05)


async def test_the_page_and_the_status_are_of_all_workers(gateway: Gateway) -> None:
    """Metrics are sums over the workers; the status has both, with the decisions of each, and one engine."""
    for _ in range(40):
        await gateway.ask()
    page, status = await read_page(gateway.metrics), await _answering(gateway)

    assert page.total("gateway_requests_total", route="LOCAL", code="OK") == 40
    assert page.total("rpc_server_call_duration_seconds_bucket", le="+Inf") == 40
    assert page.total("gateway_workers") == page.total("gateway_worker_starts_total") == 2
    assert page.total("gateway_breakers", model="edge", state="closed") == 2
    assert page.total("gateway_engine_requests_total", model="edge") == 40
    assert page.total("gateway_engine_load_seconds", model="edge") > 0
    assert [worker.number for worker in status.workers] == [0, 1]
    assert {worker.pid for worker in status.workers} == set(gateway.pids("worker.started"))
    counts = [len(worker.decisions) for worker in status.workers]
    assert sum(counts) == 40
    assert all(counts)
    assert [engine.starts for engine in status.engines] == [1]


async def test_no_total_falls_when_workers_are_killed(gateway: Gateway) -> None:
    """After kill -9 of each worker, also of the one that serves the page, every call is still counted."""
    for number in range(2):
        for _ in range(10):
            await gateway.ask()
        os.kill((await _answering(gateway)).workers[number].pid, signal.SIGKILL)
        await until(lambda: gateway.count("gateway.serving") == 3 + number)  # noqa: B023  Awaited at once.
    await gateway.ask()
    await _answering(gateway)
    page = await read_page(gateway.metrics)

    assert page.total("gateway_requests_total", code="OK") == 21
    assert page.total("rpc_server_call_duration_seconds_count") == 21
    assert page.total("gateway_worker_starts_total") == 4
    assert page.total("gateway_workers") == 2


async def test_workers_learn_that_an_engine_died_and_came_back(gateway: Gateway) -> None:
    """`model.edge` is NOT_SERVING while the parent starts the engine again, and SERVING after it."""
    seen: list[int] = []
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="model.edge"))

        async def look() -> None:
            async for answer in watch:
                seen.append(answer.status)

        looking = asyncio.create_task(look())
        await until(lambda: seen[-1:] == [SERVING])
        os.kill(gateway.pids("engine.started")[0], signal.SIGKILL)
        await until(lambda: seen[-3:] == [SERVING, NOT_SERVING, SERVING])
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    assert gateway.count("engine.started") == 2
    async with asyncio.timeout(20.0):  # The worker that was not watched learns of it a little later.
        while True:
            if (await gateway.ask()).route == pb.ROUTE_LOCAL:
                break
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("are_stopped", [False, True], ids=["running", "stopped"])
async def test_killing_the_parent_leaves_nothing(gateway: Gateway, are_stopped: bool) -> None:
    """After kill -9 of the parent its workers and its engine end by themselves, stopped ones too."""
    everybody = gateway.pids("worker.started") + gateway.pids("engine.started")
    folder = shared_folder_of(gateway.pids("worker.started")[0])
    assert folder.is_dir()
    if are_stopped:
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)

    gateway.process.kill()

    await until(lambda: not any(map(is_running, everybody)))
    assert not folder.exists()


async def test_a_taken_port_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    """A second gateway of several workers on the same address does not start, though ports can be shared."""
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--workers", "2", "--listen", gateway.address,
        "--state", f"sqlite:///{tmp_path}/other.db", stderr=subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(second.communicate(), 60.0)

    assert second.returncode == 2
    assert f"--listen {gateway.address}: Address already in use" in said.decode()


def test_memory_is_not_shared(capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger in memory would be one for each worker: refused."""
    assert run(["serve", "--workers", "2", "--state", "memory:"]) == 2
    assert "memory: is not shared; choose sqlite:///PATH" in capsys.readouterr().err


def test_the_board_says_what_was_written(tmp_path: Path) -> None:
    """A worker finds the engines of its parent, and a process without a parent finds none."""
    path = tmp_path / "engines.json"
    state = RegisteredEngine(target="unix:/x", generation=2, is_serving=False)
    write_board(path, {"edge": state})

    board = board_of({BOARD_VARIABLE: str(path)})

    assert read_board(path) == {"edge": state}
    assert board is not None
    engine = board.engines["edge"]
    assert (engine.target, engine.generation, engine.is_serving) == ("unix:/x", 2, False)
    assert board_of({}) is None
