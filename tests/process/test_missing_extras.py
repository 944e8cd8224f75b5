"""A package that only an extra installs: without it, one line names the extra, and nothing else changes."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.domain.optional import DISTRIBUTION, MODULES, SERVER
from tests.support.repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

CLOUD = """
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [cloud]}]
replies: [{id: sorry, text: "no"}]
"""
EDGE = """
version: 1
models: {edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
rules: [{name: default, route: [edge]}]
replies: [{id: sorry, text: "no"}]
"""
PRESIDIO = f"{CLOUD}privacy: {{entities: [{{kind: presidio}}]}}\n"
HANDOFF = f"{CLOUD}handoff: {{queue: sqlite}}\n"

WITHOUT = """
import os, sys
_without = os.environ["TEST_WITHOUT"]

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == _without or name.startswith(_without + "."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""What Python runs first, as `sitecustomize`, in children too: one module is not installed."""


def _run(folder: Path, *arguments: str, without: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(WITHOUT)
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        "TEST_WITHOUT": without,
        "XDG_STATE_HOME": str(folder),
        "GATEWAY_HANDOFF_KEY": "0" * 64,
    }
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("extra", "policy", "flags", "line"),
    [
        ("edge", EDGE, [], "this policy has a llama_cpp model"),
        ("edge", EDGE, ["--workers", "2"], "this policy has a llama_cpp model"),
        ("redis", CLOUD, ["--state", "redis://127.0.0.1:1"], "state redis: needs the Redis client"),
        ("otel", CLOUD, ["--otlp", "http://127.0.0.1:9"], "--otlp: needs OpenTelemetry"),
        ("presidio", PRESIDIO, [], "privacy.entities: this policy asks Presidio"),
        ("handoff", HANDOFF, [], "handoff: needs the library for encryption"),
    ],
)
def test_a_missing_extra_is_named(
    extra: str, policy: str, flags: list[str], line: str, tmp_path: Path
) -> None:
    """A gateway that is asked for it ends with the line and status 2; no part of it was started."""
    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    serve = ["serve", "--policy", str(path), "--listen", "127.0.0.1:0", *flags]
    ended = _run(tmp_path, *serve, without=MODULES[extra].partition(".")[0])
    lines = [text for text in ended.stderr.splitlines() if not text.startswith("{")]
    assert lines == [f"gateway: {line}; install {DISTRIBUTION}[{extra}]"]
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("typer", ["--version"]), ("ruamel", ["policy", "check", "policy.yaml"]), ("aiohttp", ["serve"])],
)
def test_the_command_without_the_server_names_the_extra(
    module: str, arguments: list[str], tmp_path: Path
) -> None:
    """Whether the command line itself cannot be imported or the part that a command needs."""
    ended = _run(tmp_path, *arguments, without=module)
    assert ended.returncode == 2
    assert re.fullmatch(
        rf"gateway: this command needs {module}[.\w]*, which is not installed; "
        rf"install {DISTRIBUTION}\[{SERVER}\]\n",
        ended.stderr,
    )


def test_a_module_of_the_package_is_not_an_extra(tmp_path: Path) -> None:
    """A file of the package that is gone is a defect, which no extra mends."""
    ended = _run(tmp_path, "explain", "hello", without="gateway.routing")
    assert "this is a defect" in ended.stderr
    assert "install" not in ended.stderr


def test_the_extras_are_those_of_the_project() -> None:
    """Each line names an extra that pyproject.toml has."""
    assert {*MODULES, SERVER} <= {*PROJECT["optional-dependencies"]}
    assert PROJECT["name"] == DISTRIBUTION
