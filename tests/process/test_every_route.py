"""What `docker compose run client` runs, against real processes and the policy of the compose file."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.cli.demo.stage import running_process
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud
from tests.support.repository import ROOT

PROGRAM = ROOT / "examples" / "every_route.py"
PRICES = {"sim-strong": SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))}


async def _play(server: str, provider: str, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), server, provider, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=120)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("breaks_a_line", [False, True])
async def test_every_line_comes_out_as_expected(tmp_path: Path, breaks_a_line: bool) -> None:
    """Two rounds, each with every route; and a policy that sends all to the edge is noticed."""
    text = (ROOT / "policies" / "compose.yaml").read_text(encoding="utf-8")
    async with SimulatedCloud(PRICES).serve() as cloud:
        url = cloud.base_url.removesuffix("/v1")
        policy = tmp_path / "compose.yaml"
        policy.write_text(text.replace("http://provider:8181", url), encoding="utf-8")
        if breaks_a_line:
            policy.write_text(
                policy.read_text().replace("route: [cloud, edge]", "route: [edge]"), encoding="utf-8"
            )
        async with running_process(policy, state_url="memory:") as gateway:
            status, out, err = await _play(gateway.target, url, "--rounds", "2")
    if breaks_a_line:
        assert status == 1
        assert "NOT AS EXPECTED: CLOUD cloud" in out
        assert "lines came out otherwise" in err
    else:
        assert (status, err) == (0, ""), out
        assert out.endswith("all 22 lines as expected\n")
    for route in ("LOCAL edge", "CANNED CLEARANCE", "CANNED BUDGET_EXHAUSTED"):
        assert route in out
