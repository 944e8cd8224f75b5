"""Answers of the simulated provider as bytes, and a server that sends the beginning of one."""

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from gateway.simulate.dialects.dialect import Dialect
from gateway.simulate.server import SimulatedCloud

HEADERS = "x-api-key: key-1\r\nanthropic-version: 2023-06-01\r\n"
"""What a simulated Anthropic wants; others pass over it."""


async def recorded(dialect: Dialect, path: str, body: Mapping[str, object]) -> bytes:
    """Return a real answer, byte for byte, headers included."""
    raw_body = json.dumps(body).encode()
    async with SimulatedCloud(dialect=dialect).serve() as cloud:
        url = urlsplit(cloud.base_url + path)
        reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
        head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{HEADERS}"
        writer.write(f"{head}Content-Length: {len(raw_body)}\r\n\r\n".encode() + raw_body)
        raw = await reader.read()
        writer.close()
    return raw


def until_close(raw: bytes) -> bytes:
    """Return an answer whose end is told by that of the connection alone."""
    headers, _, content = raw.partition(b"\r\n\r\n")
    is_chunked = re.search(rb"transfer-enc", headers, re.I) is not None
    kept = [
        line for line in headers.split(b"\r\n") if not re.match(rb"content-length|transfer-enc", line, re.I)
    ]
    return b"\r\n".join(kept) + b"\r\n\r\n" + (_unchunked(content) if is_chunked else content)


def _unchunked(content: bytes) -> bytes:
    whole = b""
    while content:
        size, _, rest = content.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        content = rest[int(size, 16) + 2 :]
    return whole


class CutServer:
    """Answers with the first `size` bytes of a recording, then ends the connection."""

    def __init__(self, recording: bytes) -> None:
        self._recording = recording
        self.size = 0
        self.is_reset = False
        self.base_url = ""

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator["CutServer"]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        writer.write(self._recording[: self.size])
        if self.is_reset:
            await writer.drain()
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
