"""How many of the requests that are let through finish, in simulation; and how soon the others are told.

    python -m benchmarks.deadlines [--json FILE]

Mixed deadlines in virtual time, with and without looking ahead: two hours against two providers whose speed
changes and has bad spells, and ten minutes against the engine's real scheduler at 1.5 times what it can do.
An engine is also asked for answers of very different lengths, with very different limits and deadlines:
"idle" are requests that found it with nothing to do, all of which are tried, "busy" are the others.
Then, over real gRPC and in real time: how long a request that no model can finish waits for its canned reply
or its error.
"""

import argparse
import asyncio
import json
import logging
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import structlog
from rich.console import Console
from rich.table import Table

from gateway.dispatch.latency import FEWEST
from gateway.testing.scripted import Delay, ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.deadline_cases import Simulated, simulate_engine, simulate_mixed, simulate_providers
from tests.support.served import served
from tests.support.virtual_time import VirtualLoop

SEEDS = (1, 2, 3)
RATES = (0.2, 1.0, 4.0)
"""Requests a second of all kinds; the engine answers about one."""
TOLD = 300
POLICY = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
rules: [{name: default, route: [edge]}]
resilience: {attempts: 1, stall_s: 1000, first_token_s: 1000}
replies: [{id: sorry, text: "Sorry."}]
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One simulation."""

    against: str
    looks_ahead: bool
    seed: int
    came: int
    let_through: int
    refused: int
    finished: int
    finished_of_let_through: float
    finished_of_admitted: float
    """Without those that the engine itself refused."""
    finished_of_came: float


def row(against: str, seed: int, *, looks_ahead: bool) -> Row:
    """Play one simulation."""
    play = simulate_engine if against == "engine" else simulate_providers
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        seen: Simulated = runner.run(play(looks_ahead=looks_ahead, seed=seed))
    return row_of(against, seed, seen, looks_ahead=looks_ahead)


def mixed_rows(per_s: float, seed: int) -> list[Row]:
    """Play the simulation of all kinds of requests at `per_s`, about 2,000 of them."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        idle, busy = runner.run(simulate_mixed(seed=seed, per_s=per_s, for_s=2_000 / per_s))
    return [
        row_of(f"engine, {per_s:g}/s, {state}", seed, seen, looks_ahead=True)
        for state, seen in (("idle", idle), ("busy", busy))
    ]


def row_of(against: str, seed: int, seen: Simulated, *, looks_ahead: bool) -> Row:
    """Return what came of the requests."""
    return Row(
        against=against,
        looks_ahead=looks_ahead,
        seed=seed,
        came=seen.came,
        let_through=seen.let_through,
        refused=seen.refused,
        finished=seen.finished,
        finished_of_let_through=round(seen.finished / seen.let_through, 4),
        finished_of_admitted=round(seen.finished / (seen.let_through - seen.refused), 4),
        finished_of_came=round(seen.finished / seen.came, 4),
    )


async def told_ms(*, allow_degraded: bool) -> list[float]:
    """Return how long each of many requests that nobody can finish took, in milliseconds, to the caller."""
    times = []
    edge = ScriptedBackend("edge", [Delay(1000.0)])
    async with served({"edge": edge}, policy=POLICY) as running:
        request = pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content="hello")],
            hints=pb.Hints(allow_degraded=allow_degraded),
        )
        # It is given one second, more often than it takes to know that it needs more.
        slow = (running.stub.Generate(request, timeout=1.0) for _ in range(2 * FEWEST))
        await asyncio.gather(*slow, return_exceptions=True)
        for _ in range(TOLD):
            began_s = time.perf_counter()
            try:
                answer = await running.stub.Generate(request, timeout=0.5)
                if not allow_degraded or answer.degraded.reason != pb.REASON_DEADLINE:
                    raise RuntimeError(f"not told in advance: {answer.degraded}")
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED or allow_degraded:
                    raise
            times.append((time.perf_counter() - began_s) * 1000)
        if len(edge.calls) != 2 * FEWEST:
            raise RuntimeError("a request that nobody can finish was sent to a model")
    return times


def main() -> None:
    """Print the tables, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", metavar="FILE", type=Path)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = [
        row(against, seed, looks_ahead=looks_ahead)
        for against in ("providers", "engine")
        for looks_ahead in (False, True)
        for seed in SEEDS
    ]
    rows += [each for per_s in RATES for seed in SEEDS for each in mixed_rows(per_s, seed)]
    table = Table(*(name.replace("_", " ") for name in asdict(rows[0])))
    for each in rows:
        table.add_row(*(str(value) for value in asdict(each).values()))
    console = Console(width=170)
    console.print(table)
    told = {}
    for kind, allow_degraded in (("canned", True), ("DEADLINE_EXCEEDED", False)):
        times = sorted(asyncio.run(told_ms(allow_degraded=allow_degraded)))
        told[kind] = {"p50_ms": statistics.median(times), "p99_ms": times[int(0.99 * len(times))]}
        console.print(
            f"{kind}, through gRPC: p50 {told[kind]['p50_ms']:.2f} ms, p99 {told[kind]['p99_ms']:.2f} ms"
        )
    if arguments.json:
        written = {"simulated": [asdict(each) for each in rows], "told": told}
        arguments.json.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
