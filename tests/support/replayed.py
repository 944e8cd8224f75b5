"""A server that says again what another one said, as far as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Replay:
    """Answers every request with the first bytes of a response, and closes the connection."""

    def __init__(self, response: bytes) -> None:
        self.response = response
        self.length = len(response)
        """How many bytes are sent."""
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on a free port in the block."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(self.response[: self.length])
        writer.close()
        await writer.wait_closed()
