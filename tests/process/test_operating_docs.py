"""An hour in the life of an operator, as docs/guides/run.md tells it: run, and compared line by line."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_address
from tests.support.repository import ROOT
from tests.support.shown_steps import Step, pattern_of, steps

PAGE = ROOT / "docs" / "guides" / "run.md"
HEADING = "## An hour in the life of an operator"
MARK = "=== the end of step"
PORTS = ("50051", "8181", "9464", "9090")
"""Of the page; the test takes free ones in their place."""
LIMIT_S = 300.0


def _steps(page: str) -> Iterator[Step]:
    """Yield each shell block of the section with the plain block that follows it."""
    return steps(page.partition(HEADING)[2])


def _free_ports() -> dict[str, str]:
    return {port: free_address().rpartition(":")[2] for port in PORTS}


def _with_ports(text: str, ports: dict[str, str]) -> str:
    for port, free in ports.items():
        text = text.replace(f":{port}", f":{free}")
    return text


async def _run(script: str, folder: Path) -> tuple[int | None, str]:
    """Run a script in a session of its own, at whose end nothing of it is left; return status and output."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    output = folder / "output"
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-c", script),
            cwd=folder,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(process.wait(), timeout=LIMIT_S)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output.read_text(encoding="utf-8")


def _can_run(step: Step) -> bool:
    """Say whether a step can be run here: Prometheus is not everywhere."""
    return "promtool" not in step.commands or bool(shutil.which("promtool") and shutil.which("prometheus"))


@pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("curl")), reason="openssl or curl is missing"
)
async def test_an_hour_in_the_life_of_an_operator(tmp_path: Path) -> None:
    """All steps in one shell, in an empty folder; each shows what the page says."""
    ports = _free_ports()
    taken = [step for step in _steps(_with_ports(PAGE.read_text(encoding="utf-8"), ports)) if _can_run(step)]
    script = "".join(f"{step.commands}echo '{MARK}'\n" for step in taken)
    status, output = await _run(script, tmp_path)
    came = re.sub(r" +$", "", output, flags=re.M).split(f"{MARK}\n")
    log = tmp_path / "gateway.log"
    told = log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""
    for number, step in enumerate(taken):
        assert number < len(came), f"nothing came of step {number}: {step.commands}"
        is_shown = pattern_of(step.shown).fullmatch(came[number])
        assert is_shown, f"{step.commands}\ncame:\n{came[number]}\n{told}"
    assert status == 0, output[-2000:]


def test_the_hour_has_its_steps() -> None:
    """The section is found: a check that reads no step would pass for ever."""
    found = list(_steps(PAGE.read_text(encoding="utf-8")))
    assert len(found) >= 8
    assert all(step.shown for step in found)


def test_what_is_shown_is_compared() -> None:
    """A line that is missing, added or different is noticed; `...` stays within its line."""
    pattern = pattern_of("a ...\nexit status 1\n")
    assert pattern.fullmatch("a b c\nexit status 1\n")
    assert not pattern.fullmatch("a b\nc\nexit status 1\n")
    assert not pattern.fullmatch("a b\nexit status 2\n")
    assert not pattern.fullmatch("a b\nexit status 1\nmore\n")
