"""A gateway that cannot start says why in one line, with exit status 2 and no traceback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ports import free_address
from tests.support.repository import ROOT

CLOUD = """
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}%s}
rules: [{name: default, route: [cloud]}]
replies: [{id: sorry, text: "no"}]
"""
EDGE = """
version: 1
models:
  edge: {kind: llama_cpp, path: "%s", clearance: restricted%s}
rules: [{name: default, route: [edge]}]
replies: [{id: sorry, text: "no"}]
"""


def _serve(folder: Path, *arguments: str, policy: str) -> subprocess.CompletedProcess[str]:
    path = folder / "policy.yaml"
    path.write_text(policy)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--policy",
            str(path),
            "--listen",
            "127.0.0.1:0",
            *arguments,
        ],
        env={**os.environ, "XDG_STATE_HOME": str(folder), "GATEWAY_TEST_KEY": "k"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _missing_model(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return EDGE % (folder / "none.gguf", ""), (), "none.gguf"


def _truncated_model(folder: Path) -> tuple[str, tuple[str, ...], str]:
    whole = (ROOT / "gateway/engine/demo.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    return EDGE % (folder / "cut.gguf", ""), (), "cut.gguf"


def _not_a_model(folder: Path) -> tuple[str, tuple[str, ...], str]:
    (folder / "text.gguf").write_text("this is no model")
    return EDGE % (folder / "text.gguf", ""), (), "text.gguf"


def _wrong_hash(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return EDGE % ("builtin:demo", f", sha256: {'0' * 64}"), (), "sha256"


def _missing_key(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % ", api_key_env: NO_SUCH_KEY", (), "NO_SUCH_KEY"


def _missing_header(folder: Path) -> tuple[str, tuple[str, ...], str]:
    said = "models.cloud.headers.x-token: the variable NO_SUCH_TOKEN is not set"
    return CLOUD % ", headers: {x-token: {env: NO_SUCH_TOKEN}}", (), said


def _bad_policy(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % ", cleerance: public", (), "clearance"


def _not_a_listen(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % "", ("--listen", "localhost"), "--listen localhost"


def _beyond_this_host(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % "", ("--listen", "0.0.0.0:0"), "--insecure"


def _unknown_state(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % "", ("--state", "postgres://x"), "postgres"


def _unwritable_state(folder: Path) -> tuple[str, tuple[str, ...], str]:
    (folder / "file").write_text("")
    return CLOUD % "", ("--state", f"sqlite:///{folder}/file/x/ledger.db"), "file/x"


def _missing_state_folder(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return CLOUD % "", ("--state", f"sqlite://{folder}/typo/ledger.db"), f"there is no folder {folder}/typo"


def _no_handoff_key(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return f"{CLOUD % ''}handoff: {{queue: sqlite}}", (), "GATEWAY_HANDOFF_KEY is not set"


def _other_queue(folder: Path) -> tuple[str, tuple[str, ...], str]:
    return f"{CLOUD % ''}handoff: {{queue: redis}}", (), "handoff.queue: redis needs --state redis://HOST"


Setup = Callable[[Path], tuple[str, tuple[str, ...], str]]


@pytest.mark.parametrize(
    "setup",
    [
        _missing_model,
        _truncated_model,
        _not_a_model,
        _wrong_hash,
        _missing_key,
        _missing_header,
        _bad_policy,
        _not_a_listen,
        _beyond_this_host,
        _unknown_state,
        _unwritable_state,
        _missing_state_folder,
        _no_handoff_key,
        _other_queue,
    ],
)
def test_what_is_missing_is_named_in_one_line(setup: Setup, tmp_path: Path) -> None:
    """Each reason not to start is one line on stderr that names the thing, and exit status 2."""
    policy, arguments, named = setup(tmp_path)

    ended = _serve(tmp_path, *arguments, policy=policy)

    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 2, ended.stderr
    assert len(lines) == 1, ended.stderr
    assert named in lines[0]


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "SO_REUSEPORT"])
def test_a_taken_port_is_refused(shared: bool, tmp_path: Path) -> None:
    """A port in use is one line, even where the kernel would share it."""
    with socket.socket() as taken:
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        ended = _serve(tmp_path, "--listen", address, policy=CLOUD % "")

    assert ended.returncode == 2, ended.stderr
    assert len([line for line in ended.stderr.splitlines() if not line.startswith("{")]) == 1
    assert f"--listen {address}" in ended.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_model_loads_ends_it(stop: signal.Signals, tmp_path: Path) -> None:
    """A gateway whose engine takes for ever to load still ends at once when it is told to."""
    os.mkfifo(tmp_path / "slow.gguf")  # Opening it waits for a writer that never comes.
    (tmp_path / "policy.yaml").write_text(EDGE % (tmp_path / "slow.gguf", ""))
    address = free_address()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "gateway", "serve", "--policy", str(tmp_path / "policy.yaml")),
            *("--listen", address, "--state", "memory:"),
        ],
        stderr=subprocess.PIPE,
    ) as process:
        _wait_until_listening(address)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 0
    assert b"Traceback" not in errors


def _wait_until_listening(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection((host, int(port)), timeout=5),
        ):
            return
        time.sleep(0.05)
    raise AssertionError("it does not listen")
