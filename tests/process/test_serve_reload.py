"""`gateway serve` and its policy file: SIGHUP, a watched file, several workers, and records to the end."""

import json
import os
import signal
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.complexity.features import PromptFeatures
from gateway.complexity.scorer_file import write_scorer
from gateway.complexity.static_words import DIMENSIONS
from gateway.engine.models import resolve_model_path
from tests.support.operated import read_page
from tests.support.serve_process import POLICY, reload, serving
from tests.support.waiting import until

CLOUD_AND_CAP = """\
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
budgets: [{name: daily, per: tenant, limit_usd: 8, window: day}]
privacy:"""
RENAMED = POLICY.replace("first", "second")
LOOSER = RENAMED.replace("0.8", "0.9")
BROKEN = POLICY.replace("edge]", "egde]")


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


async def test_every_decision_is_on_the_disk_after_the_end(tmp_path: Path) -> None:
    """SIGTERM loses no record, whatever worker took the call; every chain is whole."""
    path = tmp_path / "decisions.jsonl"
    async with serving(tmp_path, "--decisions", str(path), workers=2) as gateway:
        await gateway.rules(40)

    names, kinds = recorded(tmp_path)
    assert names == ["decisions.w0.jsonl", "decisions.w1.jsonl"]
    assert kinds.count("request") == 40
    assert run(["records", "verify", str(path)]) == 0
