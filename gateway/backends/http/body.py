"""The body of an answer as it comes in: raw pieces until it ends, however the provider ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from gateway.backends.http.bounds import check_bound
from gateway.backends.http.events import EventReader

FINISH_WAIT_S: Final = 2.0
"""How long a provider that gave a finish reason may be silent before the answer is taken for complete."""
END_WAIT_S: Final = 0.05
"""How long an answer that is over waits for the end of its stream: then the connection can be used again."""
SLICE_BYTES: Final = 2 * 1024
"""So much is read before others get a turn: of tiny events, or of empty lines, a millisecond's worth."""

_OVER = -1
"""In the place of a number of pieces."""
_SPAN = 512
"""Bytes at the beginning of a body by which JSON is told from events."""
_Given = TypeVar("_Given")


class EndingReader(Protocol):
    """What a body needs to know of the answer in it."""

    pieces: int
    """Events of the answer so far."""

    @property
    def is_over(self) -> bool:
        """Whether the provider said that the answer has ended."""
        ...

    @property
    def may_be_over(self) -> bool:
        """Whether silence is an end."""
        ...


class StreamBody:
    """The pieces of a streamed answer that `reader` is fed; `wait_s` says how long silence may be an end."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        reader: EndingReader,
        *,
        wait_s: Callable[[], float],
        failures: tuple[type[BaseException], ...],
    ) -> None:
        self._pieces = pieces
        self._reader = reader
        self._wait_s = wait_s
        self._failures = failures
        self._pieces_seen = 0
        self._until_s: float | None = None
        self._received = b""
        """What came last; up to `_read_to` it is read."""
        self._read_to = 0
        self._slice_bytes = 0
        """Read since others had a turn."""

    async def next(self) -> bytes:
        """Return what comes next, at most SLICE_BYTES; empty when the answer has ended.

        Raises what the transport does. Others have a turn after each SLICE_BYTES, however they come.
        """
        if self._slice_bytes >= SLICE_BYTES:
            self._slice_bytes = 0
            await asyncio.sleep(0)
        if self._read_to >= len(self._received):
            self._received, self._read_to = await self._receive(), 0
        begin = self._read_to
        piece = self._received[begin : begin + SLICE_BYTES - self._slice_bytes]
        self._read_to += len(piece)
        self._slice_bytes += len(piece)
        return piece

    async def _receive(self) -> bytes:
        """Return what the transport has next; empty when the answer has ended.

        Behind an answer that may be over nothing can be lost but token counts, so no failure is one.
        """
        if not self._reader.may_be_over:
            return await anext(self._pieces, b"")
        ends_at_s = self._ends_at_s()
        if self._reader.is_over and asyncio.get_running_loop().time() >= ends_at_s:
            return b""  # A flood leaves no pause in which a timeout could end it.
        try:
            async with asyncio.timeout_at(ends_at_s):
                return await anext(self._pieces, b"")
        except self._failures:
            return b""

    def _ends_at_s(self) -> float:
        """Return until when to wait: events of the answer start the wait anew, comments and pings do not.

        Nothing does where the answer is over.
        """
        pieces = _OVER if self._reader.is_over else self._reader.pieces
        if self._until_s is None or pieces != self._pieces_seen:
            self._pieces_seen = pieces
            wait_s = END_WAIT_S if self._reader.is_over else FINISH_WAIT_S
            self._until_s = asyncio.get_running_loop().time() + min(wait_s, self._wait_s())
        return self._until_s


async def read_whole(pieces: AsyncIterator[bytes], *, limit_bytes: int) -> bytes:
    """Return a body that came in one piece; raises UnreadableAnswer when it is over its bound."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        check_bound(len(body), limit_bytes, "the body")
    return bytes(body)


async def read_events(raw: bytes, events: EventReader, feed: Callable[[object], _Given]) -> list[_Given]:
    """Return what `feed` makes of each event of a whole body; others have turns, as with `StreamBody`."""
    given: list[_Given] = []
    for begin in range(0, len(raw), SLICE_BYTES):
        given += map(feed, events.feed(raw[begin : begin + SLICE_BYTES]))
        await asyncio.sleep(0)
    return [*given, *map(feed, events.rest())]


def is_json(body: bytes) -> bool:
    """Say whether a body is JSON rather than a stream of events: some servers stream unasked."""
    return body[:_SPAN].lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[")
