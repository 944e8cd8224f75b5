"""What chaos plays with: gateways that can be killed in part, and callers who notice what must not be."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import grpc

from gateway.client.admin import AdminClient
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.ports import free_address

DEADLINE_S = 5.0
LATE_S = 0.5
"""What a call may take beyond its deadline on a machine that is busy with everything else here."""
TICK_S = 0.1
"""How often it is looked whether this process was stopped, or had no time, for a while."""
HOME = "home"
"""The label of calls that only the edge may answer."""


class Gateway:
    """`gateway serve` in a process group of its own, started again when it was killed."""

    def __init__(
        self,
        name: str,
        *,
        policy: Path,
        state: str,
        environ: Mapping[str, str],
        workers: int = 1,
        flags: Sequence[str] = (),
    ) -> None:
        self.target = free_address()
        self.name = name
        self.workers = workers
        self._admin = f"unix:{policy.parent / f'{name}.sock'}"
        self._log = policy.parent / f"{name}.log"
        self._environ = environ
        self._arguments = (
            *("--policy", str(policy), "--listen", self.target, "--state", state, "--admin", self._admin),
            *("--workers", str(workers), "--log-format", "json"),
            *flags,
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until its engine has loaded: one that dies before that ends the start."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", *self._arguments),
                env={**os.environ, **self._environ},
                stderr=log,
            )
        await self.until_serving("", patience_s=60.0)

    async def until_serving(self, service: str, *, patience_s: float) -> None:
        """Return when its health says SERVING of a service; TimeoutError if it does not."""
        async with asyncio.timeout(patience_s), GatewayClient(self.target) as client:
            while True:
                with suppress(CallFailed):
                    if await client.health(service) == "SERVING":
                        return
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it at once; engines and workers notice."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def drain(self) -> int:
        """Ask it to end as an upgrade would; return its exit status when it has."""
        assert self._process is not None
        self._process.terminate()
        return await self._process.wait()

    def read_policy(self) -> None:
        """Ask it to read its policy again."""
        os.kill(self._pid, signal.SIGHUP)

    async def mourned(self) -> str:
        """Start it again if it ended by itself; return what it said last, or nothing if it runs."""
        if self._process is None or self._process.returncode is None:
            return ""
        last = [line for line in self._log.read_text().splitlines() if '"event": "request"' not in line][-4:]
        status = self._process.returncode
        await self.start()
        return f"{self.name} ended by itself with status {status}: {' '.join(last)}"

    def kill_engine(self) -> None:
        """End its engine at once."""
        self._kill_child(is_engine=True)

    def kill_worker(self) -> None:
        """End one of its workers at once."""
        self._kill_child(is_engine=False)

    def resident_kb(self) -> int:
        """Return its memory."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def open_files(self) -> int:
        """Return how many file descriptors it has."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    def defects(self) -> list[str]:
        """Return what its log says of each defect of the gateway: the error, and the places it came from."""
        lines = (line for line in self._log.read_text().splitlines() if '"event": "defect"' in line)
        return [f"{said['error']} at {', '.join(said['places'])}" for said in map(json.loads, lines)]

    async def idle_problems(self) -> list[str]:
        """Return what is still busy when nobody calls: calls, slots, queues; and who does not answer."""
        async with AdminClient(self._admin) as admin:
            status = await admin.status(timeout_s=10.0)
        wrong = []
        if len(status.workers) != self.workers:
            wrong.append(f"{self.name}: {len(status.workers)} of {self.workers} workers answer")
        wrong += [
            f"{self.name}: {each.in_flight} calls are in flight" for each in status.workers if each.in_flight
        ]
        for engine in status.engines:
            if not engine.HasField("status"):
                wrong.append(f"{self.name}: its engine does not answer")
            elif engine.status.slots_busy or engine.status.queued:
                busy, queued = engine.status.slots_busy, engine.status.queued
                wrong.append(f"{self.name}: {busy} slots are busy and {queued} requests wait, of nobody")
        return wrong

    @property
    def _pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def _kill_child(self, *, is_engine: bool) -> None:
        """Kill its first child that is an engine, or one that is none: a worker."""
        with suppress(FileNotFoundError, ProcessLookupError):  # It, or a child, ended in this moment.
            for child in Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                if command and (b"gateway.engine" in command) is is_engine:
                    os.kill(int(child), signal.SIGKILL)
                    return


class Callers:
    """Asks gateways, one call after the other, and remembers what must not be."""

    def __init__(self, gateways: list[Gateway], rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.tickets: set[str] = set()
        self._gateways = gateways
        self._rng = rng
        self._lost_s = 0.0
        """When this process itself did not run, nobody can be late."""

    async def notice_stops(self) -> None:
        """Count the time that this process was stopped, for as long as it is awaited."""
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            self._lost_s += max(0.0, time.monotonic() - began_s - 2 * TICK_S)

    async def run(self, until_s: float) -> None:
        """Call until it is time; a tenth of the callers leave in the middle."""
        while time.monotonic() < until_s:
            gateway = self._rng.choice(self._gateways)
            async with grpc.aio.insecure_channel(gateway.target) as channel:
                stub = pb_grpc.GatewayServiceStub(channel)
                labels = {HOME: "yes"} if self._rng.random() < 0.15 else {}
                call = asyncio.ensure_future(self.call(stub, labels))
                if self._rng.random() < 0.1:
                    asyncio.get_running_loop().call_later(self._rng.uniform(0.0, 0.3), call.cancel)
                try:
                    await call
                except asyncio.CancelledError:
                    self.counts["the caller left"] += 1

    async def call(
        self, stub: "pb_grpc.GatewayServiceAsyncStub", labels: Mapping[str, str] | None = None
    ) -> str:
        """Make one call; return what came of it."""
        request = pb.GenerateRequest(
            messages=[pb.Message(role=pb.ROLE_USER, content=f"question {self._rng.random()}")], labels=labels
        )
        began_s, lost_s, response, said = time.monotonic(), self._lost_s, None, None
        try:
            async with asyncio.timeout(DEADLINE_S + 5.0):
                if self._rng.random() < 0.5:
                    response = await stub.Generate(request, timeout=DEADLINE_S)
                else:
                    said = ""
                    stream = pb.StreamGenerateRequest.FromString(request.SerializeToString())
                    async for event in stub.StreamGenerate(stream, timeout=DEADLINE_S):
                        kind = event.WhichOneof("event")
                        said = "" if kind == "restart" else said + event.delta.text
                        response = event.completed if kind == "completed" else response
            outcome = self._check(response, said)
        except grpc.aio.AioRpcError as error:
            outcome = error.code().name
            if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                self.wrong.append(f"status {outcome}: a defect of the gateway")
            await asyncio.sleep(0.3)
        except TimeoutError:
            await asyncio.sleep(2 * TICK_S)
            outcome = "stopped"
            if self._lost_s == lost_s:
                outcome = "no end"
                self.wrong.append("a request without an end")
        taken_s = time.monotonic() - began_s - (self._lost_s - lost_s)
        if taken_s > DEADLINE_S + LATE_S:
            self.wrong.append(f"a call took {taken_s:.1f} s, its deadline was {DEADLINE_S} s")
        self.counts[outcome] += 1
        return outcome

    def _check(self, response: pb.GenerateResponse | None, said: str | None) -> str:
        """Return the route of a response; `said` is what was streamed of it, None for a whole one."""
        if response is None:
            self.wrong.append("a stream ended well without `completed`")
            return "incomplete"
        if response.route == pb.ROUTE_CLOUD:
            is_whole = response.text.startswith(f"This is {response.model},") and response.text.endswith(".")
            if not is_whole or response.text.count("This is") != 1:
                self.wrong.append(f"{response.model}: a truncated answer looked complete")
        if response.route == pb.ROUTE_CANNED:
            if response.degraded.ticket_id:
                self.tickets.add(response.degraded.ticket_id)
        elif not response.finish_reason or not response.text:
            self.wrong.append(f"{response.model}: an answer without an end, or without text")
        elif said is not None and said != response.text:
            self.wrong.append("what was streamed is not what was completed")
        return pb.Route.Name(response.route)
