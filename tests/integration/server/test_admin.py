"""The admin service: what it tells, to whom, and the command that shows it."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.admin.v1 import admin_pb2 as pb
from gateway.admin.v1 import admin_pb2_grpc
from gateway.backends.base import Backend
from gateway.cli.app import run
from gateway.cli.status_tables import decision_rows, status_tables
from gateway.cli.terminal import console
from gateway.dispatch.breaker import FAILURES_IN_A_ROW
from gateway.domain.answer import Usage
from gateway.errors import BackendFailed, StartupError
from gateway.server.admin.address import default_folder, found_addresses, parse_admin
from gateway.server.admin.page import MetricsPage
from gateway.server.admin.server import AdminServer, AdminService
from gateway.server.admin.status import merged
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.operated import operated
from tests.support.policies import POLICY
from tests.support.served import ask

USAGE = Usage(prompt_tokens=30, completion_tokens=5)
HARD = (
    "Prove step by step that every continuous function on a compact set is bounded, and compare two proofs."
)
BUDGET = "budgets:\n  - {name: daily, per: tenant, limit_usd: 0.50, window: day}\n"


def _backends(*, is_cloud_down: bool = False) -> dict[str, Backend]:
    answer = reply("fine", usage=USAGE)
    failure = BackendFailed("cloud", "500")
    return {
        "edge": ScriptedBackend("edge", lambda _: answer),
        "cloud": ScriptedBackend("cloud", lambda _: failure if is_cloud_down else answer),
    }


async def test_the_status_tells_workers_breakers_spend_and_decisions(tmp_path: Path) -> None:
    """One status has the policy, each breaker, what is spent and of which budget, and the last decisions."""
    async with operated(_backends(), tmp_path, policy=POLICY + BUDGET) as running:
        answer = await running.gateway.stub.Generate(ask(HARD))
        await running.gateway.stub.Generate(ask("hello"))
        status = await running.admin.status(decisions=10)

    (worker,) = status.workers
    assert (status.workers_expected, worker.number, worker.pid) == (1, 0, os.getpid())
    assert worker.policy_hash == answer.decision.policy_hash
    assert {breaker.model: breaker.state for breaker in worker.breakers} == {
        "edge": pb.BREAKER_STATE_CLOSED,
        "cloud": pb.BREAKER_STATE_CLOSED,
    }
    (budget,) = status.budgets
    assert (budget.budget, budget.subject) == ("daily", "default")
    assert budget.spent_usd_nanos == status.spend.settled_usd_nanos == round(answer.cost_usd * 1e9) > 0
    latest, before = worker.decisions
    assert (latest.rule, latest.route, list(latest.attempts)) == ("default", "LOCAL", ["edge=ANSWERED"])
    assert (before.rule, before.route, before.model) == ("hard", "CLOUD", "cloud")
    assert before.cost_usd_nanos == budget.spent_usd_nanos


async def test_the_status_tells_an_open_breaker(tmp_path: Path) -> None:
    """A model that is left alone is said to be, with the seconds that are left."""
    async with operated(_backends(is_cloud_down=True), tmp_path) as running:
        for _ in range(FAILURES_IN_A_ROW):
            await running.gateway.stub.Generate(ask(HARD))
        status = await running.admin.status()

    breakers = {breaker.model: breaker for breaker in status.workers[0].breakers}
    assert breakers["cloud"].state == pb.BREAKER_STATE_OPEN
    assert 0 < breakers["cloud"].retry_after_s <= 5
    assert len(status.workers[0].decisions) == 0


async def test_the_public_address_has_no_admin_service(tmp_path: Path) -> None:
    """Whoever reaches the public port can neither call the admin service nor see that there is one."""
    async with operated(_backends(), tmp_path) as running:
        stub = admin_pb2_grpc.AdminServiceStub(running.gateway.channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetStatus(pb.GetStatusRequest())
        asking = reflection_pb2_grpc.ServerReflectionStub(running.gateway.channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        services = [each.name async for answer in asking for each in answer.list_services_response.service]

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "gateway.v1.GatewayService" in services
    assert not [name for name in services if "admin" in name]


async def test_the_socket_is_its_owners_alone_and_goes_with_the_gateway(tmp_path: Path) -> None:
    """No other user of the machine may connect, and nothing is left behind."""
    path = tmp_path / "admin.sock"
    async with operated(_backends(), tmp_path):
        mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) & 0o077 == 0
    assert not path.exists()


async def test_a_socket_that_a_killed_gateway_left_is_no_obstacle(tmp_path: Path) -> None:
    """After kill -9 the socket's file stays; the next gateway takes its place."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    async with operated(_backends(), tmp_path) as running:
        assert (await running.admin.status()).version


async def test_a_socket_in_use_and_a_file_are_refused(tmp_path: Path) -> None:
    """Another gateway's socket, or somebody's file, is never removed: one line says so."""
    async with operated(_backends(), tmp_path):
        with pytest.raises(StartupError, match="another process listens there"):
            async with operated(_backends(), tmp_path):
                pass
    (tmp_path / "admin.sock").write_text("mine")
    with pytest.raises(StartupError, match="is a file, not a socket"):
        async with operated(_backends(), tmp_path):
            pass
    assert (tmp_path / "admin.sock").read_text() == "mine"


@pytest.mark.parametrize("text", ["0.0.0.0:50052", "[::]:50052", "10.0.0.1:50052", "example.com:50052"])
def test_an_admin_address_beyond_this_host_is_refused(text: str) -> None:
    """Whoever reaches the admin service steers the gateway, so no flag opens it to other hosts."""
    with pytest.raises(StartupError, match="reaches beyond this host"):
        parse_admin(text)


def test_admin_addresses() -> None:
    """A unix socket by its path, or a loopback port."""
    assert parse_admin("127.0.0.1:1").target == "127.0.0.1:1"
    assert parse_admin("unix:/run/x.sock").path == Path("/run/x.sock")
    with pytest.raises(StartupError, match="--admin nonsense: must be HOST:PORT"):
        parse_admin("nonsense")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metrics", "0.0.0.0:9464"], "--metrics 0.0.0.0:9464: reaches beyond this host"),
        (
            ["--metrics", "192.0.2.1:9464", "--insecure-metrics", "--air-gap"],
            "--metrics 192.0.2.1: is not an address",
        ),
        (["--metrics", "nowhere"], "--metrics nowhere: must be HOST:PORT"),
        (["--admin", "0.0.0.0:1"], "--admin 0.0.0.0:1: reaches beyond this host"),
    ],
)
def test_flags_that_open_too_much_end_the_start(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is one line with the flag, and exit status 2."""
    assert run(["serve", "--state", "memory:", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


async def test_a_metrics_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The page's port is bound for itself; a taken one ends the start with the flag's name."""
    async with operated(_backends(), tmp_path) as running:
        assert running.operator.metrics is not None
        page = MetricsPage(
            running.operator.metrics,
            counted=running.operator.measures.registry,
            reader=None,  # type: ignore[arg-type]  # Not reached.
        )
        with pytest.raises(StartupError, match=r"--metrics 127\.0\.0\.1:\d+: .*choose another"):
            await page.start()


async def test_the_command_shows_all_of_it(tmp_path: Path) -> None:
    """`gateway status` prints tables, and with --json one object with the names of the proto."""
    async with operated(_backends(), tmp_path, policy=POLICY + BUDGET) as running:
        await running.gateway.stub.Generate(ask(HARD))
        address = f"unix:{tmp_path / 'admin.sock'}"
        shown = await _run("status", "--admin", address)
        as_json = await _run("status", "--admin", address, "--json")

    assert shown.returncode == as_json.returncode == 0, shown.stderr
    for word in ("1 of 1", "BREAKER", "closed", "daily", "hard", "cloud=ANSWERED", "settled"):
        assert word in shown.stdout
    told = json.loads(as_json.stdout)
    assert told["workers"][0]["number"] == 0
    assert told["workers"][0]["decisions"][0]["rule"] == "hard"
    assert told["budgets"][0]["budget"] == "daily"


async def _run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environ,
    )


async def test_the_command_finds_the_one_gateway_that_runs(tmp_path: Path) -> None:
    """Without --admin the gateway of this user is found; with none, one line says what to do."""
    folder = default_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    folder.mkdir()
    nobody = await _run("status", XDG_RUNTIME_DIR=str(tmp_path))
    async with operated(_backends(), folder) as running:
        (folder / "admin.sock").rename(folder / "admin-50051.sock")
        found = await _run("status", "--json", XDG_RUNTIME_DIR=str(tmp_path))
        assert len(found_addresses({"XDG_RUNTIME_DIR": str(tmp_path)})) == 1
        assert running.gateway.server.port > 0

    assert nobody.returncode == 1
    assert nobody.stderr == (
        "gateway: no gateway of this user runs here; start one with: gateway serve"
        " (or give --admin ADDRESS)\n"
    )
    assert json.loads(found.stdout)["workers_expected"] == 1


async def test_no_gateway_at_an_address_is_one_line(tmp_path: Path) -> None:
    """Nobody there: exit status 1, and the address."""
    ended = await _run("status", "--admin", f"unix:{tmp_path}/none.sock")
    assert ended.returncode == 1
    assert ended.stderr.startswith("gateway: no gateway answers at unix:")
    assert ended.stderr.count("\n") == 1


def test_budgets_of_several_workers_are_one_each() -> None:
    """Workers read the same ledger at different moments: the later sight of a budget is shown."""

    def budget(spent: int, resets: float = 100.0, subject: str = "a") -> pb.Budget:
        return pb.Budget(budget="b", subject=subject, spent_usd_nanos=spent, resets_at_unix_s=resets)

    found = merged([budget(5), budget(7), budget(6), budget(1, resets=200.0), budget(2, subject="z")])
    assert [(each.subject, each.spent_usd_nanos) for each in found] == [("a", 1), ("z", 2)]


def test_tables_of_several_workers() -> None:
    """Breakers have a column for each worker; the last decisions of all are in order of time."""
    status = pb.GetStatusResponse(
        workers_expected=3,
        workers=[
            pb.Worker(
                number=number,
                pid=10 + number,
                breakers=[pb.Breaker(model="cloud", state=state, retry_after_s=number * 4.0)],
                decisions=[pb.DecisionSummary(ended_unix_s=1000 + number, rule=f"rule-{number}")],
            )
            for number, state in ((0, pb.BREAKER_STATE_CLOSED), (1, pb.BREAKER_STATE_OPEN))
        ],
    )
    with console(sys.stdout).capture() as _, (printer := console(sys.stdout)).capture() as captured:
        for part in status_tables(status):
            printer.print(part)
    shown = captured.get()

    assert "2 of 3 (pid 10, 11)" in shown
    assert "open for 4 s" in shown
    assert [row[1] for row in decision_rows(status)] == ["rule-1"]
    assert "the ledger does not answer" in shown


def test_an_admin_server_of_a_worker_that_is_not_the_first_has_no_public_socket(tmp_path: Path) -> None:
    """Only worker 0 speaks for all."""
    from gateway.server.admin.worker import WorkerIdentity

    server = AdminServer(
        AdminService(None),  # type: ignore[arg-type]  # Not asked.
        place=WorkerIdentity(number=1, count=2, folder=tmp_path),
        address=parse_admin("127.0.0.1:1"),
    )
    assert server.target == ""
