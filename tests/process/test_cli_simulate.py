"""`gateway simulate-cloud`: the command around the simulated provider."""

import signal
import subprocess
import sys
import urllib.request

import pytest

from gateway.cli.app import load_command, run
from gateway.simulate.faults import KINDS

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Ignores the proxies of the environment."""


def test_the_help_lists_every_fault() -> None:
    """Each fault stands in the help, with what it does."""
    text = load_command("simulate-cloud").help or ""
    for name, kind in KINDS.items():
        assert name in text
        assert kind.help in text.replace("\\[", "[")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "nonsense"), "is not MODEL:FAULT"),
        (("--fault", "m:nonsense"), "does not exist"),
        (("--price", "m=1"), "is not MODEL=IN:OUT"),
        (("--dialect", "klingon"), "does not exist; choose of openai"),
        (("--listen", "nowhere"), "must be HOST:PORT"),
    ],
)
def test_a_bad_flag_is_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault, price or address that cannot be read ends the command with 2."""
    assert run(["simulate-cloud", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_says_where_it_listens_and_ends_with_a_signal(number: signal.Signals, status: int) -> None:
    """Port 0 takes a free port; the line that it prints is a policy's base_url."""
    command = [
        sys.executable,
        "-m",
        "gateway",
        "simulate-cloud",
        "--listen",
        "127.0.0.1:0",
        "--price",
        "m=1:2",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[-1]
        with DIRECT.open(f"{base_url}/models", timeout=10) as response:
            assert b'"m"' in response.read()
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()  # One that does not end fails the test, and does not hold it up.
    assert (process.returncode, err) == (status, "")
