"""An agent and a long conversation, by the commands of a user: gateway, simulated provider, example."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.client import GatewayClient, prompt
from gateway.v1 import gateway_pb2 as pb
from tests.support.repository import ROOT
from tests.support.serve_process import serving

AGENT = ROOT / "examples" / "agent.py"
QUESTION = "What is 12.5 % of 840, and which day is it?"
POLICY = """\
version: 1
models:
  cloud:
    kind: openai
    model: sim
    base_url: "{base_url}"
    clearance: restricted
    price_per_million_usd: {{input: 1.2505, output: 10.0005, cached_input: 0.1255, cache_write: 1.5635}}
privacy: {{classes: {{restricted: 0.8}}}}
rules:
  - {{name: first, route: [cloud]}}
replies:
  - {{id: sorry, text: x}}
"""
PRICE = "sim=1.2505:10.0005:0.1255:1.5635"
"""The provider's price, in more than whole nano-dollars a token."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Ignores the proxies of the environment."""
TURNS = 60


@asynccontextmanager
async def simulated(*flags: str) -> AsyncIterator[str]:
    """Run `gateway simulate-cloud` on a free port; yield its base URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "simulate-cloud", "--listen", "127.0.0.1:0", *flags),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), timeout=30)
        yield line.decode().split()[-1]
    finally:
        process.terminate()
        await process.wait()


async def test_the_agent_of_the_examples_gets_to_its_end(tmp_path: Path) -> None:
    """It runs both tools with the numbers of the question, and prints what the model makes of them."""
    async with simulated() as base_url, serving(tmp_path, text=POLICY.format(base_url=base_url)) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(AGENT), gateway.address, QUESTION),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), timeout=60)
        with DIRECT.open(base_url.removesuffix("/v1") + "/control/received", timeout=10) as response:
            bodies = [json.loads(body) for body in json.load(response)["bodies"]]
    assert (process.returncode, err.decode()) == (0, "")
    percentage, day, answer = out.decode().splitlines()
    name, _, rest = percentage.partition(" ")
    arguments, _, result = rest.partition(" -> ")
    assert (name, json.loads(arguments)) == ("percent_of", {"percent": 12.5, "number": 840})
    assert result == "105"
    assert day.startswith("today {} -> ")
    assert answer == f"The tools say: 105; {day.partition(' -> ')[2]}."
    assert [[message["role"] for message in body["messages"]] for body in bodies] == [
        ["user"],
        ["user", "assistant", "tool", "tool"],
    ]


async def test_sixty_turns_of_cached_prompts_cost_what_the_provider_bills(tmp_path: Path) -> None:
    """Nine tenths of the prompts are read from the cache; the charges are the bill, to the nano-dollar."""
    charged = prompts = cached = written = 0
    async with (
        simulated("--price", PRICE) as base_url,
        serving(tmp_path, text=POLICY.format(base_url=base_url)) as gateway,
        GatewayClient(gateway.address) as client,
    ):
        request = prompt("Turn 0: go on", system="Be brief. " * 100)
        for turn in range(1, TURNS + 1):
            answer = await client.generate(request, timeout_s=60)
            charged += round(answer.cost_usd * 10**9)
            prompts += answer.usage.prompt_tokens
            cached += answer.usage.cached_prompt_tokens
            written += answer.usage.cache_write_tokens
            request.messages.append(answer.message)
            request.messages.append(pb.Message(role=pb.ROLE_USER, content=f"Turn {turn}: go on"))
        with DIRECT.open(base_url.removesuffix("/v1") + "/control/bill", timeout=10) as response:
            bill = json.load(response)
    assert bill["requests"] == TURNS
    assert cached >= 0.9 * prompts
    model = bill["models"]["sim"]
    assert (model["prompt_tokens"], model["cached_tokens"]) == (prompts, cached)
    assert model["cache_write_tokens"] == written
    assert charged == bill["billed_usd_nanos"]
