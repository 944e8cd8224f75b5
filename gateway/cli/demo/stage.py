"""The processes of `gateway demo`: a simulated provider, a gateway with its engine, and a client."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

from gateway.client.channel import GatewayClient
from gateway.client.prompt import prompt
from gateway.errors import StartupError
from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud
from gateway.tasks import child
from gateway.v1 import gateway_pb2 as pb

CLOUD, BACKUP = "sim-strong", "sim-backup"
ENGINE_HEALTH = "model.edge"
PRICES = {
    CLOUD: SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00")),
    BACKUP: SimulatedPrice(input=Decimal("0.50"), output=Decimal("4.00")),
}
"""Prices of the provider; simulated.yaml has the same ones, as a policy must."""
MAX_TOKENS = 128
START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0


class GatewayProcess:
    """`gateway serve` as a child process; its addresses and engine pid are read from its log."""

    def __init__(self, process: asyncio.subprocess.Process, log: asyncio.StreamReader) -> None:
        self.target = ""
        self.http_url = ""
        """Where it serves HTTP, if it does."""
        self.engine_pid = 0
        self._process = process
        self._last_line = ""
        self._serving = asyncio.Event()
        self._reading = child(self._read(log), name="log of the gateway")

    async def _read(self, log: asyncio.StreamReader) -> None:
        try:
            async for line in log:
                self._last_line = line.decode(errors="replace").strip()
                with contextlib.suppress(ValueError):  # A failed start logs a line that is not JSON.
                    self._note(json.loads(self._last_line))
        finally:
            self._serving.set()

    def _note(self, event: Mapping[str, object]) -> None:
        if event["event"] == "engine.started":
            self.engine_pid = int(str(event["pid"]))
        elif event["event"] == "gateway.serving":
            self.target = str(event["listen"])
            if event.get("http"):
                self.http_url = f"http://{event['http']}"
            self._serving.set()

    async def wait_serving(self) -> None:
        """Return when the gateway serves; raises StartupError with its last log line if it ended."""
        async with asyncio.timeout(START_TIMEOUT_S):
            await self._serving.wait()
        if not self.target:
            raise StartupError(f"the demo's gateway did not start: {self._last_line}")

    @property
    def pid(self) -> int:
        """The process id of the gateway."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status; None while the process runs."""
        return self._process.returncode

    async def end(self) -> None:
        """Send SIGTERM and wait until the process has ended."""
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await self._reading


class Stage:
    """Actions of the demo's cases: requests, faults and kills."""

    def __init__(self, *, cloud: SimulatedCloud, gateway: GatewayProcess) -> None:
        self.cloud = cloud
        self.gateway = gateway
        self.engine_kills = 0

    def client(self, tenant: str) -> GatewayClient:
        """Return a client of the gateway."""
        return GatewayClient(self.gateway.target, tenant=tenant)

    async def spend(self, text: str, *, tenant: str) -> None:
        """Send long requests until the budget refuses the cloud."""
        self.cloud.set_fault(CLOUD, "length", value=MAX_TOKENS)
        async with self.client(tenant) as client:
            route = pb.ROUTE_CLOUD
            while route == pb.ROUTE_CLOUD:
                response = await client.generate(
                    prompt(text, max_tokens=MAX_TOKENS), timeout_s=CALL_TIMEOUT_S
                )
                route = response.route
        self.cloud.clear_faults()

    async def kill_engine(self) -> None:
        """Kill the engine by SIGKILL; return when the gateway has noticed, before it restarts it."""
        with contextlib.suppress(ProcessLookupError):  # The case before may have killed it.
            os.kill(self.gateway.engine_pid, signal.SIGKILL)
            self.engine_kills += 1
        await self._wait_health("NOT_SERVING")

    async def wait_engine(self) -> None:
        """Return when the engine serves again."""
        await self._wait_health("SERVING")

    async def _wait_health(self, status: str) -> None:
        async with asyncio.timeout(START_TIMEOUT_S), self.client("demo") as client:
            while await client.health(ENGINE_HEALTH) != status:  # noqa: ASYNC110  Another process decides.
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start everything, with the policy and the ledger in `folder`; raises StartupError."""
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(SimulatedCloud(PRICES).serve())
        path = folder / "demo.yaml"
        template = files("gateway.cli.demo").joinpath("simulated.yaml").read_text(encoding="utf-8")
        path.write_text(template.replace("{provider}", cloud.base_url), encoding="utf-8")
        gateway = await stack.enter_async_context(running_process(path, state_url=state_url(folder)))
        yield Stage(cloud=cloud, gateway=gateway)


def state_url(folder: Path) -> str:
    """Return the state URL of a demo in `folder`."""
    return f"sqlite:///{folder / 'ledger.db'}"


@asynccontextmanager
async def running_process(policy: Path, *, state_url: str) -> AsyncIterator[GatewayProcess]:
    """Run `gateway serve` on free ports as a child; raises StartupError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--policy", str(policy), "--listen", "127.0.0.1:0"),
        *(
            "--http",
            "127.0.0.1:0",
            "--state",
            state_url,
            "--trust-tenant-header",
            "--drain-s",
            "0",
            "--log-format",
            "json",
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stderr is None:
        raise StartupError("the demo's gateway has no log to read")
    gateway = GatewayProcess(process, process.stderr)
    try:
        await gateway.wait_serving()
        yield gateway
    finally:
        await gateway.end()
