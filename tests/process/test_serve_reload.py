"""`gateway serve` and its policy file: SIGHUP, a watched file, several workers, and records to the end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest

from gateway.cli.app import run
from gateway.complexity.features import PromptFeatures
from gateway.complexity.scorer_file import write_scorer
from gateway.complexity.static_words import DIMENSIONS
from gateway.engine.models import resolve_model_path
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.logged_process import LoggedProcess, until
from tests.support.operated import read_page

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
privacy: {classes: {restricted: 0.8}}
rules:
  - {name: first, route: [edge]}
replies:
  - {id: sorry, text: x}
"""
CLOUD_AND_CAP = """\
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
budgets: [{name: daily, per: tenant, limit_usd: 8, window: day}]
privacy:"""
RENAMED = POLICY.replace("first", "second")
LOOSER = RENAMED.replace("0.8", "0.9")
BROKEN = POLICY.replace("edge]", "egde]")


@dataclass
class Process(LoggedProcess):
    """A gateway with what it logged, and its policy file."""

    policy: Path

    async def rules(self, calls: int = 12) -> set[str]:
        """Return the rules by which new connections are decided, so that every worker is asked."""
        rules = set()
        for _ in range(calls):
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(self.address, options=options) as channel:
                stub = gateway_pb2_grpc.GatewayServiceStub(channel)
                request = pb.ExplainRequest(messages=[pb.Message(role=pb.ROLE_USER, content="Hello")])
                rules.add((await stub.Explain(request, timeout=20.0)).decision.rule)
        return rules

    async def put(self, text: str, event: str) -> None:
        """Write the policy, send SIGHUP, and wait for what the log says of it."""
        before = self.count(event)
        self.policy.write_text(text)
        self.process.send_signal(signal.SIGHUP)
        await until(lambda: self.count(event) > before)


@asynccontextmanager
async def serving(
    tmp_path: Path, *flags: str, workers: int = 1, text: str = POLICY, cwd: Path | None = None
) -> AsyncIterator[Process]:
    """Run a gateway of so many workers with a policy of its own; `cwd` is a folder beside it."""
    policy = tmp_path / "team.yaml"
    policy.write_text(text)
    named = policy if cwd is None else Path("..", policy.name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--policy", str(named), "--workers", str(workers),
        "--listen", "127.0.0.1:0", "--drain-s", "0", "--state", f"sqlite:///{tmp_path}/ledger.db",
        "--log-format", "json", *flags, stderr=subprocess.PIPE, cwd=cwd,
    )  # fmt: skip
    running = Process(process, policy)
    reading = asyncio.create_task(running.read())
    try:
        await running.wait_serving(workers)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


def recorded(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the files of records, and the kinds of all their lines."""
    files = sorted(folder.glob("*.jsonl"))
    lines = [json.loads(line) for each in files for line in each.read_text().splitlines()]
    return [each.name for each in files], [line["kind"] for line in lines]


async def test_a_hangup_reloads_the_policy(tmp_path: Path) -> None:
    """What is right is taken; what is broken or looser is one line in the log, and changes nothing."""
    async with serving(tmp_path) as gateway:
        await gateway.put(BROKEN, "policy.refused")
        assert await gateway.rules(1) == {"first"}
        await gateway.put(RENAMED, "policy.applied")
        assert await gateway.rules(1) == {"second"}
        await gateway.put(LOOSER, "policy.refused")

    refused = [entry["problems"] for entry in gateway.logs if entry["event"] == "policy.refused"]
    assert isinstance(refused[0], list)
    assert isinstance(refused[1], list)
    assert f"{gateway.policy}:6: rules[0].route[0]: unknown model 'egde' (did you mean 'edge'?)" in refused[0]
    assert refused[1][0] == f"{gateway.policy}:4: privacy.classes.restricted: raised from 0.8 to 0.9"
    assert gateway.process.returncode == 0


async def test_a_watched_file_needs_no_signal(tmp_path: Path) -> None:
    """With --watch-policy writing the file is enough; --allow-loosening takes what is looser."""
    async with serving(tmp_path, "--watch-policy", "--allow-loosening") as gateway:
        gateway.policy.write_text(LOOSER)
        await until(lambda: gateway.count("policy.applied") == 1)
        assert await gateway.rules(1) == {"second"}


async def test_all_workers_take_a_policy_or_none_does(tmp_path: Path) -> None:
    """The parent checks first; a worker that is started again takes the last good policy, not the file."""
    async with serving(tmp_path, workers=2) as gateway:
        await gateway.put(RENAMED, "policy.applied")
        await until(lambda: gateway.count("policy.applied") == 3)  # The parent's, and one of each worker.
        assert await gateway.rules() == {"second"}
        await gateway.put(BROKEN, "policy.refused")
        victim = next(entry["pid"] for entry in gateway.logs if entry["event"] == "worker.started")
        os.kill(int(str(victim)), signal.SIGKILL)
        await until(lambda: gateway.count("gateway.serving") == 3)
        assert await gateway.rules() == {"second"}
        assert gateway.count("policy.refused") == 1


def learned(slope: float) -> str:
    """Return a scorer's file as `gateway learn` writes it."""
    weights = (0.0,) * (len(PromptFeatures._fields) + DIMENSIONS)
    return write_scorer(weights=weights, intercept=0.0, slope=slope, is_calibrated=False, notes={})


@pytest.mark.parametrize("workers", [1, 2])
async def test_files_that_a_policy_names_are_relative_to_it(tmp_path: Path, workers: int) -> None:
    """A model and a scorer are found at the start, after a reload, and by a worker that is started again.

    The gateway runs in another folder. The scorer that was checked is the one that every worker has, whatever
    its file has become.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.gguf").symlink_to(resolve_model_path("builtin:demo"))
    (tmp_path / "scorer.json").write_text(learned(1.0))
    text = POLICY.replace("builtin:demo", "models/own.gguf") + "complexity: {scorer: scorer.json}\n"
    async with serving(tmp_path, "--allow-loosening", workers=workers, text=text, cwd=elsewhere) as gateway:
        assert await gateway.rules() == {"first"}
        (tmp_path / "scorer.json").write_text(learned(2.0))
        await gateway.put(text.replace("first", "second"), "policy.applied")
        if workers > 1:
            await until(lambda: gateway.count("policy.applied") == 3)
            (tmp_path / "scorer.json").unlink()
            victim = next(entry["pid"] for entry in gateway.logs if entry["event"] == "worker.started")
            os.kill(int(str(victim)), signal.SIGKILL)
            await until(lambda: gateway.count("gateway.serving") == 3)
        assert await gateway.rules() == {"second"}
        hashes = {entry["policy_hash"] for entry in gateway.logs if entry["event"] == "policy.applied"}

    assert len(hashes) == 1
    assert gateway.count("policy.late") == gateway.count("policy.refused") == 0


async def test_metrics_and_status_have_the_new_caps_after_a_reload(tmp_path: Path) -> None:
    """A subject that has called need not call again to be shown with the cap that binds it now."""
    text = POLICY.replace("privacy:", CLOUD_AND_CAP, 1)
    async with serving(tmp_path, "--metrics", "127.0.0.1:0", workers=2, text=text) as gateway:
        await gateway.rules()
        before = await read_page(gateway.metrics)
        await gateway.put(text.replace("limit_usd: 8", "limit_usd: 5"), "policy.applied")
        await until(lambda: gateway.count("policy.applied") == 3)
        after = await read_page(gateway.metrics)

    assert before.total("gateway_budget_limit_usd", budget="daily") == 8.0
    assert after.total("gateway_budget_limit_usd", budget="daily") == 5.0
    assert after.total("gateway_budget_left_usd", budget="daily", subject="default") == 5.0


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_operator_reloads(tmp_path: Path, workers: int) -> None:
    """`gateway reload` says what came of it, by line and by exit status, when all workers have it."""
    socket_path = tmp_path / "admin.sock"
    async with serving(tmp_path, "--admin", f"unix:{socket_path}", workers=workers) as gateway:
        same = await reload(socket_path)
        gateway.policy.write_text(LOOSER)
        refused = await reload(socket_path)
        allowed = await reload(socket_path, "--allow-loosening")
        rules = await gateway.rules()

    assert same[:2] == (0, "unchanged")
    assert refused[:2] == (2, "refused")
    assert f"{gateway.policy}:4: privacy.classes.restricted: raised from 0.8 to 0.9" in refused[2]
    assert "1 change is looser than the policy that runs; --allow-loosening lets it in" in refused[2]
    assert allowed[:2] == (0, "applied")
    assert rules == {"second"}


async def reload(admin: Path, *flags: str) -> tuple[int | None, str, str]:
    """Run the command; return its status, the first word that it printed, and its complaints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "reload", "--admin", f"unix:{admin}", *flags,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode().partition(":")[0], err.decode()


async def test_every_decision_is_on_the_disk_after_the_end(tmp_path: Path) -> None:
    """SIGTERM loses no record, whatever worker took the call; every chain is whole."""
    path = tmp_path / "decisions.jsonl"
    async with serving(tmp_path, "--decisions", str(path), workers=2) as gateway:
        await gateway.rules(40)

    names, kinds = recorded(tmp_path)
    assert names == ["decisions.w0.jsonl", "decisions.w1.jsonl"]
    assert kinds.count("request") == 40
    assert run(["records", "verify", str(path)]) == 0
