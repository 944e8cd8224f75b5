"""Hours of an engine's life in minutes: `python tests/soak_engine.py [MINUTES]` (default 30).

Random requests, cancels and deadlines on the embedded model, and now and then a kill -9. At the end memory
must not have grown, no cell may be lost, and a greedy answer must be what it was; else it ends with status 1.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import grpc
import grpc.aio

from gateway.clock import SystemClock
from gateway.engine.supervisor import EngineSupervisor
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.policy.model import LlamaCppModel

CLIENTS = 12
GROWTH_MB = 48.0
"""What an engine may grow by after its first minute: the memory for the past is full by then."""


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def request(dice: random.Random) -> engine_pb2.GenerateRequest:
    """Return a random request."""
    text = " ".join(dice.choices(("why?", "a", "list", "words", "hello", "東京"), k=dice.randint(1, 400)))
    return engine_pb2.GenerateRequest(
        request_id="soak", tenant=dice.choice("abc"), max_tokens=dice.randint(1, 200),
        temperature=dice.choice((0.0, 0.8)), messages=[engine_pb2.Message(role="user", content=text)],
    )  # fmt: skip


async def client(target: str, dice: random.Random, end_s: float, tally: dict[str, int]) -> None:
    """Ask, cancel, run out of time, again and again."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        while time.monotonic() < end_s:
            call = stub.Generate(request(dice), timeout=dice.choice((0.02, 0.5, 30.0)))
            try:
                async for _ in call:
                    if dice.random() < 0.02:
                        call.cancel()
                outcome = "answered"
            except asyncio.CancelledError:
                outcome = "cancelled"
            except grpc.aio.AioRpcError as error:
                outcome = error.code().name
                await asyncio.sleep(0.05)
            tally[outcome] = tally.get(outcome, 0) + 1


async def greedy(target: str) -> str:
    """Return the answer that must never change."""
    async with grpc.aio.insecure_channel(target) as channel:
        asked = engine_pb2.GenerateRequest(
            request_id="g", tenant="g", max_tokens=60, temperature=0.0,
            messages=[engine_pb2.Message(role="user", content="Why?")],
        )  # fmt: skip
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return "".join([response.text async for response in stub.Generate(asked)])


async def serving(supervisor: EngineSupervisor, *, generation: int) -> None:
    """Return when the next engine serves; TimeoutError after a minute and a half."""
    async with asyncio.timeout(90.0):
        while True:
            if supervisor.generation >= generation and supervisor.is_serving:
                return
            await asyncio.sleep(0.1)


async def soak(minutes: float) -> list[str]:
    """Run for so long; return what is wrong at the end."""
    spec = LlamaCppModel(
        kind="llama_cpp", path="builtin:demo", clearance="restricted", slots=4, context=2048, kept_mb=16
    )
    supervisor = EngineSupervisor("soak", spec, clock=SystemClock(), on_status=lambda *_: None)
    await supervisor.start()
    dice, tally, growth = random.Random(1), dict[str, int](), list[float]()
    first = await greedy(supervisor.target)
    end_s = time.monotonic() + 60.0 * minutes
    while time.monotonic() < end_s:
        part_s = min(end_s, time.monotonic() + 60.0 * max(1.0, minutes / 3))
        clients = [
            asyncio.create_task(client(supervisor.target, random.Random(dice.random()), part_s, tally))
            for _ in range(CLIENTS)
        ]
        await asyncio.sleep((part_s - time.monotonic()) / 3)
        early_mb = resident_mb(supervisor.pid or 0)
        await asyncio.gather(*clients)
        growth.append(resident_mb(supervisor.pid or 0) - early_mb)
        sys.stdout.write(f"{tally} grown by {growth[-1]:.1f} MB\n")
        os.kill(supervisor.pid or 0, signal.SIGKILL)
        await serving(supervisor, generation=supervisor.generation + 1)
    async with grpc.aio.insecure_channel(supervisor.target) as channel:
        status = await engine_pb2_grpc.EngineServiceStub(channel).GetStatus(engine_pb2.GetStatusRequest())
    problems = []
    if await greedy(supervisor.target) != first:
        problems.append("the greedy answer changed")
    if status.slots_busy or status.kv_cells_used:
        problems.append(f"{status.slots_busy} slots and {status.kv_cells_used} cells are not free")
    if max(growth) > GROWTH_MB:
        problems.append(f"memory grew by {max(growth):.1f} MB")
    await supervisor.stop()
    return problems


if __name__ == "__main__":
    found = asyncio.run(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
    sys.stdout.write("\n".join(found or ["all is well"]) + "\n")
    sys.exit(bool(found))
