"""The README's policy and the answer below it: run as they are shown, and compared word for word."""

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest

from gateway.cli.demo.stage import running_process
from gateway.policy.loading.load import default_policy_path
from tests.support.repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, holds: str) -> str:
    """Return the README's code block in a language that holds a text."""
    (found,) = (
        text for text in re.findall(rf"^```{language}\n(.*?)^```$", README, re.S | re.M) if holds in text
    )
    return str(found)


def comparable(output: str) -> str:
    """Return an output without what is another run's or another version's: ids, and milliseconds of attempts.

    Those are the 32 hexadecimal digits of the request, the 12 of the policy, whose hash covers the defaults
    of all keys, and the two numbers that follow an attempt's outcome. Spaces between columns follow from the
    width of these.
    """
    output = re.sub(r"\b([0-9a-f]{32}|[0-9a-f]{12})\b", "ID", output)
    output = re.sub(r"^(\w+ +answered +)\d+ +\d+", r"\1MS MS", output, flags=re.M)
    return re.sub(r" +", " ", re.sub(r" +$", "", output, flags=re.M)).strip()


def test_only_ids_and_milliseconds_may_differ() -> None:
    """A run with another answer, score, rule, chain or token count is noticed."""
    shown = block("text", "refused")
    other = shown.replace("171a32a11bab46db9b6d939f3695622d", "0" * 32).replace("2         11", "13        7")
    assert comparable(other) == comparable(shown) != ""
    assert other != shown
    for word in ("jane@", "LOCAL", "CONFIDENTIAL", "0.143", "edge", "CLEARANCE", "23 + 6", "policy"):
        assert comparable(shown.replace(word, "x")) != comparable(shown), word


async def test_the_answer_in_the_readme_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy of the README is served, its command is run, and what it prints is what is shown."""
    monkeypatch.setenv("OPENAI_API_KEY", "none-is-needed")  # The request does not leave: that is the point.
    monkeypatch.delenv("GATEWAY_SERVER", raising=False)
    policy = tmp_path / "policy.yaml"
    policy.write_text(block("yaml", "models:"), encoding="utf-8")
    _, *arguments = shlex.split(block("sh", "--verbose"))

    async with running_process(policy, state_url="memory:") as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments, "--server", gateway.target),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        answer, told = await asyncio.wait_for(process.communicate(), timeout=60)

    assert process.returncode == 0
    assert comparable((answer + told).decode()) == comparable(block("text", "refused"))


async def test_a_program_of_openai_changes_its_url_alone() -> None:
    """The three lines are run against the model of `gateway serve`, at the address that it has here."""
    program = block("py", "base_url=")
    assert "--http 127.0.0.1:8080`" in README
    async with running_process(default_policy_path(), state_url="memory:") as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program.replace("http://127.0.0.1:8080", gateway.http_url)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        answer, told = await asyncio.wait_for(process.communicate(), timeout=60)

    assert (process.returncode, told.decode()) == (0, "")
    assert answer.decode() == "The capital of Norway is Oslo.\n"
    assert len(program.replace("\n\n", "\n").splitlines()) == 3


def test_the_readme_is_short() -> None:
    """Whoever opens the repository reads it: 130 lines, and a policy of twelve."""
    assert len(README.splitlines()) <= 130
    assert len(block("yaml", "models:").splitlines()) == 12
