"""A caller over HTTP who means harm, on bare sockets: gets nothing, and takes nothing from the others."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.server import connection_count
from gateway.server.http import connection
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.raw_http import (
    CHAT,
    PATIENCE_S,
    connected,
    exchanged,
    request_bytes,
    rest_of,
    said,
    sent,
)
from tests.support.served import ANY_PORT, Served, served

KEPT = {"connection": "keep-alive"}
SLOW_HEADS = [b"", b"POST /", b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-a: "]


def models() -> dict[str, ScriptedBackend]:
    """Return models that say hi."""
    return {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}


@asynccontextmanager
async def doors() -> AsyncIterator[Served]:
    """Run a gateway with doors over HTTP."""
    async with served(models(), http=ANY_PORT) as gateway:
        yield gateway


@pytest.mark.parametrize("head", SLOW_HEADS)
async def test_a_head_that_does_not_end_is_not_waited_for(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever says nothing, or a byte now and then, is sent away; pauses begin nothing anew."""
    monkeypatch.setattr(connection, "HEAD_S", 0.4)
    async with doors() as gateway, connected(gateway.http_address) as (reader, writer):
        writer.write(head)
        come = asyncio.create_task(rest_of(reader))
        while not come.done():
            writer.write(b"a" if head else b"")
            await asyncio.wait([come], timeout=0.05)
        assert await come == b""
        assert (await exchanged(gateway.http_address, CHAT, said())).status == 200


async def test_a_second_head_has_its_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has asked may rest for long, but not in the middle of a head."""
    monkeypatch.setattr(connection, "HEAD_S", 0.4)
    whole = request_bytes(CHAT, said(), headers=KEPT)
    async with doors() as gateway, connected(gateway.http_address) as (reader, writer):
        for _ in range(2):
            writer.write(whole)
            await reader.readuntil(b'"hi"')
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await reader.readuntil(b"{")
        writer.write(whole[:30])
        await rest_of(reader)
        assert reader.at_eof()


async def test_a_connection_without_requests_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients connect again by themselves."""
    monkeypatch.setattr(connection, "IDLE_S", 0.3)
    async with doors() as gateway, connected(gateway.http_address) as (reader, writer):
        writer.write(request_bytes(CHAT, said(), headers=KEPT))
        assert b'"hi"' in await rest_of(reader)


async def test_connections_above_the_limit_are_closed_when_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were there stay, and each that ends makes room for another."""
    monkeypatch.setattr(connection_count, "MOST_CONNECTIONS", 5)
    async with doors() as gateway, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(gateway.http_address)) for _ in range(12)]
        ends = [asyncio.create_task(rest_of(reader)) for reader, _ in opened]
        while sum(end.done() for end in ends) < 7:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait([e for e in ends if not e.done()], return_when=asyncio.FIRST_COMPLETED)
        stayed = [pair for pair, end in zip(opened, ends, strict=True) if not end.done()]
        assert len(stayed) == 5
        for _, writer in stayed:
            writer.write(request_bytes(CHAT, said()))
        assert sum(b'"hi"' in data for data in await asyncio.gather(*ends)) == 5
        assert (await exchanged(gateway.http_address, CHAT, said())).status == 200


async def test_thousands_of_connections_that_end_are_all_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is counted is what is open: strangers that come and go use nothing up."""
    monkeypatch.setattr(connection_count, "MOST_CONNECTIONS", 50)
    async with doors() as gateway:
        for _ in range(50):
            async with AsyncExitStack() as stack:
                for _ in range(40):
                    await stack.enter_async_context(connected(gateway.http_address))
            assert (await exchanged(gateway.http_address, "/healthz", method="GET")).status == 200


WHOLE = request_bytes(CHAT, said(), headers=KEPT)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n"
SECRET = b"zorbelnut-1@example.org"
MALFORMED = {
    "negative length": HEAD + b"content-length: -1\r\n\r\n" + SECRET,
    "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + SECRET,
    "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SECRET,
    "a length with a sign": HEAD + b"content-length: +5\r\n\r\n" + SECRET,
    "chunked twice": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a wrong chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
    "a huge chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + SECRET,
    "a space before the colon": HEAD + b"content-length : 5\r\n\r\n" + SECRET,
    "a folded header": HEAD + b"x-a: 1\r\n " + SECRET + b"\r\n\r\n",
    "a bare line feed": HEAD + b"x-a: " + SECRET + b"\nx-tenant: acme\r\n\r\n",
    "a zero byte": HEAD + b"x-a: " + SECRET + b"\0\r\n\r\n",
    "no HTTP": SECRET + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECRET,
    "a long line": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    "a long header": HEAD + b"x-a: " + b"a" * 9000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"x-%d: 1\r\n" % number for number in range(200)) + b"\r\n",
}


@pytest.mark.parametrize("what", sorted(MALFORMED))
async def test_what_is_not_http_is_refused_and_not_repeated(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends with it; no answer and no log has any of it, and nothing behind it is served."""
    backends = models()
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        async with served(backends, http=ANY_PORT) as gateway:
            replies = await sent(gateway.http_address, MALFORMED[what] + WHOLE)
            assert (await exchanged(gateway.http_address, CHAT, said())).status == 200
    assert [reply.status for reply in replies] == [400]
    assert replies[0].json["error"]["code"] == "invalid_request"
    assert SECRET.decode() not in f"{replies} {logs} {caplog.text}"
    assert not [record for record in caplog.records if record.exc_info]
    assert len(backends["edge"].calls) == 1


async def test_a_head_without_end_is_left_before_it_is_large() -> None:
    """A megabyte of headers, sent as fast as they are taken, is cut short."""
    async with doors() as gateway, connected(gateway.http_address) as (reader, writer):
        come = asyncio.create_task(rest_of(reader))
        writer.write(HEAD)
        sent_bytes = 0
        while not come.done() and sent_bytes < 1 << 20:
            writer.write(b"x-a: " + b"a" * 1000 + b"\r\n")
            sent_bytes += 1007
            await asyncio.wait([come], timeout=0.002)
        assert b"431" in await come or sent_bytes < 200_000
        assert sent_bytes < 500_000


async def test_what_was_sent_and_is_not_read_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that its reader leaves in the network is thrown away with the connection."""
    monkeypatch.setattr(connection_count, "MOST_CONNECTIONS", 1)
    large = ScriptedBackend("edge", lambda _: reply("x" * 3_000_000))
    async with served({"edge": large, "cloud": large}, http=ANY_PORT) as gateway:
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect((gateway.http_address.host, gateway.http_address.port))
            stuck.sendall(request_bytes(CHAT, said(), headers={"x-gateway-deadline-s": "1"}))
            async with asyncio.timeout(PATIENCE_S):
                while not await sent(gateway.http_address, request_bytes("/healthz", None, method="GET")):
                    continue
