"""What one connection over HTTP may cost, whoever is at its other end, before a key is looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from gateway.defects import log_defect

HEAD_S = 10.0
"""A connection on which no request has begun, or the head of one has not ended, after this is closed; so is
one whose TLS handshake has not."""
IDLE_S = 75.0
"""So is one on which no request was for so long; longer than proxies in front keep theirs."""
HEAD_BYTES = 64 * 1024
"""Of the head of a request that has not ended; aiohttp's parser bounds each line besides."""
MOST_HEADERS = 100
END_S = 10.0
"""What was sent and is not read this long after its connection was to be closed is thrown away; so long the
rest of a body is read that nobody wants."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_UNREADABLE = {
    "message": "is not HTTP as RFC 9112 has it, or has too large a head",
    "type": "invalid_request_error",
    "param": None,
    "code": "invalid_request",
}


class UnreadableBody(Exception):
    """A body is not HTTP, from some byte on."""


class HttpConnection(web.RequestHandler):
    """One connection. What it is sent that is not HTTP is repeated in no answer and no log."""

    __slots__ = ("_head_bytes", "_head_timer", "_is_unreadable")

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_S,
            access_log=None,  # type: ignore[arg-type]  # None turns it off, which its type forgets.
            auto_decompress=False,  # Of a body that nobody reads, aiohttp would still unpack some.
            max_headers=MOST_HEADERS,
            lingering_time=END_S,
        )
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_unreadable = False
        """Whether what came last is not HTTP: nothing behind it is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(HEAD_S, self._end_head)

    def data_received(self, data: bytes) -> None:
        """Take what has come; close the connection where the head of a request grows too large."""
        if self._is_unreadable:
            return
        super().data_received(data)
        if self._messages and isinstance(broken := self._messages[-1][0], _ErrInfo):
            self._end_reading(broken)
        if not self._is_waiting:
            self._forget_head()
            return
        self._head_bytes += len(data)
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(HEAD_S, self._end_head)
        if self._head_bytes > HEAD_BYTES and self.transport is not None:
            self.transport.write(_TOO_LARGE)
            self.force_close()

    def _end_reading(self, broken: _ErrInfo) -> None:
        """Tell the request that is served, if its body is not whole, that no more of it comes.

        The frames of an error hold what was received. It and this connection refer to each other, so they
        would be kept until the next collection of all garbage, which may be hours away.
        """
        self._is_unreadable = True
        if broken.exc is not None:
            broken.exc.__traceback__ = None
        request = self._current_request
        if request is not None and not request.content.at_eof():
            request.content.set_exception(UnreadableBody())

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._forget_head()
        super().connection_lost(exc)

    async def start(self) -> None:
        """Serve requests until the connection is to be closed; it is, also where its peer reads nothing."""
        transport = self.transport
        try:
            await super().start()
        finally:
            if transport is not None:
                self._loop.call_later(END_S, transport.abort)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is not HTTP; a defect is logged, and cuts what had begun."""
        if status >= 500 and exc is not None:
            log_defect(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = web.json_response({"error": _UNREADABLE if status < 500 else {}}, status=status)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a defect by its place."""
        error = kw.get("exc_info")
        if isinstance(error, BaseException):
            log_defect(error)

    def expect_chunks(self, are_expected: bool) -> None:
        """Say whether the request that begins comes in chunks; of a rest nobody reads, those cost too much.

        Of other bodies the rest is read and dropped for some seconds, so that their senders see the answer.
        """
        self._lingering_time = 0.0 if are_expected else END_S

    @property
    def _is_waiting(self) -> bool:
        """Whether no request is whole that is not answered."""
        return self._waiter is not None and not self._waiter.done()

    def _end_head(self) -> None:
        self._head_timer = None
        if self._is_waiting and (self._head_bytes or not self._request_count):
            self.force_close()

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


@web.middleware
async def lingering(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Tell the connection how its request comes."""
    if isinstance(request.protocol, HttpConnection):
        request.protocol.expect_chunks(request.content_length is None)
    return await handler(request)
