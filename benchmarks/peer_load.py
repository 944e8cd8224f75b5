"""Callers that cost little: kept connections over HTTP/1.1 and gRPC, in a closed loop or at a rate."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles

import grpc

from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc

PATIENCE_S = 120.0
SETTLE_S = 0.1
"""After a turn: what a server does once its caller has the answer counts, too."""
MOST_CONNECTIONS = 256
"""Of an open loop; a server that is slower than its callers is not asked by more."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"

Caller = Callable[[], Awaitable[None]]
"""Makes one call."""
Opener = Callable[[], AbstractAsyncContextManager[Caller]]
"""Opens a connection."""


class CallBroke(Exception):
    """A call had no whole answer."""


class HttpConnection(asyncio.Protocol):
    """A kept connection that sends the same request again and again."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._is_stream = b'"stream": true' in request
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] | None = None
        self.has_begun = asyncio.Event()
        """Whether anything came of an answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Tell a call that waits."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(CallBroke("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        self.has_begun.set()
        if self._answered is None or self._answered.done() or not self._is_whole():
            return
        is_right = self._received.startswith(b"HTTP/1.1 200 ") and (
            not self._is_stream or b"[DONE]" in self._received[-80:]
        )
        if is_right:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(CallBroke(self._received[:500].decode(errors="replace")))

    def _is_whole(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _LENGTH.search(self._received, 0, end)
        if length is None:
            return self._received.endswith(_LAST_CHUNK)
        return len(self._received) >= end + 4 + int(length[1])

    def send(self) -> asyncio.Future[None]:
        """Send the request; the future is done with the whole answer."""
        assert self._transport is not None
        if self._transport.is_closing():
            raise CallBroke("the connection is closed")
        self._received.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return self._answered

    async def call(self) -> None:
        """Make one call."""
        async with asyncio.timeout(PATIENCE_S):
            await self.send()

    def close(self) -> None:
        """Close it."""
        assert self._transport is not None
        self._transport.abort()


async def connected(address: str, request: bytes) -> HttpConnection:
    """Open a connection to HOST:PORT."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: HttpConnection(request), host, int(port))
    return connection


@asynccontextmanager
async def http_caller(address: str, request: bytes) -> AsyncIterator[Caller]:
    """Give calls over one connection of HTTP/1.1."""
    connection = await connected(address, request)
    try:
        yield connection.call
    finally:
        connection.close()


@asynccontextmanager
async def grpc_caller(target: str, *, text: str, model: str, is_stream: bool) -> AsyncIterator[Caller]:
    """Give calls over one channel of gRPC with a connection of its own."""
    messages = [pb.Message(role=pb.ROLE_USER, content=text)]
    unary = pb.GenerateRequest(messages=messages, model=model)
    stream = pb.StreamGenerateRequest(messages=messages, model=model)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = pb_grpc.GatewayServiceStub(channel)

        async def call() -> None:
            try:
                if not is_stream:
                    await stub.Generate(unary, timeout=PATIENCE_S)
                    return
                *_, last = [event async for event in stub.StreamGenerate(stream, timeout=PATIENCE_S)]
            except grpc.aio.AioRpcError as error:
                raise CallBroke(str(error.details())) from None
            if not last.HasField("completed"):
                raise CallBroke("a stream ended without `completed`")

        yield call


@dataclass(frozen=True)
class Turn:
    """What one server did in its turn."""

    cpu_ms: float
    """A call, of all its processes."""
    p50_ms: float
    p99_ms: float
    per_s: float
    failed: int
    """Calls without a whole answer; a connection that fails is not used again."""


def middle_and_late(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


async def closed_loop(
    opener: Opener, *, connections: int, seconds: float, cpu_s: Callable[[], float]
) -> Turn:
    """Have each connection call as soon as it has an answer, for so long; the first calls do not count."""
    times: list[float] = []
    failed = 0
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(opener()) for _ in range(connections)]
        await asyncio.gather(*(call() for call in callers))
        before_s, began_s = cpu_s(), time.perf_counter()

        async def repeat(call: Caller) -> None:
            nonlocal failed
            while (at_s := time.perf_counter()) < began_s + seconds:
                try:
                    await call()
                except (CallBroke, TimeoutError):
                    failed += 1
                    return
                times.append(time.perf_counter() - at_s)

        await asyncio.gather(*map(repeat, callers))
        took_s = time.perf_counter() - began_s
        await asyncio.sleep(SETTLE_S)
        used_s = cpu_s() - before_s
    if len(times) < 2:
        raise CallBroke(f"{failed} of {connections} connections failed")
    middle, late = middle_and_late(times)
    return Turn(used_s / len(times) * 1000, middle, late, len(times) / took_s, failed)


async def open_loop(opener: Opener, *, per_s: int, seconds: float) -> list[float]:
    """Call at a rate, whatever the answers do; return the seconds from when each call was due."""
    times: list[float] = []
    free: asyncio.Queue[Caller] = asyncio.Queue()
    opened = 0
    async with AsyncExitStack() as stack:

        async def call(due_s: float) -> None:
            nonlocal opened
            if free.empty() and opened < MOST_CONNECTIONS:
                opened += 1
                free.put_nowait(await stack.enter_async_context(opener()))
            caller = await free.get()
            await caller()
            times.append(time.perf_counter() - due_s)
            free.put_nowait(caller)

        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            for number in range(round(per_s * seconds)):
                due_s = began_s + number / per_s
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                calls.create_task(call(due_s))
    return times


@asynccontextmanager
async def open_streams(address: str, request: bytes, count: int) -> AsyncIterator[None]:
    """Have so many streams open, each begun and none at its end; CallBroke where that does not hold."""
    connections: list[HttpConnection] = []
    answers: list[asyncio.Future[None]] = []
    try:
        for _ in range(count):
            connections.append(await connected(address, request))
        answers += [connection.send() for connection in connections]
        begun = asyncio.gather(*(connection.has_begun.wait() for connection in connections))
        await asyncio.wait_for(begun, PATIENCE_S)
        if any(answer.done() for answer in answers):
            raise CallBroke("a stream had ended before all had begun")
        yield
    finally:
        for answer in answers:
            answer.cancel()
        for connection in connections:
            connection.close()
