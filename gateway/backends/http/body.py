"""The body of an answer as it comes in: raw pieces until it ends, however the provider ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from gateway.backends.http.bounds import check_bound

FINISH_WAIT_S: Final = 2.0
"""How long a provider that gave a finish reason may be silent before the answer is taken for complete."""
END_WAIT_S: Final = 0.05
"""How long an answer that is over waits for the end of its stream: then the connection can be used again."""
DENSE_BYTES: Final = 8 * 1024
"""A piece of this size may hold a thousand events; others get a turn before the next one."""

_OVER = -1
"""In the place of a number of pieces."""
_SPAN = 512
"""Bytes at the beginning of a body by which JSON is told from events."""


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
        self._was_dense = False

    async def next(self) -> bytes:
        """Return the next piece; empty when the answer has ended. Raises what the transport does.

        Behind an answer that may be over nothing can be lost but token counts, so no failure is one.
        """
        if self._was_dense:
            await asyncio.sleep(0)
        if not self._reader.may_be_over:
            piece = await anext(self._pieces, b"")
        else:
            ends_at_s = self._ends_at_s()
            if self._reader.is_over and asyncio.get_running_loop().time() >= ends_at_s:
                return b""  # A flood leaves no pause in which a timeout could end it.
            try:
                async with asyncio.timeout_at(ends_at_s):
                    piece = await anext(self._pieces, b"")
            except self._failures:
                return b""
        self._was_dense = len(piece) >= DENSE_BYTES
        return piece

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


def is_json(body: bytes) -> bool:
    """Say whether a body is JSON rather than a stream of events: some servers stream unasked."""
    return body[:_SPAN].lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[")
