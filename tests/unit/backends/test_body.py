"""Whatever a provider sends, and however it cuts it, others have turns at the event loop while it is read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from gateway.backends.http.body import SLICE_BYTES, StreamBody, read_events
from gateway.backends.http.events import EventReader
from gateway.backends.openai.answers import StreamReader
from tests.support.provider_bytes import BOUNDS, line, said

TINY = line(said("a"))
SIZE = 128 * 1024
WHOLE = TINY * (SIZE // len(TINY))


async def _pieces(raw: bytes, piece_bytes: int) -> AsyncIterator[bytes]:
    """Yield what is there already, so that nobody waits for it."""
    for begin in range(0, len(raw), piece_bytes):
        yield raw[begin : begin + piece_bytes]


async def _streamed(raw: bytes, piece_bytes: int, take: Callable[[int], None]) -> bytes:
    """Read a stream, tell `take` how much came each time, and return all of it."""
    reader, read = StreamReader(BOUNDS, lambda _: None), bytearray()
    body = StreamBody(_pieces(raw, piece_bytes), reader, wait_s=lambda: 0.0, failures=())
    while piece := await body.next():
        take(len(piece))
        read += piece
    return bytes(read)


async def _most_between_turns(work: Callable[[Callable[[int], None]], Awaitable[object]]) -> int:
    """Return the most that was taken between two turns of another task."""
    taken, most = 0, 0

    def take(amount: int) -> None:
        nonlocal taken, most
        taken += amount
        most = max(most, taken)

    async def other() -> None:
        nonlocal taken
        while True:
            await asyncio.sleep(0)
            taken = 0

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    try:
        await work(take)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return most


@pytest.mark.parametrize("piece_bytes", [1, 700, SLICE_BYTES, SLICE_BYTES + 1, SIZE])
@pytest.mark.parametrize("raw", [WHOLE, b"\n" * SIZE], ids=["tiny events", "empty lines"])
async def test_a_stream_is_read_in_slices(raw: bytes, piece_bytes: int) -> None:
    """Also where everything is there already, in one large piece or in thousands of small ones."""
    size = 8 * SLICE_BYTES if piece_bytes == 1 else len(raw)
    read: list[bytes] = []

    async def work(take: Callable[[int], None]) -> None:
        read.append(await _streamed(raw[:size], piece_bytes, take))

    assert await _most_between_turns(work) <= SLICE_BYTES
    assert read == [raw[:size]]


async def test_events_that_came_as_a_whole_body_are_read_in_slices() -> None:
    """Of a provider that streams unasked."""
    given: list[Sequence[object]] = []

    async def work(take: Callable[[int], None]) -> None:
        def feed(event: object) -> object:
            take(len(TINY))
            return event

        given.append(await read_events(WHOLE, EventReader(BOUNDS), feed))

    assert await _most_between_turns(work) <= SLICE_BYTES + len(TINY)
    assert given == [list(EventReader(BOUNDS).feed(WHOLE))]
