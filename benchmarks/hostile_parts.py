"""What `benchmarks.hostile` is made of: a gateway as processes, and another tenant that uses it meanwhile."""

import asyncio
import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.hostile_attacks import NICE, Aim, message
from benchmarks.privacy_inputs import LARGE
from benchmarks.process_usage import cpu_s
from gateway.client.admin import AdminClient
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb

KEYS = {"acme": "gw_acme", "eve": "gw_eve"}
POLICY = """
version: 1
models:
  edge: {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 64}}
  cloud: {{kind: openai, model: sim, base_url: "{base_url}", clearance: restricted,
          price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  slow: {{kind: openai, model: "sim+slow=30", base_url: "{hostile_url}", clearance: restricted,
         price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  bomb: {{kind: openai, model: "sim+bomb", base_url: "{hostile_url}", clearance: restricted,
         price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  endless: {{kind: openai, model: "sim+endless", base_url: "{hostile_url}", clearance: restricted,
            price_per_million_usd: {{input: 0.25, output: 2.00}}}}
  absurd: {{kind: openai, model: "sim+absurd-usage", base_url: "{hostile_url}", clearance: restricted,
           price_per_million_usd: {{input: 0.25, output: 2.00}}}}
budgets: [{{name: all-spend, per: all, limit_usd: 1000000, window: month}}]
rules:
{rules}
  - {{name: default, route: [cloud]}}
resilience: {{attempts: 1, first_token_s: 60, attempt_s: 60, deadline_s: {{default: 60, max: 60}}}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
PLACES = ("edge", "cloud", "slow", "bomb", "endless", "absurd")
PATIENCE_S = 60.0
"""After that a call of the other tenant counts as having taken that long."""
SCHEMA = json.dumps(
    {"type": "object", "properties": {f"field_{n}": {"enum": [f"{n}a", n]} for n in range(120)}}
)

PROBES: Mapping[str, tuple[str, bytes]] = {
    "cloud": ("Generate", message("Say hello.", labels={"place": "cloud"})),
    "edge": (
        "Generate",
        pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content="Say hello.")],
            config=pb.GenerationConfig(max_tokens=4),
            labels={"place": "edge"},
        ).SerializeToString(),
    ),
    "schema": ("Explain", message("Fill this in.", schema=SCHEMA)),
    "30 kB": ("Explain", message(LARGE["prose"][:30_000])),
}
"""The other tenant's calls: to a provider, to the engine, with a middle-sized schema, and a long prompt."""


@dataclass
class Heard:
    """Seconds that answers took, by what was asked; and what failed."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    reload_ok: bool | None = None

    def note(self, name: str, seconds: float) -> None:
        """Keep one measurement."""
        self.seconds.setdefault(name, []).append(seconds)


class Gateway:
    """`gateway serve` of a checkout, as processes of their own."""

    def __init__(self, folder: Path, *, tree: Path, base_url: str, hostile_url: str) -> None:
        self.target, self.metrics = (f"127.0.0.1:{_free_port()}" for _ in range(2))
        self.admin = f"unix:{folder / 'admin.sock'}"
        self._tree = tree
        rules = "\n".join(
            f"  - {{name: {name}, when: 'has(labels.place) && labels.place == \"{name}\"', route: [{name}]}}"
            for name in PLACES
        )
        policy, keys, self._log = folder / "policy.yaml", folder / "keys.txt", folder / "gateway.log"
        policy.write_text(POLICY.format(base_url=base_url, hostile_url=hostile_url, rules=rules))
        lines = [f"{hashlib.sha256(key.encode()).hexdigest()} {tenant}\n" for tenant, key in KEYS.items()]
        keys.write_text("".join(lines))
        keys.chmod(0o600)
        self._arguments = (
            *("--policy", str(policy), "--keys", str(keys), "--state", f"sqlite:///{folder / 'spend.db'}"),
            *("--listen", self.target, "--metrics", self.metrics, "--admin", self.admin),
            *("--log-format", "json"),
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", *self._arguments),
                cwd=self._tree,
                env={**os.environ, "PYTHONPATH": str(self._tree)},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE_S), GatewayClient(self.target) as client:
            while not await _serves(client):
                if self._process.returncode is not None:
                    raise SystemExit(f"the gateway ended: {self._log.read_text()[-500:]}")
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it at once; engines and scoring processes notice."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def cpu_s(self) -> float:
        """Return the processor time that its processes used, those of its children that ended included."""
        if self._process is None:
            raise RuntimeError("it was not started")
        return cpu_s(self._process.pid)

    def defects(self) -> int:
        """Return how often its log has a defect of the gateway."""
        return self._log.read_text().count('"event": "defect"')


async def _serves(client: GatewayClient) -> bool:
    try:
        return await client.health("") == "SERVING"
    except CallFailed:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def simulated_cloud(*, nice: int = 0) -> AsyncIterator[str]:
    """Run `gateway simulate-cloud` of this checkout as a process; yield its base URL."""
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(nice), sys.executable, "-m", "gateway", "simulate-cloud"),
        *("--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def attackers(name: str, gateway: Gateway) -> AsyncIterator[None]:
    """Have the gateway attacked while the block runs."""
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(NICE), sys.executable, "-m", "benchmarks.hostile_attacks"),
        *(name, gateway.target, KEYS["eve"]),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def other_tenant(gateway: Gateway) -> AsyncIterator[Callable[[Heard], None]]:
    """Use the gateway as another tenant and as an operator; what is heard goes to the one given last."""
    heard = Heard()

    def listen(to: Heard) -> None:
        nonlocal heard
        heard = to

    async def repeat(name: str, ask: Callable[[], Awaitable[object]], pause_s: float) -> None:
        while True:
            began_s, to = time.monotonic(), heard
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await ask()
            except (grpc.aio.AioRpcError, aiohttp.ClientError, TimeoutError):
                to.failures[name] = to.failures.get(name, 0) + 1
                to.note(name, PATIENCE_S)
            except asyncio.CancelledError:
                # An answer that is still out when the attack ends took at least that long.
                to.note(name, time.monotonic() - began_s)
                raise
            else:
                to.note(name, time.monotonic() - began_s)
            await asyncio.sleep(pause_s)

    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.target))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        metadata = (("authorization", f"Bearer {KEYS['acme']}"),)
        health = health_pb2_grpc.HealthStub(channel)

        def call(method: str, body: bytes) -> Callable[[], Awaitable[object]]:
            rpc = Aim.method(channel, method)
            return lambda: rpc(body, metadata=metadata, timeout=PATIENCE_S)

        async def read_metrics() -> None:
            async with session.get(f"http://{gateway.metrics}/metrics") as response:
                response.raise_for_status()
                await response.read()

        tasks = [asyncio.create_task(repeat(name, call(*probe), 0.05)) for name, probe in PROBES.items()]
        tasks.append(
            asyncio.create_task(repeat("health", lambda: health.Check(health_pb2.HealthCheckRequest()), 0.05))
        )
        tasks.append(asyncio.create_task(repeat("metrics", read_metrics, 0.2)))
        try:
            yield listen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def reload(gateway: Gateway) -> bool:
    """Say whether `gateway reload` does its work now, as the command does it."""
    async with AdminClient(gateway.admin) as admin:
        try:
            await admin.reload(timeout_s=10.0)
        except CallFailed:
            return False
    return True
