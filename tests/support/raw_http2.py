"""An HTTP/2 client that sends the frames that a test wants, at the pace that it wants."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4


@dataclass(frozen=True)
class Frame:
    """What came: its type, flags and payload."""

    kind: int
    flags: int
    payload: bytes


class RawConnection:
    """One connection, and every frame that came on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames: list[Frame] = []
        self.is_closed = False
        """Whether the server has closed it."""
        self._reader = reader
        self._writer = writer

    def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        """Send a frame."""
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        self._writer.write(head + payload)

    def call(self, path: str, message: bytes) -> None:
        """Begin a call of gRPC on stream 1."""
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
        headers |= {"te": "trailers", "content-type": "application/grpc"}
        block = b"".join(_literal(name, value) for name, value in headers.items())
        self.send(HEADERS, block, flags=END_HEADERS, stream=1)
        self.send(DATA, b"\0" + struct.pack(">I", len(message)) + message, flags=END_STREAM, stream=1)

    def came(self, kind: int, flags: int = 0) -> list[Frame]:
        """Return the frames of a type that came with all of these flags."""
        return [frame for frame in self.frames if frame.kind == kind and frame.flags & flags == flags]

    async def read(self) -> None:
        """Take every frame down, and acknowledge settings, until the server closes the connection."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                self.frames.append(Frame(head[3], head[4], payload))
                if head[3] == SETTINGS and not head[4] & ACK:
                    self.send(SETTINGS, flags=ACK)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_closed = True


def _literal(name: str, value: str) -> bytes:
    """Return a header that is in no table, as HPACK has it."""
    return b"\0" + b"".join(bytes([len(each)]) + each for each in (name.encode(), value.encode()))


@asynccontextmanager
async def raw_connection(port: int) -> AsyncIterator[RawConnection]:
    """Connect to a server on this host, and read in the background what it sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = RawConnection(reader, writer)
    writer.write(PREFACE)
    connection.send(SETTINGS)
    reading = asyncio.create_task(connection.read())
    try:
        yield connection
    finally:
        reading.cancel()
        writer.close()
