"""A provider that answers immediately, in a process of its own: whole, or as a stream of 20 pieces.

It reads nothing of a request but its length and whether a stream is asked for, so that it costs next to
nothing. A port for each pause: the pieces come together in one write, or one by one.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from tests.support.provider_bytes import line, plain, whole, wire

PIECES = 20
PAUSE_S = 0.002
"""Between pieces that come one by one: more than a reader needs for one."""
BACKLOG = 2048
"""Connections that may wait to be taken: a gateway opens many at the same time."""
PAUSES_S = {"together": 0.0, "one by one": PAUSE_S}
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"
_EVENTS = plain([" word"] * PIECES)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_WHOLE = json.dumps(whole("It is.")).encode()
_WHOLE_ANSWER = _HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n%s" % (len(_WHOLE), _WHOLE)
_STREAM_HEAD = _HEAD % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n"
_STREAM_END = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_STREAM = _STREAM_HEAD + _chunk(wire(_EVENTS)) + b"0\r\n\r\n"


class _Provider(asyncio.Protocol):
    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        if re.search(rb'"stream": *true', body) is None:
            self._transport.write(_WHOLE_ANSWER)
        elif not self._pause_s:
            self._transport.write(_STREAM)
        else:
            # The role and the first word come together: an answer begins with its first word.
            role, first, *others = (_chunk(line(event)) for event in _EVENTS)
            self._write_next([_STREAM_HEAD + role + first, *others, _STREAM_END])

    def _write_next(self, pieces: list[bytes]) -> None:
        self._transport.write(pieces[0])
        if pieces[1:] and not self._transport.is_closing():
            asyncio.get_running_loop().call_later(self._pause_s, self._write_next, pieces[1:])


async def _serve(pipe: Connection, pauses_s: Mapping[str, float]) -> None:
    loop = asyncio.get_running_loop()
    urls = {}
    for name, pause_s in pauses_s.items():
        server = await loop.create_server(partial(_Provider, pause_s), "127.0.0.1", 0, backlog=BACKLOG)
        urls[name] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    pipe.send(urls)
    await asyncio.to_thread(pipe.recv)


def _run(pipe: Connection, pauses_s: Mapping[str, float]) -> None:
    asyncio.run(_serve(pipe, pauses_s))


@contextmanager
def serving_provider(pauses_s: Mapping[str, float] = PAUSES_S) -> Iterator[Mapping[str, str]]:
    """Run the provider until the block ends; gives its base URLs, by how the pieces of a stream come."""
    context = get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_run, args=(other, pauses_s))
    process.start()
    try:
        urls: Mapping[str, str] = pipe.recv()
        yield urls
    finally:
        pipe.send("stop")
        process.join()
