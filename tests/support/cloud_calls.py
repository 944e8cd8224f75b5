"""What tests of the cloud backend share: calls, backends, and a server that sends any bytes."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.backends.base import Call
from gateway.backends.openai.backend import CloudBackend
from gateway.clock import Clock, SystemClock
from gateway.domain.answer import Chunk, Reply
from gateway.policy.model import OpenAIModel


@contextlib.asynccontextmanager
async def backend_at(
    base_url: str | None,
    *,
    model: str = "sim",
    api_key: str | None = "key-1",
    clock: Clock | None = None,
    **spec: object,
) -> AsyncIterator[CloudBackend]:
    """Open a backend named `cloud` that is closed with the block."""
    url = {} if base_url is None else {"base_url": base_url}
    parsed = OpenAIModel.model_validate(
        {"kind": "openai", "model": model, "clearance": "public", **url, **spec}
    )
    backend = CloudBackend("cloud", parsed, api_key=api_key, clock=clock or SystemClock())
    try:
        yield backend
    finally:
        await backend.aclose()


Ask = Callable[[CloudBackend, Call], Awaitable[Reply]]
"""A way to ask a backend: whole or streamed."""


async def whole(backend: CloudBackend, call: Call) -> Reply:
    """Ask for a whole answer."""
    return await backend.generate(call)


async def streamed(backend: CloudBackend, call: Call) -> Reply:
    """Ask for a streamed answer and put it together."""
    chunks: list[Chunk] = [chunk async for chunk in backend.stream(call)]
    *pieces, last = chunks
    assert last.finish_reason is not None
    assert all(piece.finish_reason is None and piece.usage is None for piece in pieces)
    return Reply(
        text="".join(chunk.text for chunk in chunks), finish_reason=last.finish_reason, usage=last.usage
    )


class RawServer:
    """Answers every request with the same bytes, and keeps what it was sent."""

    def __init__(self, reply: bytes, *, then: str = "keep") -> None:
        self.reply = reply
        self._then = then
        self.base_url = ""
        self.connections = 0
        self.received: list[bytes] = []

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator["RawServer"]:
        """Listen while the block runs. `then` says what follows a reply: keep, close, reset, hang."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.writers: set[asyncio.StreamWriter] = set()
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.received.append(await _read_request(reader))
                writer.write(self.reply)
                await writer.drain()
                if self._then == "reset":
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if self._then in ("close", "reset"):
                    break
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


def http(status: int, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """Return an HTTP response as bytes."""
    lines = [
        f"HTTP/1.1 {status} Status",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def event_stream(*events: bytes) -> bytes:
    """Return an HTTP response that is a stream of server-sent events, whole."""
    return http(
        200, b"".join(b"data: " + event + b"\n\n" for event in events), content_type="text/event-stream"
    )
