"""Answers over HTTP, whole or streamed, with the fault of the request."""

import asyncio
import functools
import gzip
import itertools
import json
import socket
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from aiohttp import web

from gateway.clock import Clock
from gateway.simulate.answers import AnswerToken, Completion
from gateway.simulate.apis.api import AnswerWriter
from gateway.simulate.billing import PromptTokens, RequestBill
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect
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


def refusal_of(fault: Fault | None, *, last_role: str, dialect: Dialect) -> ChatError | None:
    """Return the HTTP error of `fault`; None if it is no HTTP error. `last_role` is the last message's."""
    if fault is None:
        return None
    if fault.kind == "no-prefill" and last_role == "assistant":
        return ChatError(400, "the last message must not be the assistant's", param="messages")
    if fault.kind == "status":
        return ChatError(int(fault.amount()), "a simulated fault")
    if fault.kind not in _REFUSALS:
        return None
    status, code = _REFUSALS[fault.kind]
    status, message = dialect.refusals.get(fault.kind, (status, "a simulated fault"))
    return ChatError(status, message, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request with its prepared answer."""

    request: web.Request
    writer: AnswerWriter
    dialect: Dialect
    completion: Completion
    prompt: PromptTokens
    fault: Fault | None
    bill: RequestBill
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

    def counts(self, tokens: Sequence[AnswerToken]) -> BilledTokens | None:
        """Return the reported token counts of an answer of `tokens`."""
        if self.has("no-usage"):
            return None
        counts = BilledTokens(prompt=self.prompt, completion=len(tokens), reasoning=_thoughts(tokens))
        if self.has("absurd-usage"):
            counts = BilledTokens(prompt=PromptTokens(total=ABSURD_TOKENS), completion=ABSURD_TOKENS)
        if self.has("zero-usage"):
            counts = BilledTokens(prompt=PromptTokens(total=0), completion=0)
        return counts

    def error(self) -> ChatError:
        """Return the error in the middle of an answer."""
        return ChatError(*self.dialect.failure)


def _thoughts(tokens: Sequence[AnswerToken]) -> int:
    return sum(token.kind == "thought" for token in tokens)


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
    exchange.bill.add_prompt(exchange.prompt)
    exchange.bill.add_completion(len(tokens), reasoning=_thoughts(tokens))
    if exchange.has("bomb"):
        return _packed(_bomb(), content_type="application/json")
    answer: object = exchange.writer.whole(
        replace(exchange.completion, tokens=tokens),
        finish_reason=None if exchange.has("no-finish") else finish_reason,
        counts=exchange.counts(tokens),
    )
    if exchange.has("error-event"):
        answer = exchange.writer.failed(exchange.error())
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
        exchange.bill.add_prompt(exchange.prompt)
        return _packed(_bomb(), content_type="text/event-stream")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    response.enable_chunked_encoding()
    if exchange.has("compressed"):
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(exchange.request)
    exchange.bill.add_prompt(exchange.prompt)
    await _send(response, exchange.writer.begin(exchange.counts(exchange.completion.tokens[:1])))
    fails_at = exchange.at("error-event")
    ends_at = exchange.at("filtered") if fails_at is None else fails_at
    if not await _send_tokens(exchange, response, exchange.completion.tokens[:ends_at]):
        return await _break_off(exchange)
    if fails_at is not None:
        await _send(response, exchange.writer.failure(exchange.error()))
        await response.write_eof()
        return response
    if not exchange.has("no-finish"):
        await _finish(exchange, response, ends_at)
    if exchange.has("open-end"):
        await hang(exchange.request, exchange.closing)
    if not exchange.has("no-done"):
        await _send(response, exchange.writer.end())
    await response.write_eof()
    return response


async def _finish(exchange: Exchange, response: web.StreamResponse, ends_at: int | None) -> None:
    """Send the finish reason, and the token counts."""
    completion = exchange.completion
    counts = exchange.counts(completion.tokens[:ends_at])
    reason = completion.finish_reason if ends_at is None else "content_filter"
    await _send(response, exchange.writer.finish(completion, finish_reason=reason, counts=counts))
    if exchange.has("stall-at-end"):
        await hang(exchange.request, exchange.closing)
    if exchange.fault is not None and exchange.has("late-usage"):
        await exchange.clock.sleep(exchange.fault.amount())
    await _send(response, exchange.writer.usage(counts))


async def _send_tokens(
    exchange: Exchange, response: web.StreamResponse, tokens: Sequence[AnswerToken]
) -> bool:
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
        exchange.bill.add_completion(1, reasoning=token.kind == "thought")
        pieces = exchange.writer.token(token, exchange.completion, finish_reason=finish_reason)
        await _send(response, pieces)
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


async def _send(response: web.StreamResponse, events: Iterable[bytes]) -> None:
    for event in events:
        await response.write(event)


async def _break_off(exchange: Exchange) -> NoReturn:
    """Close the connection in the middle of an answer, or leave it open and silent."""
    if not exchange.has("cut"):
        await hang(exchange.request, exchange.closing)
    if exchange.request.transport is not None:
        # A close, not a reset: sent data still arrives, so that a test can rely on it.
        exchange.request.transport.close()
    raise BrokenOffError
