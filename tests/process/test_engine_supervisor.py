"""The life of an engine process: refused, started, ended, started again, orphaned."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.engine.models import resolve_model_path
from gateway.engine_host.process import EngineProcess
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel
from gateway.tasks import Tasks
from tests.support.fakes import FakeClock
from tests.support.waiting import until

WHOLE = 10_000_000
"""More bytes than the embedded model has."""


def spec(path: str | Path = "builtin:demo", **keys: object) -> LlamaCppModel:
    """Return the policy's entry for a model."""
    return LlamaCppModel.model_validate(
        {"kind": "llama_cpp", "path": str(path), "clearance": "restricted", **keys}
    )


def supervise(model: LlamaCppModel, *, clock: FakeClock | None = None) -> tuple[EngineSupervisor, list[bool]]:
    """Return a supervisor and the list to which it reports."""
    reports: list[bool] = []
    supervisor = EngineSupervisor(
        "edge",
        model,
        clock=clock or SystemClock(),
        on_status=lambda model, is_serving: reports.append(is_serving),
    )
    return supervisor, reports


def state_of(pid: int) -> str:
    """Return the state of a process as /proc has it: R, S, D, T (stopped), Z; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    return state_of(pid) not in ("", "Z")


class TestStart:
    """Files that cannot be served, each with one line that names the way out."""

    @pytest.mark.parametrize(
        ("content", "keys", "said"),
        [
            (None, {}, r"model edge: \S+: no such file; correct the model's path"),
            (b"PK\x03\x04", {}, r"is not a GGUF file; convert the model or correct the path"),
            (b"GGUF", {}, r"does not load: failed to read header; fetch the file again"),
            (300_000, {}, r"does not load: tensor \S+ data is not within the file bounds"),
            (WHOLE, {"sha256": "0" * 64}, r"its sha256 is [0-9a-f]{64}, but the policy says 0{64}; fetch"),
            (WHOLE, {"kv_cells": 64}, r"kv_cells 64 is less than context 4096; raise kv_cells"),
            (WHOLE, {"template": "{% for %}"}, r"template of the policy does not compile .*; correct it"),
        ],
        ids=["missing", "no GGUF", "only the magic", "truncated", "wrong hash", "few cells", "template"],
    )  # fmt: skip
    async def test_refused(
        self, tmp_path: Path, content: bytes | int | None, keys: dict[str, object], said: str
    ) -> None:
        """A model that cannot be served is refused with one line, and leaves nothing behind."""
        path = tmp_path / "model.gguf"
        if isinstance(content, int):
            content = resolve_model_path("builtin:demo").read_bytes()[:content]
        if content is not None:
            path.write_bytes(content)
        supervisor, reports = supervise(spec(path, **keys))
        folder = Path(supervisor.target.removeprefix("unix:")).parent

        with pytest.raises(StartupError, match=said) as refusal:
            await supervisor.start()

        assert "\n" not in str(refusal.value)
        assert (supervisor.is_serving, supervisor.pid, reports) == (False, None, [])
        assert not folder.exists()

    async def test_a_process_that_is_killed_while_it_loads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine that ends without a word while it loads is a StartupError with its status."""
        ready = EngineProcess.ready

        async def ready_of_a_victim(process: EngineProcess, *on_progress: Callable[..., None]) -> object:
            os.kill(process.pid, signal.SIGKILL)
            return await ready(process, *on_progress)

        monkeypatch.setattr(EngineProcess, "ready", ready_of_a_victim)
        supervisor, _ = supervise(spec())

        with pytest.raises(
            StartupError, match=r"ended with status -9 .*\(out of memory\?\); choose a smaller"
        ):
            await supervisor.start()

    async def test_a_process_that_is_stopped_while_it_loads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine that sends no heartbeat while it loads is killed, and is a StartupError."""
        spawn, pids = EngineProcess.spawn, list[int]()

        async def spawn_a_victim(model: str, spec: LlamaCppModel, socket: Path) -> EngineProcess:
            process = await spawn(model, spec, socket)
            os.kill(process.pid, signal.SIGSTOP)
            pids.append(process.pid)
            return process

        monkeypatch.setattr(EngineProcess, "spawn", spawn_a_victim)
        monkeypatch.setattr("gateway.engine_host.process.LOADING_PATIENCE_S", 0.5)
        supervisor, reports = supervise(spec())

        with pytest.raises(StartupError, match=r"no heartbeat for 0\.5 s while it loaded builtin:demo"):
            await supervisor.start()

        assert not is_alive(pids[0])
        assert (supervisor.pid, reports) == (None, [])

    async def test_only_the_owner_can_connect(self) -> None:
        """The socket and its folder are open to nobody but the owner, and gone after a stop."""
        supervisor, reports = supervise(spec())
        socket = Path(supervisor.target.removeprefix("unix:"))

        await supervisor.start()
        modes = [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (socket, socket.parent)]
        await supervisor.stop()

        assert modes == [0, 0]
        assert not socket.parent.exists()
        assert reports == [True, False]


class TestRestart:
    """What happens when an engine ends by itself."""

    async def test_the_delay_doubles_until_the_engine_was_well(self) -> None:
        """Ends in a row are met with 1, 2, 4 s of delay; after a minute of health it is 1 s again."""
        clock = FakeClock()
        supervisor, reports = supervise(spec(), clock=clock)
        await supervisor.start()
        target = supervisor.target

        for generation in (1, 2, 3, 4):
            if generation == 4:
                clock.advance(60.0)
            assert supervisor.pid is not None
            os.kill(supervisor.pid, signal.SIGKILL)
            await until(lambda: supervisor.generation == generation + 1 and supervisor.is_serving)  # noqa: B023
        await supervisor.stop()

        assert clock.slept_s == [1.0, 2.0, 4.0, 1.0]
        assert reports == [True, False] * 5
        assert supervisor.target == target

    async def test_what_is_logged(self) -> None:
        """Start, end with its status, and restart are logged, each with the model's name."""
        supervisor, _ = supervise(spec(context=10_000), clock=FakeClock())
        with capture_logs() as logs:
            await supervisor.start()
            pid = supervisor.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: supervisor.generation == 2 and supervisor.is_serving)
            await supervisor.stop()

        events = [entry["event"] for entry in logs]
        assert events[:4] == [
            "engine.started",
            "engine.context_reduced",
            "engine.exited",
            "engine.restarting",
        ]
        assert {entry["model"] for entry in logs} == {"edge"}
        assert logs[1]["trained_context"] == 8192
        assert (logs[2]["pid"], logs[2]["status"], logs[2]["cause"]) == (pid, -signal.SIGKILL, None)
        assert logs[3]["delay_s"] == 1.0

    async def test_a_file_that_is_gone_is_tried_again(self, tmp_path: Path) -> None:
        """When a restart is refused it is tried again later, until the file is back."""
        path = tmp_path / "model.gguf"
        data = resolve_model_path("builtin:demo").read_bytes()
        path.write_bytes(data)
        supervisor, _ = supervise(spec(path), clock=FakeClock())
        await supervisor.start()
        assert supervisor.pid is not None
        path.unlink()

        os.kill(supervisor.pid, signal.SIGKILL)
        await until(lambda: supervisor.generation >= 3)
        was_serving = supervisor.is_serving
        path.write_bytes(data)
        await until(lambda: supervisor.is_serving)
        await supervisor.stop()

        assert not was_serving

    async def test_stop_ends_the_process(self) -> None:
        """After a stop there is no engine, and none is started again."""
        supervisor, _ = supervise(spec())
        await supervisor.start()
        pid = supervisor.pid
        assert pid is not None

        await supervisor.stop()

        assert not is_alive(pid)
        assert (supervisor.generation, supervisor.pid) == (1, None)


OWNER = """
import asyncio
from gateway.clock import SystemClock
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel

async def main():
    spec = LlamaCppModel(kind="llama_cpp", path="builtin:demo", clearance="restricted")
    supervisor = EngineSupervisor("edge", spec, clock=SystemClock(), on_status=lambda model, ok: None)
    await supervisor.start()
    print("engine", supervisor.pid, supervisor.target.removeprefix("unix:"), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_the_engine_does_not_outlive_its_owner(is_stopped: bool) -> None:
    """When the gateway is killed with -9, its engine ends at once and takes its socket along.

    One that is stopped, where no thread could notice, is woken by the kernel.
    """
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    lines = iter(owner.stdout.readline, "")
    _, pid, socket = next(line for line in lines if line.startswith("engine ")).split()
    was_alive = is_alive(int(pid)) and Path(socket).exists()

    if is_stopped:
        os.kill(int(pid), signal.SIGSTOP)
        asyncio.run(until(lambda: state_of(int(pid)) == "T"))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    asyncio.run(until(lambda: not is_alive(int(pid))))

    assert was_alive
    assert not Path(socket).parent.exists()


async def test_an_engine_that_nobody_watches_any_more_is_heard_of() -> None:
    """When watching fails, no engine would be started again: the owner is told, and the log says where."""
    told: list[str] = []

    def report(model: str, is_serving: bool) -> None:
        if not is_serving:
            raise OSError("a word that is nobody's business")

    tasks = Tasks(on_critical_failure=told.append)
    supervisor = EngineSupervisor("edge", spec(), clock=SystemClock(), on_status=report, tasks=tasks)
    with capture_logs() as logs:
        await supervisor.start()
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        await tasks.drain()
        await supervisor.stop()

    assert told == ["engine edge"]
    assert [each["error"] for each in logs if each["event"] == "defect"] == ["OSError"]
    assert not supervisor.is_serving
    assert "business" not in str(logs)


async def test_a_process_ends_with_status_0_when_asked() -> None:
    """SIGTERM ends an idle engine cleanly: no abort, no traceback, no message."""
    supervisor, _ = supervise(spec())
    process = await EngineProcess.spawn("edge", spec(), Path(supervisor.target.removeprefix("unix:")))
    await process.ready()

    os.kill(process.pid, signal.SIGTERM)
    ended = await process.exit()
    await supervisor.stop()

    assert (ended.status, ended.cause) == (0, None)


async def test_of_what_a_dying_engine_prints_an_assertion_alone_is_kept() -> None:
    """Standard error may quote a caller; the failed assertion is kept, and nothing else of it."""
    script = (
        "import sys; print('secret ' * 20000, file=sys.stderr);"
        "print('/src/ggml.c:123: GGML_ASSERT(n > 0) failed', file=sys.stderr);"
        "print('what():  unexpected piece: secret', file=sys.stderr); sys.exit(6)"
    )
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE, stderr=PIPE)

    ended = await EngineProcess(victim, model="edge", spec=spec()).exit()

    assert (ended.status, ended.cause) == (6, "ggml.c:123: GGML_ASSERT(n > 0) failed")


async def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """An engine does not serve from a folder that is open to others: prompts pass through its socket."""
    os.chmod(tmp_path, 0o755)
    process = await EngineProcess.spawn("edge", spec(), tmp_path / "engine.sock")

    with pytest.raises(StartupError, match="other users can open this folder; run chmod 700"):
        await process.ready()

    await process.end(1.0)
