"""Reads the JSON body of a request, within bounds of size, time and memory."""

import asyncio
import json
import math
from typing import Any, NoReturn

from aiohttp import hdrs, web

from gateway.clock import Clock, Deadline
from gateway.domain.text.schema_bounds import MAX_DIGITS
from gateway.errors import DeadlinePassed, InvalidRequest, Overloaded, RequestTooLarge
from gateway.server.http.connection import UnreadableBody

BODY_S = 60.0
"""A body that is not whole after this is not waited for, however late the deadline is."""
MOST_BODIES = 128
"""Of the largest size: bytes of bodies that are not whole, of all callers together."""
TENANT_SHARE = 0.9
"""How much of that one tenant may have."""
RETRY_AFTER_S = 1.0
LEAST_CHUNK_BYTES = 256
"""What chunks have to hold on average: each costs the event loop a microsecond, however small it is."""
FREE_CHUNKS = 64
"""So many may be smaller."""
MAX_VALUES = 32_768
"""Values and names of the JSON of a request: as many take the event loop 5 to 15 ms."""
MAX_DEPTH = 128
"""More levels than a schema or arguments may have; Python's stack holds them."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def expect_nothing(_: web.Request) -> None:
    """Leave it to the reader of a body to ask for it: that of a stranger need not come."""


class BodyReader:
    """Reads the bodies of all requests to one server."""

    def __init__(self, *, max_bytes: int, clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._held: dict[str, int] = {}
        """Bytes of bodies that are not whole, by tenant."""

    async def read(self, http: web.Request, *, tenant: str, deadline: Deadline) -> bytes:
        """Return the bytes of a body.

        Raises RequestTooLarge, DeadlinePassed, Overloaded, or InvalidRequest for compressed ones: a few bytes
        can become very many.
        """
        if http.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
            raise InvalidRequest("content-encoding", "must be identity: compressed bodies are not read")
        if (http.content_length or 0) > self._max_bytes:
            raise RequestTooLarge(self._max_bytes)
        if http.content_length is not None and http.content.is_eof():
            return http.content.read_nowait()  # It has come with the headers: there is nothing to wait for.
        data = bytearray()
        try:
            async with asyncio.timeout(min(BODY_S, deadline.remaining_s(self._clock))) as limit:
                await _ask_for(http)
                await self._read(http, data, tenant)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the request was read") from None
        except UnreadableBody:
            raise InvalidRequest("body", "is not sent as RFC 9112 has it") from None
        finally:
            self._hold(tenant, -len(data))
        return bytes(data)

    async def _read(self, http: web.Request, data: bytearray, tenant: str) -> None:
        chunks = 0
        async for piece, is_chunk_end in http.content.iter_chunks():
            data += piece
            self._hold(tenant, len(piece))
            chunks += is_chunk_end
            if len(data) > self._max_bytes:
                raise RequestTooLarge(self._max_bytes)
            if len(data) < (chunks - FREE_CHUNKS) * LEAST_CHUNK_BYTES:
                raise InvalidRequest("body", f"comes in chunks of less than {LEAST_CHUNK_BYTES} bytes")
            most = MOST_BODIES * self._max_bytes
            if self._held.get(tenant, 0) > TENANT_SHARE * most or sum(self._held.values()) > most:
                said = "too much is being sent that is not whole"
                raise Overloaded(said, retry_after_s=RETRY_AFTER_S)

    def _hold(self, tenant: str, more_bytes: int) -> None:
        held = self._held.pop(tenant, 0) + more_bytes
        if held:
            self._held[tenant] = held


async def _ask_for(http: web.Request) -> None:
    """Ask for a body that waits to be asked for."""
    if http.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and http.version >= (1, 1):
        await http.writer.write(CONTINUE)
        http.writer.output_size = 0  # Of the answer nothing was written.


def parse_body(data: bytes) -> dict[str, Any]:
    """Return the object that a body holds; raises InvalidRequest."""
    _check_structure(data)
    try:
        value = json.loads(
            data.decode(), parse_constant=_refuse_constant, parse_int=_whole, parse_float=_finite
        )
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise InvalidRequest("body", "is not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidRequest("body", "has half of a surrogate pair") from None
    except ValueError:
        raise InvalidRequest("body", "is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("body", "must be a JSON object")
    return value


def _check_structure(data: bytes) -> None:
    """Raise InvalidRequest for what would take long to read or to walk through; texts are not looked at."""
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"")
    too_many = InvalidRequest("body", f"must have at most {MAX_VALUES} JSON values and names")
    if bare.count(b'"') > 2 * MAX_VALUES:
        raise too_many
    outside = b"".join(bare.split(b'"')[::2])
    if sum(outside.count(each) for each in (b",", b"[", b"{", b":")) > MAX_VALUES:
        raise too_many
    depth = 0
    for byte in outside.translate(None, delete=_NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidRequest("body", f"must be nested at most {MAX_DEPTH} deep")
        if depth < 0:
            raise InvalidRequest("body", "is not JSON")


_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise InvalidRequest("body", f"has a number of more than {MAX_DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidRequest("body", "has a number that is too large")
    return value
