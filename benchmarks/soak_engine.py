"""Hours of an engine's life in minutes: `python -m benchmarks.soak_engine [MINUTES]` (default 30).

Random requests, cancels, deadlines and clients that vanish, on the embedded model. Three times an engine
lives undisturbed for most of a third of the time, and what it holds in memory is looked at; then it is killed
under load again and again. At the end memory must not have grown, no cell and no slot may be lost, no answer
may have ended without a finish, and a greedy answer must be what it was at first; else the exit status is 1.
"""

import asyncio
import gc
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from gateway.clock import SystemClock
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel

CLIENTS = 12
LIVES = 3
KILLS_SHARE = 0.1
"""Which part of each third is for kills."""
WARM_SHARE = 0.1
"""Which part of a life is before the first look: the memory for the past fills, and the allocator's pools."""
GROWTH_MB = 48.0
"""What an engine may grow by from the first look of its life to the last."""
GROWTH_FDS = 16


@dataclass
class Record:
    """What happened."""

    ends: Counter[str] = field(default_factory=Counter)
    """Requests by how they ended."""
    kills: int = 0
    memory_mb: list[tuple[float, float, float]] = field(default_factory=list)
    """For each life: at its first look, in its middle, at its end."""
    problems: list[str] = field(default_factory=list)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def request(dice: random.Random) -> engine_pb2.GenerateRequest:
    """Return a random request."""
    text = " ".join(dice.choices(("why?", "a", "list", "words", "hello", "東京"), k=dice.randint(1, 400)))
    message = engine_pb2.GenerateRequest(
        request_id="soak", tenant=dice.choice("abc"), max_tokens=dice.randint(1, 200),
        temperature=dice.choice((0.0, 0.8)), messages=[engine_pb2.Message(role="user", content=text)],
    )  # fmt: skip
    kind = dice.random()
    if kind < 0.1:
        message.grammar = 'root ::= "[" [0-9]{1,3} ("," [0-9]{1,3})* "]"'
    elif kind < 0.15:
        message.grammar = "root ::= root"  # Refused.
    elif kind < 0.25:
        message.logprobs = 5
    elif kind < 0.35:
        message.stop.append("the")
    return message


async def client(target: str, dice: random.Random, end_s: float, record: Record) -> None:
    """Ask, cancel, run out of time and vanish, again and again."""
    while time.monotonic() < end_s:
        async with grpc.aio.insecure_channel(
            target, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            for _ in range(dice.randint(1, 20)):
                record.ends[await outcome(stub, dice, end_s, record)] += 1
            if dice.random() < 0.5:  # With a call open: its connection just ends.
                call = stub.Generate(request(dice))
                with suppress(grpc.aio.AioRpcError, StopAsyncIteration):
                    await anext(aiter(call))
                record.ends["vanished"] += 1


async def outcome(
    stub: "engine_pb2_grpc.EngineServiceAsyncStub", dice: random.Random, end_s: float, record: Record
) -> str:
    """Send one request; return how it ended."""
    call = stub.Generate(request(dice), timeout=dice.choice((0.02, 0.5, 30.0)))
    is_finished = False
    try:
        async for response in call:
            is_finished = response.HasField("finished")
            if dice.random() < 0.02:
                call.cancel()
    except asyncio.CancelledError:
        return "cancelled"
    except grpc.aio.AioRpcError as error:
        await asyncio.sleep(0.05)
        return error.code().name.lower()
    if not is_finished:
        record.problems.append("an answer ended well without a finish")
    return "answered"


async def greedy(target: str) -> str:
    """Return the answer that must never change."""
    async with grpc.aio.insecure_channel(target) as channel:
        asked = engine_pb2.GenerateRequest(
            request_id="g", tenant="g", max_tokens=60, temperature=0.0,
            messages=[engine_pb2.Message(role="user", content="Why?")],
        )  # fmt: skip
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return "".join([response.text async for response in stub.Generate(asked)])


async def settled(target: str) -> engine_pb2.GetStatusResponse:
    """Return the status of an engine that nobody asks any more, ten seconds later at most."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        status = await stub.GetStatus(engine_pb2.GetStatusRequest())
        for _ in range(100):
            await asyncio.sleep(0.1)
            if not (status.slots_busy or status.queued):
                break
            status = await stub.GetStatus(engine_pb2.GetStatusRequest())
        return status


async def serving(supervisor: EngineSupervisor, *, generation: int) -> None:
    """Return when an engine of this generation or later serves; TimeoutError after three minutes."""
    async with asyncio.timeout(180.0):
        while True:
            if supervisor.generation >= generation and supervisor.is_serving:
                return
            await asyncio.sleep(0.1)


def crowd(target: str, dice: random.Random, end_s: float, record: Record) -> "list[asyncio.Task[None]]":
    """Start the clients."""
    return [
        asyncio.create_task(client(target, random.Random(dice.random()), end_s, record))
        for _ in range(CLIENTS)
    ]


async def live(supervisor: EngineSupervisor, dice: random.Random, life_s: float, record: Record) -> None:
    """Load one engine for so long, and look at its memory."""
    pid = supervisor.pid or 0
    clients = crowd(supervisor.target, dice, time.monotonic() + life_s, record)
    await asyncio.sleep(WARM_SHARE * life_s)
    start_mb, start_fds = resident_mb(pid), open_files(pid)
    await asyncio.sleep((0.5 - WARM_SHARE) * life_s)
    middle_mb = resident_mb(pid)
    await asyncio.gather(*clients)
    gc.collect()  # A call that nobody ended keeps its connection, on our side, for as long as it is there.
    status = await settled(supervisor.target)
    end_mb, end_fds = resident_mb(pid), open_files(pid)
    record.memory_mb.append((start_mb, middle_mb, end_mb))
    if status.slots_busy or status.queued or status.kv_cells_used:
        record.problems.append(f"{status.slots_busy} slots and {status.kv_cells_used} cells are not free")
    if end_mb - start_mb > GROWTH_MB:
        record.problems.append(f"memory grew by {end_mb - start_mb:.1f} MB")
    if end_fds - start_fds > GROWTH_FDS:
        record.problems.append(f"open files grew from {start_fds} to {end_fds}")
    if pid != supervisor.pid:
        record.problems.append("an engine ended that nobody had killed")


async def kill(supervisor: EngineSupervisor, dice: random.Random, for_s: float, record: Record) -> None:
    """Kill engines in the middle of their work for so long, at least once."""
    end_s = time.monotonic() + for_s
    while True:
        clients = crowd(supervisor.target, dice, time.monotonic() + 2.0, record)
        await asyncio.sleep(dice.uniform(0.1, 2.0))
        generation = supervisor.generation
        os.kill(supervisor.pid or 0, dice.choice((signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV)))
        record.kills += 1
        await asyncio.gather(*clients)
        await serving(supervisor, generation=generation + 1)
        if time.monotonic() >= end_s:
            return


async def soak(minutes: float) -> Record:
    """Run for so long; return what happened, with what is wrong."""
    spec = LlamaCppModel(
        kind="llama_cpp",
        path="builtin:demo",
        clearance="restricted",
        slots=4,
        context=2048,
        prefix_cache_mb=16,
    )
    supervisor = EngineSupervisor("soak", spec, clock=SystemClock(), on_status=lambda *_: None)
    await supervisor.start()
    dice, record = random.Random(1), Record()
    first = await greedy(supervisor.target)
    own_mb = []
    for _ in range(LIVES):
        third_s = 60.0 * minutes / LIVES
        await live(supervisor, dice, (1.0 - KILLS_SHARE) * third_s, record)
        own_mb.append(resident_mb(os.getpid()))
        sys.stdout.write(f"{dict(record.ends)} {record.memory_mb[-1]}\n")
        sys.stdout.flush()
        await kill(supervisor, dice, KILLS_SHARE * third_s, record)
        if await greedy(supervisor.target) != first:
            record.problems.append("the greedy answer changed")
    if own_mb[-1] - own_mb[0] > GROWTH_MB:
        record.problems.append(f"the owner of the engine grew from {own_mb[0]:.0f} to {own_mb[-1]:.0f} MB")
    await supervisor.stop()
    return record


def main() -> int:
    """Run, and print what happened."""
    record = asyncio.run(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
    found = {
        "requests": sum(record.ends.values()),
        "ends": dict(sorted(record.ends.items())),
        "kills": record.kills,
        "memory_mb_start_middle_end": [[round(mb, 1) for mb in life] for life in record.memory_mb],
        "problems": sorted(set(record.problems)),
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return bool(record.problems)


if __name__ == "__main__":
    sys.exit(main())
