"""What a call costs the gateway over gRPC and over HTTP: CPU of its whole process, side by side.

    python -m benchmarks.hot_path_transports [--rounds 25] [--calls 80] [--json FILE]

The gateway runs in a process of its own with models that answer from memory: unary calls, and streams of 20
pieces that come together or 1 ms apart. The callers are in this process and do not count. Both transports
take short turns in every round, since machines are shared and noisy: quote the ratio.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import grpc
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hot_path import MESSAGE, TEXT, report_cpu
from benchmarks.hot_path_layers import Instant
from gateway.backends.base import Call
from gateway.domain.address import Address
from gateway.domain.answer import Chunk
from gateway.telemetry.logs import configure_logs
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.policies import POLICY
from tests.support.served import served

AT_ONCE = 16
"""Calls in flight."""
PAUSE_S = 0.001
"""Between pieces that come one by one."""
SLOWLY = "slowly"
"""In the text of a request whose pieces are to come one by one."""
GRPC, HTTP = "gRPC", "HTTP"
UNARY, TOGETHER, ONE_BY_ONE = "unary", "stream of 20, together", "stream of 20, one by one"
KINDS = (UNARY, TOGETHER, ONE_BY_ONE)

Caller = Callable[[str], Awaitable[None]]
"""Makes one call of a kind."""


class Paced(Instant):
    """A model that answers immediately, or piece by piece where the request says slowly."""

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the same pieces each time."""
        is_slow = SLOWLY in call.request.messages[-1].text
        async for chunk in super().stream(call):
            if is_slow:
                await asyncio.sleep(PAUSE_S)
            yield chunk


async def _serve(pipe: Connection, profiled: bool) -> None:
    backends = {name: Paced(name) for name in ("edge", "cloud")}
    with open("/dev/null", "w", encoding="utf-8") as sink:  # noqa: ASYNC230  Opened once, before any call.
        configure_logs("json", stream=sink)
        async with served(backends, policy=POLICY, http=Address("127.0.0.1", 0)) as gateway:
            pipe.send((gateway.server.target, gateway.http_url))
            profiler = cProfile.Profile(time.thread_time)
            if profiled:
                profiler.enable()
            await report_cpu(pipe)
            profiler.disable()
            if profiled:
                pstats.Stats(profiler).sort_stats("tottime").print_stats(60)


def _run(pipe: Connection, profiled: bool) -> None:
    asyncio.run(_serve(pipe, profiled))


class GatewayProcess:
    """A gateway with both transports in a process of its own."""

    def __init__(self, *, profiled: bool = False) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_run, args=(other, profiled))
        self._process.start()
        self.target: str
        self.url: str
        self.target, self.url = self._pipe.recv()

    async def microseconds(self, call: Caller, kind: str, *, calls: int) -> float:
        """Return its CPU time for one call, with AT_ONCE callers."""

        async def caller(count: int) -> None:
            for _ in range(count):
                await call(kind)

        each = calls // AT_ONCE
        await asyncio.gather(*(caller(1) for _ in range(AT_ONCE)))
        before_s = self._cpu_s()
        await asyncio.gather(*(caller(each) for _ in range(AT_ONCE)))
        return (self._cpu_s() - before_s) / (each * AT_ONCE) * 1e6

    def _cpu_s(self) -> float:
        self._pipe.send("cpu")
        used: float = self._pipe.recv()
        return used

    def stop(self) -> None:
        """End the process."""
        self._pipe.send("stop")
        self._process.join()


def _text(kind: str) -> str:
    return f"{TEXT} {SLOWLY}" if kind == ONE_BY_ONE else TEXT


async def _over_grpc(stub: "pb_grpc.GatewayServiceAsyncStub", kind: str) -> None:
    if kind == UNARY:
        await stub.Generate(MESSAGE)
        return
    request = pb.StreamGenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=_text(kind))])
    events = [event async for event in stub.StreamGenerate(request)]
    assert events[-1].HasField("completed")


async def _over_http(session: aiohttp.ClientSession, kind: str) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": _text(kind)}], "stream": kind != UNARY}
    async with session.post("/v1/chat/completions", json=body) as response:
        data = await response.read()
    assert response.status == 200
    assert kind == UNARY or data.endswith(b"[DONE]\n\n")


@asynccontextmanager
async def callers(gateway: GatewayProcess) -> AsyncIterator[dict[str, Caller]]:
    """Give a caller of each transport; connections are kept."""
    async with (
        grpc.aio.insecure_channel(gateway.target) as channel,
        aiohttp.ClientSession(gateway.url) as session,
    ):
        yield {
            GRPC: partial(_over_grpc, pb_grpc.GatewayServiceStub(channel)),
            HTTP: partial(_over_http, session),
        }


Measured = dict[str, dict[str, list[float]]]
"""By kind of call, then by transport: microseconds, a value a round."""


async def measure(*, rounds: int, calls: int) -> Measured:
    """Return what each kind of call costs over each transport."""
    measured: Measured = {kind: {GRPC: [], HTTP: []} for kind in KINDS}
    gateway = GatewayProcess()
    try:
        async with callers(gateway) as found:
            for _ in range(rounds):
                for kind, taken in measured.items():
                    for transport, call in found.items():
                        taken[transport].append(await gateway.microseconds(call, kind, calls=calls))
    finally:
        gateway.stop()
    return measured


async def profile(transport: str, kind: str, *, calls: int) -> None:
    """Let the gateway print where the time of its event loop goes."""
    gateway = GatewayProcess(profiled=True)
    try:
        async with callers(gateway) as found:
            await gateway.microseconds(found[transport], kind, calls=calls)
    finally:
        gateway.stop()


def ratios(taken: dict[str, list[float]]) -> list[float]:
    """Return HTTP by gRPC, a value a round."""
    return [http / rpc for http, rpc in zip(taken[HTTP], taken[GRPC], strict=True)]


def main() -> None:
    """Measure, print a table, and write JSON where that was asked for."""
    parser = argparse.ArgumentParser(description="CPU per call of the gateway, over gRPC and over HTTP.")
    parser.add_argument("--rounds", type=int, default=25, help="how often each transport takes its turn")
    parser.add_argument("--calls", type=int, default=80, help="calls in a turn")
    parser.add_argument("--profile", choices=(GRPC, HTTP), help="print where the time of a transport goes")
    parser.add_argument("--kind", choices=KINDS, default=TOGETHER, help="what calls to profile")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    arguments = parser.parse_args()
    if arguments.profile:
        asyncio.run(profile(arguments.profile, arguments.kind, calls=arguments.calls))
        return
    measured = asyncio.run(measure(rounds=arguments.rounds, calls=arguments.calls))
    table = Table(title="Microseconds of CPU of the gateway, medians of rounds", title_justify="left")
    for heading in ("", GRPC, HTTP, "HTTP / gRPC", "of the least"):
        table.add_column(heading, justify="left" if not heading else "right")
    for kind, taken in measured.items():
        medians = (f"{statistics.median(taken[transport]):.0f}" for transport in (GRPC, HTTP))
        least = min(taken[HTTP]) / min(taken[GRPC])
        table.add_row(kind, *medians, f"{statistics.median(ratios(taken)):.2f}", f"{least:.2f}")
    Console().print(table)
    if arguments.json:
        found = {kind: statistics.median(ratios(taken)) for kind, taken in measured.items()}
        arguments.json.write_text(json.dumps({"microseconds": measured, "ratios": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
