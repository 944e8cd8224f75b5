"""Reads the JSON body of a request, within bounds of size and time."""

import asyncio
import json
from typing import Any, NoReturn

from aiohttp import web

from gateway.clock import Clock, Deadline
from gateway.errors import DeadlinePassed, InvalidRequest, RequestTooLarge


async def read_body(http: web.Request, *, max_bytes: int, deadline: Deadline, clock: Clock) -> bytes:
    """Return the bytes; raises RequestTooLarge, DeadlinePassed, or InvalidRequest for compressed ones.

    Compressed bytes are not unpacked: a few of them can become very many.
    """
    if http.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise InvalidRequest("content-encoding", "must be identity: compressed bodies are not read")
    if (http.content_length or 0) > max_bytes:
        raise RequestTooLarge(max_bytes)
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


def parse_body(data: bytes) -> dict[str, Any]:
    """Return the object that a body holds; raises InvalidRequest."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise InvalidRequest("body", "is not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidRequest("body", "has half of a surrogate pair") from None
    except RecursionError:
        raise InvalidRequest("body", "is nested too deep") from None
    except ValueError:
        raise InvalidRequest("body", "is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("body", "must be a JSON object")
    return value


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")
