"""The HTTP client of calls to providers: it reads no environment, follows nothing and keeps nothing.

Nothing of one call stays for the next, which may be another tenant's: no cookie, and no byte that came late.
No compression is asked for: a megabyte of it can become gigabytes. The body of an error is bounded here,
since some read it whole; that of an answer is read, within its own bounds, by whoever asked.
"""

import logging
import math
import ssl
from collections.abc import AsyncIterator
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import httpx2
import openai
from aiohttp.client_proto import ResponseHandler
from openai._vendor.httpx_aiohttp import AiohttpTransport

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.clock import Clock, Deadline
from gateway.errors import StartupError

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http_parser import RawResponseMessage
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace

CONNECT_TIMEOUT_S: Final = 5.0
"""A provider that is there takes a connection within it."""
LEAST_TIMEOUT_S: Final = 0.001
"""For a deadline that has passed: aiohttp takes 0 for no limit at all."""
COMPRESSIONS: Final = ("gzip", "deflate", "br", "zstd", "compress")
ERROR_BYTES: Final = 64 * 1024
"""Of an error's body that are read; its words are in the first few hundred."""
MOST_INFORMATIONAL: Final = 16
"""Answers such as 103 before the one that was asked for; servers send one or two."""
PLAIN_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "edge-cloud-gateway",
}
"""What every request says; it tells nothing about this machine."""


def open_http_client(proxy: str | None) -> openai.DefaultAioHttpClient:
    """Return a client for one model; raises what an unfit proxy does: httpx2.InvalidURL or ValueError."""
    _silence_loggers()
    return openai.DefaultAioHttpClient(
        transport=_open_transport(proxy),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        event_hooks={"response": [_bound_error]},
    )


def check_header(model: str, key: str, value: str | None) -> None:
    """Raise StartupError for a value of a header, given by a key of the policy, that cannot be sent."""
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise StartupError(f"{model}: {key}: the value has a space, a line end or another unfit character")


def timeout_of(deadline: Deadline, clock: Clock) -> httpx2.Timeout:
    """Return how long each wait for bytes may take; the caller bounds the whole."""
    left_s = deadline.remaining_s(clock)
    if math.isinf(left_s):
        return httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S)
    left_s = max(left_s, LEAST_TIMEOUT_S)
    return httpx2.Timeout(left_s, connect=min(left_s, CONNECT_TIMEOUT_S))


def check_uncompressed(response: httpx2.Response) -> None:
    """Raise UnreadableAnswer for an answer that is compressed unasked."""
    coding = response.headers.get("content-encoding", "").lower()
    if any(name in coding for name in COMPRESSIONS):
        raise UnreadableAnswer("it is compressed, although that was not asked for")


def is_framed(response: httpx2.Response) -> bool:
    """Say whether a body has an end of its own; else only the closing of the connection ends it."""
    is_chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
    return is_chunked or "content-length" in response.headers


class _Handler(ResponseHandler):
    """Takes a few informational answers (1xx) before the one that was asked for; aiohttp takes any number."""

    _informational = 0

    def feed_data(self, data: "tuple[RawResponseMessage, StreamReader]", size: int = 0) -> None:
        """Take the head of an answer, and close a connection on which only informational ones come."""
        self._informational = self._informational + 1 if 100 <= data[0].code < 200 else 0
        if self._informational <= MOST_INFORMATIONAL:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.close()
            self.set_exception(aiohttp.ClientPayloadError("too many informational answers"))


class _CleanConnector(aiohttp.TCPConnector):
    """Uses a connection again only where nothing has come on it since its last answer.

    aiohttp would give out what came unasked as the answer to the next request.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Handler, loop=self._loop))

    async def _get(self, key: "ConnectionKey", traces: "list[Trace]") -> "Connection | None":
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


@cache
def _tls() -> ssl.SSLContext:
    """Return the certificates that are trusted; reading them takes tens of milliseconds, so it is done once.

    Clients share it and nothing else: a connection, and a TLS session, is of one client.
    """
    return httpx2.create_ssl_context(trust_env=False)


def _open_transport(proxy: str | None) -> AiohttpTransport:
    """Return the transport of the SDK over connections of our own: theirs would keep cookies."""
    tls = _tls()
    limits = openai.DEFAULT_CONNECTION_LIMITS

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_CleanConnector(
                limit=limits.max_connections or 0, keepalive_timeout=limits.keepalive_expiry, ssl=tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    return AiohttpTransport(
        verify=tls, client=session, proxy=httpx2.Proxy(proxy) if proxy else None, trust_env=False
    )


class _Bounded(httpx2.AsyncByteStream):
    """The beginning of a body."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit_bytes: int) -> None:
        self._inner = inner
        self._left_bytes = limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            yield piece[: self._left_bytes]
            self._left_bytes -= len(piece)
            if self._left_bytes <= 0:
                return

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._inner.aclose()


async def _bound_error(response: httpx2.Response) -> None:
    """Bound the body of an error, and leave it as it came: what is compressed is not read."""
    if not response.is_success and isinstance(response.stream, httpx2.AsyncByteStream):
        response.headers.pop("content-encoding", None)
        response.stream = _Bounded(response.stream, ERROR_BYTES)


def _silence_loggers() -> None:
    """Turn the loggers of the SDK and its transport off, whatever OPENAI_LOG says: they show URLs."""
    for logger in ("openai", "httpx2"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
