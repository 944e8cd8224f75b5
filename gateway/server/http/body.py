"""Reads the JSON body of a request, within bounds of size and time."""

import asyncio
import json
import sys
from typing import Any, NoReturn

from aiohttp import web

from gateway.clock import Clock, Deadline
from gateway.domain.text.schema_bounds import SchemaBounds
from gateway.errors import DeadlinePassed, InvalidRequest, RequestTooLarge


async def read_body(http: web.Request, *, max_bytes: int, deadline: Deadline, clock: Clock) -> bytes:
    """Return the bytes; raises RequestTooLarge, DeadlinePassed, or InvalidRequest for compressed ones.

    Compressed bytes are not unpacked: a few of them can become very many.
    """
    if http.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise InvalidRequest("content-encoding", "must be identity: compressed bodies are not read")
    if (http.content_length or 0) > max_bytes:
        raise RequestTooLarge(max_bytes)
    if http.content.is_eof():  # All of it has come with the headers: there is nothing to wait for.
        whole = http.content.read_nowait()
        if len(whole) > max_bytes:
            raise RequestTooLarge(max_bytes)
        return whole
    data = bytearray()
    try:
        async with asyncio.timeout(deadline.remaining_s(clock)) as limit:
            async for piece in http.content.iter_any():
                data += piece
                if len(data) > max_bytes:
                    raise RequestTooLarge(max_bytes)
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlinePassed("the deadline passed before the request was read") from None
    return bytes(data)


BOUNDS = SchemaBounds(max_bytes=sys.maxsize, max_values=sys.maxsize, max_depth=128)
"""More levels than a schema or arguments may have; Python's stack holds them."""


def parse_body(data: bytes) -> dict[str, Any]:
    """Return the object that a body holds; raises InvalidRequest."""
    try:
        text = data.decode()
        if data.count(b"[") + data.count(b"{") > BOUNDS.max_depth and (problem := BOUNDS.problem(text)):
            raise InvalidRequest("body", problem)
        value = json.loads(text, parse_constant=_refuse_constant)
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


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")
