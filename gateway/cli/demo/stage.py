"""The stage of `gateway demo`: a provider, a gateway process with its engine, and a client, all real."""

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
"""What the provider charges; the policy in simulated.yaml says the same, as an operator's has to."""
MAX_TOKENS = 128
START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0


class GatewayProcess:
    """`gateway serve` as a child; its log says where it listens and which process its engine is."""

    def __init__(self, process: asyncio.subprocess.Process, log: asyncio.StreamReader) -> None:
        self.target = ""
        self.engine_pid = 0
        self._process = process
        self._last_line = ""
        self._serving = asyncio.Event()
        self._reading = child(self._read(log), name="log of the gateway")

    async def _read(self, log: asyncio.StreamReader) -> None:
        try:
            async for line in log:
                self._last_line = line.decode(errors="replace").strip()
                with contextlib.suppress(ValueError):  # What is not JSON is the one line of a failed start.
                    self._note(json.loads(self._last_line))
        finally:
            self._serving.set()

    def _note(self, event: Mapping[str, object]) -> None:
        if event["event"] == "engine.started":
            self.engine_pid = int(str(event["pid"]))
        elif event["event"] == "gateway.serving":
            self.target = str(event["listen"])
            self._serving.set()

    async def wait_serving(self) -> None:
        """Return when it serves; raises StartupError with its own words when it ended instead."""
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
        """How it ended; None while it runs."""
        return self._process.returncode

    async def end(self) -> None:
        """Send SIGTERM and wait until it has drained."""
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await self._reading


class Stage:
    """What the cases of the demo may do."""

    def __init__(self, *, cloud: SimulatedCloud, gateway: GatewayProcess) -> None:
        self.cloud = cloud
        self.gateway = gateway
        self.engine_kills = 0

    def client(self, tenant: str) -> GatewayClient:
        """Return a client of the gateway."""
        return GatewayClient(self.gateway.target, tenant=tenant)

    async def spend(self, text: str, *, tenant: str) -> None:
        """Send long requests until the cloud is refused for want of budget."""
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
        """kill -9 the engine; return when the gateway has noticed, before it starts another."""
        with contextlib.suppress(ProcessLookupError):  # It may be dead from the case before.
            os.kill(self.gateway.engine_pid, signal.SIGKILL)
            self.engine_kills += 1
        await self._wait_health("NOT_SERVING")

    async def wait_engine(self) -> None:
        """Return when an engine runs again."""
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
    """Return where the ledger of a demo in `folder` is."""
    return f"sqlite:///{folder / 'ledger.db'}"


@asynccontextmanager
async def running_process(policy: Path, *, state_url: str) -> AsyncIterator[GatewayProcess]:
    """Run `gateway serve` on a free port as a child; raises StartupError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--policy", str(policy), "--listen", "127.0.0.1:0"),
        *("--state", state_url, "--trust-tenant-header", "--drain-s", "0", "--log-format", "json"),
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
