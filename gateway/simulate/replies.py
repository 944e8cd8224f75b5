"""Answers over HTTP, whole or streamed, with the fault of the request."""

import asyncio
import functools
import gzip
import itertools
import json
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from gateway.clock import Clock
from gateway.simulate.answers import Completion
from gateway.simulate.chat import ChatError, ReplyWriter, usage_of
from gateway.simulate.faults import Fault

GARBAGE = b'{"id": "chatcmpl-'
"""An incomplete JSON object."""

ENDLESS_BYTES = 64 * 1024
"""Bytes of each write of an endless answer."""
BOMB_MIB = 256
"""Size of a compression bomb after unpacking, in MiB."""
ABSURD_TOKENS = 2**62
"""Token count of the fault absurd-usage."""

_REFUSALS = {
    "unauthorized": (401, "invalid_api_key"),
    "context-too-long": (400, "context_length_exceeded"),
    "content-filter": (400, "content_filter"),
    "quota": (429, "insufficient_quota"),
}


def refusal_of(fault: Fault | None, *, last_role: str) -> ChatError | None:
    """Return the HTTP error of `fault`; None if it is no HTTP error. `last_role` is the last message's."""
    if fault is None:
        return None
    if fault.kind == "no-prefill" and last_role == "assistant":
        return ChatError(400, "the last message must not be the assistant's", param="messages")
    if fault.kind == "status":
        return ChatError(int(fault.amount()), "a simulated fault")
    status_code = _REFUSALS.get(fault.kind)
    return (
        None if status_code is None else ChatError(status_code[0], "a simulated fault", code=status_code[1])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request with its prepared answer."""

    request: web.Request
    writer: ReplyWriter
    completion: Completion
    prompt_tokens: int
    wants_usage: bool
    fault: Fault | None
    bill: Callable[[int, int], None]
    """Called with the tokens of the prompt and of the answer to bill."""
    closing: asyncio.Event
    """Set when the server stops; ends hanging requests."""
    clock: Clock

    def has(self, kind: str) -> bool:
        """Whether the request has this fault."""
        return self.fault is not None and self.fault.kind == kind

    def at(self, kind: str) -> int | None:
        """Return after how many tokens this fault happens; None if the request does not have it."""
        if self.fault is None or self.fault.kind != kind:
            return None
        return min(int(self.fault.amount()), len(self.completion.tokens))

    def usage(self, completion_tokens: int) -> dict[str, int] | None:
        """Return the reported token counts."""
        if self.has("no-usage"):
            return None
        if self.has("absurd-usage"):
            return usage_of(ABSURD_TOKENS, ABSURD_TOKENS)
        return usage_of(0, 0) if self.has("zero-usage") else usage_of(self.prompt_tokens, completion_tokens)


class BrokenOffError(Exception):
    """The connection was closed on purpose; no response can follow."""


async def hang(request: web.Request, closing: asyncio.Event) -> NoReturn:
    """Send nothing until the client disconnects, which cancels this task, or the server stops."""
    await closing.wait()
    reset(request)


def reset(request: web.Request) -> NoReturn:
    """Reset the connection; unsent data is lost."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        # With a linger time of zero the kernel sends RST rather than FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    raise BrokenOffError


async def reply_whole(exchange: Exchange) -> web.StreamResponse:
    """Answer in one JSON object; it is billed in full before it is sent."""
    tokens, finish_reason = exchange.completion.tokens, exchange.completion.finish_reason
    filtered = exchange.at("filtered")
    if filtered is not None:
        tokens, finish_reason = tokens[:filtered], "content_filter"
    exchange.bill(exchange.prompt_tokens, len(tokens))
    if exchange.has("bomb"):
        return _packed(_bomb(), content_type="application/json")
    answer = exchange.writer.whole(
        "".join(tokens),
        finish_reason=None if exchange.has("no-finish") else finish_reason,
        usage=exchange.usage(len(tokens)),
    )
    body = GARBAGE if exchange.has("garbage") else json.dumps(answer).encode()
    if exchange.has("compressed"):
        return _packed(gzip.compress(body), content_type="application/json")
    if exchange.has("endless"):
        return await _reply_endless(exchange, body)
    if not exchange.has("cut") and not exchange.has("stall"):
        return web.Response(body=body, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(exchange.request)
    await response.write(body[: len(body) // 2])
    return await _break_off(exchange)


async def reply_streamed(exchange: Exchange) -> web.StreamResponse:
    """Answer in server-sent events, one token each, billed when sent."""
    if exchange.has("bomb"):
        exchange.bill(exchange.prompt_tokens, 0)
        return _packed(_bomb(), content_type="text/event-stream")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    response.enable_chunked_encoding()
    if exchange.has("compressed"):
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(exchange.request)
    exchange.bill(exchange.prompt_tokens, 0)
    await _send(response, exchange.writer.chunk({"role": "assistant", "content": ""}))
    ends_at = exchange.at("filtered")
    if not await _send_tokens(exchange, response, exchange.completion.tokens[:ends_at]):
        return await _break_off(exchange)
    if not exchange.has("no-finish"):
        finish_reason = exchange.completion.finish_reason if ends_at is None else "content_filter"
        await _send(response, exchange.writer.chunk({}, finish_reason=finish_reason))
        if exchange.has("stall-at-end"):
            await hang(exchange.request, exchange.closing)
        if exchange.fault is not None and exchange.has("late-usage"):
            await exchange.clock.sleep(exchange.fault.amount())
        usage = exchange.usage(len(exchange.completion.tokens[:ends_at]))
        if exchange.wants_usage and usage is not None:
            await _send(response, exchange.writer.usage_chunk(usage))
    if exchange.has("open-end"):
        await hang(exchange.request, exchange.closing)
    if not exchange.has("no-done"):
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _send_tokens(exchange: Exchange, response: web.StreamResponse, tokens: tuple[str, ...]) -> bool:
    """Send tokens one by one; return False if the stream must break off."""
    breaks_at = exchange.at("cut") if exchange.has("cut") else exchange.at("stall")
    garbage_at = exchange.at("garbage")
    finish_reason = exchange.completion.finish_reason if exchange.has("repeat-finish") else None
    for i, token in enumerate(itertools.cycle(tokens) if exchange.has("endless") else tokens):
        if i == breaks_at:
            return False
        if i == garbage_at:
            await response.write(b"data: " + GARBAGE + b"\n\n")
        if exchange.fault is not None and (exchange.has("drip") or exchange.has("repeat-finish")):
            await exchange.clock.sleep(exchange.fault.amount())
        exchange.bill(0, 1)
        await _send(response, exchange.writer.chunk({"content": token}, finish_reason=finish_reason))
    if garbage_at == len(tokens):
        await response.write(b"data: " + GARBAGE + b"\n\n")
    return breaks_at != len(tokens)


def _packed(body: bytes, *, content_type: str) -> web.Response:
    return web.Response(body=body, content_type=content_type, headers={"Content-Encoding": "gzip"})


@functools.cache
def _bomb() -> bytes:
    """Return gzip data that unpacks to BOMB_MIB of spaces, as one member: readers may stop after the
    first."""
    packer = zlib.compressobj(level=9, wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header.
    blanks = b" " * 1024 * 1024
    return b"".join(packer.compress(blanks) for _ in range(BOMB_MIB)) + packer.flush()


async def _reply_endless(exchange: Exchange, body: bytes) -> web.StreamResponse:
    """Send an answer, then spaces until the client disconnects."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(exchange.request)
    while True:
        await response.write(body)
        body = b" " * ENDLESS_BYTES


async def _send(response: web.StreamResponse, event: dict[str, object]) -> None:
    await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


async def _break_off(exchange: Exchange) -> NoReturn:
    """Close the connection in the middle of an answer, or leave it open and silent."""
    if not exchange.has("cut"):
        await hang(exchange.request, exchange.closing)
    if exchange.request.transport is not None:
        # A close, not a reset: sent data still arrives, so that a test can rely on it.
        exchange.request.transport.close()
    raise BrokenOffError
