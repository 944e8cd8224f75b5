"""A client of HTTP that says and shows every byte."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.domain.address import Address

PATIENCE_S = 60.0
LAST_CHUNK = b"0\r\n\r\n"
"""What ends a body that is sent in chunks."""
CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class RawReply:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The value of the body."""
        return json.loads(self.body)

    @property
    def is_whole(self) -> bool:
        """Whether a body in chunks has its end."""
        return self.body.endswith(LAST_CHUNK)

    @property
    def text(self) -> bytes:
        """What the chunks of the body hold, as far as they came."""
        found, rest = b"", self.body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            found, rest = found + rest[:length], rest[length + 2 :]
        return found

    @property
    def events(self) -> list[Any]:
        """The JSON values of the events of a stream."""
        lines = self.text.split(b"\n")
        return [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: {")]


def said(text: str = "hello", **members: object) -> bytes:
    """Return the body of a request for a chat completion."""
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **members}).encode()


def request_bytes(
    path: str, body: bytes | None, *, method: str = "POST", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request, its length told unless the headers say how it is sent."""
    named = {"host": "gateway", "connection": "close", **(headers or {})}
    if body is not None and "transfer-encoding" not in named:
        named.setdefault("content-length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


@asynccontextmanager
async def connected(
    address: Address, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect."""
    if address.path is not None:
        reader, writer = await asyncio.open_unix_connection(address.path)
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def recorded_response(connection: Connection, path: str, body: bytes) -> bytes:
    """Send one request and return every byte of its response."""
    reader, writer = connection
    writer.write(request_bytes(path, body))
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection is closed, however that is; TimeoutError where it stays open."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                data += piece
    return data


async def sent(address: Address, data: bytes) -> list[RawReply]:
    """Send bytes and return every response until the connection is closed."""
    async with connected(address) as (reader, writer):
        writer.write(data)
        come = await rest_of(reader)
    parts = re.split(rb"HTTP/1\.[01] (?=[1-5])", come)[1:]
    return [_reply(part) for part in parts]


def _reply(part: bytes) -> RawReply:
    head, _, body = part.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return RawReply(int(status[:3]), dict(line.lower().split(": ", 1) for line in lines), body)


async def answered(reader: asyncio.StreamReader) -> RawReply:
    """Return what comes until the connection is closed; TimeoutError where it stays open."""
    async with asyncio.timeout(PATIENCE_S):
        data = await reader.read()
    return _reply(data.removeprefix(b"HTTP/1.1 ").removeprefix(b"HTTP/1.0 "))


async def exchanged(
    address: Address,
    path: str = CHAT,
    body: bytes | None = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> RawReply:
    """Send one request and return the response."""
    async with connected(address) as (reader, writer):
        writer.write(request_bytes(path, body, method=method, headers=headers))
        return await answered(reader)


def socket_of(path: Path) -> Address:
    """Return the address of a unix socket."""
    return Address("", 0, path)
