"""What docs/guides/http.md shows is run: its lines of curl, its programs, and what they are set up with."""

import asyncio
import importlib.util
import re
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anthropic
import pytest
from ruamel.yaml import YAML

from gateway.cli.demo.stage import GatewayProcess, running_process
from gateway.policy.http import HttpPolicy
from gateway.policy.loading.load import default_policy_path, parse_policy
from tests.support.policies import POLICY
from tests.support.repository import ROOT
from tests.support.shown_steps import pattern_of, steps

PAGE = (ROOT / "docs" / "guides" / "http.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8080"
"""Of the page; the tests take a free port in its place."""
ANSWER = "The capital of Norway is Oslo."
LIMIT_S = 120.0
CURLS = [step for step in steps(PAGE, language="text") if "curl " in step.commands]


@asynccontextmanager
async def _serving() -> AsyncIterator[GatewayProcess]:
    """Run a gateway as the page begins it."""
    async with running_process(default_policy_path(), state_url="memory:") as gateway:
        yield gateway


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


async def _run(*command: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=LIMIT_S)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing")
async def test_the_lines_of_curl_bring_what_the_page_shows() -> None:
    """Each in the order of the page, with what is below it."""
    async with _serving() as gateway:
        for step in CURLS:
            script = f"set -o pipefail\n{step.commands.replace(URL, gateway.http_url)}"
            status, out, err = await _run("bash", "-c", script)
            assert (status, err) == (0, ""), step.commands
            came = f"{out.removesuffix(chr(10))}\n"
            assert pattern_of(step.shown).fullmatch(came), f"{step.commands}\ncame:\n{out}"


def test_the_page_shows_what_each_line_of_curl_brings() -> None:
    """The lines are found: a check that reads none would pass for ever."""
    assert len(CURLS) >= 6
    assert all(step.shown for step in CURLS)
    assert all(URL in step.commands for step in CURLS)


@pytest.mark.parametrize("program", _blocks("py"), ids=["openai", "anthropic", "langchain"])
async def test_the_programs_print_the_answer(program: str) -> None:
    """Each SDK, told the URL alone."""
    named = re.findall(r"^(?:import|from) (\w+)", program, re.M)
    if any(importlib.util.find_spec(name) is None for name in named):
        pytest.skip(f"{', '.join(named)} is not installed")
    async with _serving() as gateway:
        status, out, err = await _run(sys.executable, "-c", program.replace(URL, gateway.http_url))
    assert (status, out, err) == (0, f"{ANSWER}\n", "")


def _exported(program: str) -> Mapping[str, str]:
    """Return the variables that the page sets for a program."""
    (block,) = (block for block in _blocks("sh") if re.search(rf"^{program} ", block + " ", re.M))
    return dict(re.findall(r"^export (\w+)=(\S+)$", block, re.M))


async def test_the_variables_of_claude_code_reach_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anthropic's SDK, which it is made of, takes them as they are."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    async with _serving() as gateway:
        for name, value in _exported("claude").items():
            monkeypatch.setenv(name, value.replace(URL, gateway.http_url))
        async with anthropic.AsyncAnthropic(max_retries=0) as client:
            answer = await client.messages.create(
                model="auto",
                max_tokens=100,
                messages=[{"role": "user", "content": "What is the capital of Norway?"}],
            )
    assert [block.text for block in answer.content if block.type == "text"] == [ANSWER]


def test_every_set_up_names_the_same_gateway() -> None:
    """Codex, Open WebUI and Continue are given a base URL with /v1, at the address that is served."""
    (codex,) = (tomllib.loads(block) for block in _blocks("toml"))
    provider = codex["model_providers"][codex["model_provider"]]
    assert provider["wire_api"] == "responses"
    (continued,) = (block for block in _blocks("yaml") if "apiBase" in block)
    (model,) = YAML(typ="safe").load(continued)["models"]
    urls = (provider["base_url"], model["apiBase"], _exported("open-webui")["OPENAI_API_BASE_URL"])
    assert {*urls} == {f"{URL}/v1"}
    assert urlsplit(URL).netloc in _blocks("sh")[0]
    assert codex["model"] == model["model"] == "auto"


def test_what_the_page_puts_into_a_policy_is_taken() -> None:
    """Its lines of a policy, behind one that has models."""
    lines = [block for block in _blocks("yaml") if re.match("aliases:|http:", block)]
    assert len(lines) == 2
    taken = [parse_policy(POLICY + block, name="policy.yaml") for block in lines]
    assert taken[0].names.model("claude-opus-5") == ""
    assert [policy.http for policy in taken] == [
        HttpPolicy(drop_hosted_tools=True),
        HttpPolicy(cors_origins=("https://chat.example.com",)),
    ]
