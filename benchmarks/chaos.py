"""Random faults, kills of gateways and engines, and Redis restarts, under load; then the books are checked.

    python -m benchmarks.chaos [--seconds 600] [--seed 1]

Exit status 0 if at the end: no request was without an end in time, no truncated answer looked complete, the
ledger is not below the bill and holds nothing, every gateway still answers, and its memory is flat.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from gateway.clock import SystemClock
from gateway.ledger.open import open_ledger
from gateway.simulate.faults import parse_fault
from gateway.simulate.server import SimulatedCloud
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.fault_cases import POLICY, PRICES
from tests.redis_server import RedisServer, running_redis

FAULTS = (
    "status=503,times=6", "status=500,times=2", "status=429,times=3", "status=429,retry_after_s=1,times=2",
    "reset,times=2", "silence,times=2", "slow=2,times=2", "cut=3,times=3", "stall=3,times=2",
    "garbage=3,times=3", "no-finish,times=2", "no-usage,times=2", "open-end,times=2",
    "context-too-long,times=1",
)  # fmt: skip
EDGE = '  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 32}\nbudgets:'
DEADLINE_S = 5.0
LATE_S = 0.5
"""What a call may take beyond its deadline on a machine that is busy with everything else here."""
CALLERS = 8
GROWTH = 1.3
"""How much larger a gateway may be at the end than after its first seconds."""


class Gateway:
    """`gateway serve` in a process of its own, started again when it was killed."""

    def __init__(self, policy: Path, state: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.target = f"127.0.0.1:{free.getsockname()[1]}"
        self._arguments = ("--policy", str(policy), "--listen", self.target, "--state", state)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", *self._arguments, stderr=asyncio.subprocess.DEVNULL
        )
        async with grpc.aio.insecure_channel(self.target) as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def kill_engine(self) -> None:
        """End its engine at once."""
        if self._process is None:
            return
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def resident_kb(self) -> int:
        """Return its memory."""
        status = Path(f"/proc/{self._process.pid}/status" if self._process else "/dev/null").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class Callers:
    """Asks gateways, one call after the other, and remembers what must not be."""

    def __init__(self, gateways: list[Gateway], rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._gateways = gateways
        self._rng = rng

    async def run(self, until_s: float) -> None:
        """Call until it is time."""
        while time.monotonic() < until_s:
            gateway = self._rng.choice(self._gateways)
            async with grpc.aio.insecure_channel(gateway.target) as channel:
                await self.call(pb_grpc.GatewayServiceStub(channel))

    async def call(self, stub: "pb_grpc.GatewayServiceAsyncStub") -> str:
        """Make one call; return what came of it."""
        request = pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content=f"question {self._rng.random()}")]
        )
        began_s, response, said = time.monotonic(), None, ""
        try:
            async with asyncio.timeout(DEADLINE_S + 5.0):
                if self._rng.random() < 0.5:
                    response = await stub.Generate(request, timeout=DEADLINE_S)
                    said = response.text
                else:
                    stream = pb.StreamGenerateRequest.FromString(request.SerializeToString())
                    async for event in stub.StreamGenerate(stream, timeout=DEADLINE_S):
                        kind = event.WhichOneof("event")
                        said = "" if kind == "restart" else said + event.delta.text
                        response = event.completed if kind == "completed" else response
            outcome = self._check(response, said)
        except grpc.aio.AioRpcError as error:
            outcome = error.code().name
            await asyncio.sleep(0.05)
        except TimeoutError:
            outcome = "no end"
            self.wrong.append("a request without an end")
        taken_s = time.monotonic() - began_s
        if taken_s > DEADLINE_S + LATE_S:
            self.wrong.append(f"a call took {taken_s:.2f} s, its deadline was {DEADLINE_S} s")
        self.counts[outcome] += 1
        return outcome

    def _check(self, response: pb.GenerateResponse | None, said: str) -> str:
        if response is None:
            self.wrong.append("a stream ended well without `completed`")
            return "incomplete"
        if response.route == pb.ROUTE_CLOUD:
            is_whole = response.text.startswith(f"This is {response.model},") and response.text.endswith(".")
            if not is_whole or response.text.count("This is") != 1:
                self.wrong.append(f"{response.model}: a truncated answer looked complete")
        if response.route != pb.ROUTE_CANNED and said != response.text:
            self.wrong.append("what was streamed is not what was completed")
        return pb.Route.Name(response.route)


async def disturb(
    cloud: SimulatedCloud, gateways: list[Gateway], redis: RedisServer, rng: random.Random, until_s: float
) -> Counter[str]:
    """Do one harm after the other."""
    done: Counter[str] = Counter()
    while time.monotonic() < until_s:
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        harm = rng.choices(["fault", "gateway", "engine", "redis"], [20, 1, 2, 1])[0]
        done[harm] += 1
        if harm == "fault":
            cloud.add_fault(rng.choice(["strong", "backup"]), parse_fault(rng.choice(FAULTS)))
        elif harm == "engine":
            rng.choice(gateways).kill_engine()
        elif harm == "gateway":
            victim = rng.choice(gateways)
            await victim.kill()
            await victim.start()
        else:
            redis.kill()
            await asyncio.sleep(rng.uniform(0.0, 1.0))
            redis.start()
    cloud.clear_faults()
    return done


class LateClock(SystemClock):
    """Ten minutes on, when every deadline has passed."""

    def unix_s(self) -> float:
        """Seconds since 1970, and ten minutes."""
        return super().unix_s() + 600.0


async def run(seconds: float, seed: int) -> list[str]:
    """Return what is wrong after so many seconds of it."""
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        redis = stack.enter_context(running_redis())
        cloud = await stack.enter_async_context(SimulatedCloud(PRICES).serve())
        policy = folder / "policy.yaml"
        text = POLICY.format(base_url=cloud.base_url, route="[strong, backup, edge]", more="")
        policy.write_text(text.replace("budgets:", EDGE, 1).replace("limit_usd: 1,", "limit_usd: 1000,"))
        gateways = [Gateway(policy, redis.url) for _ in range(2)]
        for gateway in gateways:
            stack.push_async_callback(gateway.kill)
            await gateway.start()
        callers = Callers(gateways, rng)
        until_s = time.monotonic() + seconds
        calling = [asyncio.create_task(callers.run(until_s)) for _ in range(CALLERS)]
        harms = await disturb(cloud, gateways, redis, rng, until_s)
        await asyncio.gather(*calling)
        wrong = [*callers.wrong, *await calm(gateways, callers)]
        bill = cloud.bill().billed_usd_nanos
        ledger = open_ledger(redis.url, clock=LateClock())
        totals = await ledger.totals()
        await ledger.aclose()
    booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
    if totals.held_usd_nanos:
        wrong.append(f"{totals.held_usd_nanos} nano-dollars are held by nobody")
    if booked < bill:
        wrong.append(f"the ledger has {booked} nano-dollars, the bill is {bill}")
    print(f"calls: {dict(callers.counts)}\nharms: {dict(harms)}")
    print(f"bill {bill}, settled {totals.settled_usd_nanos}, unknown {totals.unknown_usd_nanos} nano-dollars")
    return wrong


async def calm(gateways: list[Gateway], callers: Callers) -> list[str]:
    """Return what is wrong when nobody harms any more: who does not answer, and whose memory grows."""
    wrong = []
    await asyncio.sleep(21.0)  # The longest time that a breaker stays open, so that every model is back.
    for gateway in gateways:
        async with grpc.aio.insecure_channel(gateway.target) as channel:
            stub = pb_grpc.GatewayServiceStub(channel)
            outcomes = Counter([await callers.call(stub) for _ in range(60)])
            before_kb = gateway.resident_kb()
            outcomes += Counter([await callers.call(stub) for _ in range(300)])
            after_kb = gateway.resident_kb()
        if set(outcomes) != {"ROUTE_CLOUD"}:
            wrong.append(f"in calm weather: {dict(outcomes)}")
        if after_kb > GROWTH * before_kb:
            wrong.append(f"memory grew from {before_kb} kB to {after_kb} kB in 300 calls")
    return wrong


def main() -> None:
    """Run, and say what is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    wrong = asyncio.run(run(arguments.seconds, arguments.seed))
    for what, count in Counter(wrong).items():
        print(f"WRONG ({count}): {what}")
    print("nothing is wrong" if not wrong else f"{len(wrong)} things are wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
