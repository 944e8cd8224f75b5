"""A provider that streams what a test says, and one call of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.domain.answer import Reply, Usage
from gateway.errors import BackendError
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, backend_at
from tests.support.provider_bytes import counted, line, plain, said


@asynccontextmanager
async def writing(*parts: bytes, pause_s: float = 0.0, repeats: int = 1) -> AsyncIterator[str]:
    """Run a provider that streams these parts, the last one `repeats` times, and leaves the stream open."""

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for part in [*parts, *parts[-1:] * (repeats - 1)]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await asyncio.wait([task for task in serving if task])  # The client has gone, which ends them.


async def outcome(
    ask: Ask, base_url: str, *, model: str = "sim", timeout_s: float = 30.0, max_tokens: int = 100
) -> Reply | BackendError:
    """Ask once, and return the answer or the error."""
    async with backend_at(base_url, model=model) as backend:
        try:
            return await ask(backend, call_of(timeout_s=timeout_s, max_tokens=max_tokens))
        except BackendError as error:
            return error


ANSWER = b"".join(map(line, plain(["one ", "two"])[:-1]))


COUNTS = line(counted(prompt_tokens=11, completion_tokens=5))


USAGE = Usage(prompt_tokens=11, completion_tokens=5)


EVERY = b"".join(line(said(text, "stop")) for text in ("one ", "two"))
