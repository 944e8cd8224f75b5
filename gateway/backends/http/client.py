"""The HTTP client of calls to providers: it reads no environment, follows nothing and keeps nothing.

Nothing of one call stays for the next, which may be another tenant's: no cookie, and no byte that came late.
No compression is asked for: a megabyte of it can become gigabytes. The body of an error is bounded here; that
of an answer is read, within its own bounds, by whoever asked.

It is aiohttp alone: a call by the SDK of OpenAI, which can use aiohttp too, takes five times the CPU.
"""

import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

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
MOST_CONNECTIONS: Final = 1_000
"""Of one model; more calls wait for one."""
KEEPALIVE_S: Final = 5.0
"""How long a connection is kept for the next call; some providers close it soon after."""
PIECE_BYTES: Final = 16 * 1024
"""Most of a body that is given at a time."""
COMPRESSIONS: Final = ("gzip", "deflate", "br", "zstd", "compress")
ERROR_BYTES: Final = 64 * 1024
"""Of an error's body that are read; its words are in the first few hundred."""
MOST_INFORMATIONAL: Final = 16
"""Answers such as 103 before the one that was asked for; servers send one or two."""
PLAIN_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "Content-Type": "application/json",
    "User-Agent": "edge-cloud-gateway",
}
"""What every request says; it tells nothing about this machine."""


def check_header(model: str, key: str, value: str | None) -> None:
    """Raise StartupError for a value of a header, given by a key of the policy, that cannot be sent."""
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise StartupError(f"{model}: {key}: the value has a space, a line end or another unfit character")


def timeout_of(deadline: Deadline, clock: Clock) -> aiohttp.ClientTimeout:
    """Return how long each wait for bytes may take; the caller bounds the whole."""
    left_s = deadline.remaining_s(clock)
    if math.isinf(left_s):
        return aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S)
    left_s = max(left_s, LEAST_TIMEOUT_S)
    return aiohttp.ClientTimeout(
        connect=left_s, sock_connect=min(left_s, CONNECT_TIMEOUT_S), sock_read=left_s
    )


def is_success(response: aiohttp.ClientResponse) -> bool:
    """Say whether an answer is no refusal; a redirect is one, since none is followed."""
    return 200 <= response.status < 300


def check_uncompressed(response: aiohttp.ClientResponse) -> None:
    """Raise UnreadableAnswer for an answer that is compressed unasked."""
    coding = _header(response, "Content-Encoding")
    if coding and any(name in coding for name in COMPRESSIONS):
        raise UnreadableAnswer("it is compressed, although that was not asked for")


def is_framed(response: aiohttp.ClientResponse) -> bool:
    """Say whether a body has an end of its own; else only the closing of the connection ends it."""
    return "Content-Length" in response.headers or "chunked" in _header(response, "Transfer-Encoding")


def _header(response: aiohttp.ClientResponse, name: str) -> str:
    """Return all values of a header in small letters."""
    return ", ".join(response.headers.getall(name, ())).lower()


def pieces_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Return the body of an answer as it comes."""
    return response.content.iter_chunked(PIECE_BYTES)


async def error_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of the body of a refusal, as it came: what is compressed is not read."""
    body = bytearray()
    async for piece in pieces_of(response):
        body += piece
        if len(body) >= ERROR_BYTES:
            break
    return bytes(body[:ERROR_BYTES])


class HttpClient:
    """Sends requests to one URL; raises ValueError for one, or a proxy, that is no URL.

    Its connections are opened in the event loop of the first request; `aclose` it before that loop ends.
    """

    def __init__(self, url: str, *, query: Mapping[str, str], proxy: str | None) -> None:
        self._url = URL(url).extend_query(query)
        self._proxy = None if proxy is None else URL(proxy)
        self._tls = _tls()  # Read at the start, not in the first call.
        self._session: aiohttp.ClientSession | None = None

    def post(
        self, body: bytes, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a request and give its answer, whose body is not read; the connection is let go at the end."""
        if self._session is None:
            self._session = _open_session(self._tls)
        return self._session.post(
            self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False, proxy=self._proxy
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


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

    Clients share it and nothing else: a connection, and a TLS session, is of one client. No variable of the
    environment changes it.
    """
    known = ssl.get_default_verify_paths().openssl_cafile
    if not Path(known).is_file():
        # It knows the places of other systems; to load it takes longer than all else here.
        import httpx2

        return httpx2.create_ssl_context(trust_env=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(known)
    return context


def _open_session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_CleanConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEEPALIVE_S, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
