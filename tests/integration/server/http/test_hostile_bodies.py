"""Bodies that are slow, in crumbs, asked for, or of other protocols: each costs its own sender most."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
from aiohttp.http_exceptions import HttpProcessingError

from gateway.backends.base import Call
from gateway.errors import Unauthenticated
from gateway.server.access import Caller, Identity, TenantRule
from gateway.server.http import body, connection
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import ScriptedBackend, Step, reply
from tests.support.policies import POLICY
from tests.support.raw_http import CHAT, PATIENCE_S, answered, connected, exchanged, request_bytes, said
from tests.support.served import ANY_PORT, served
from tests.support.waiting import until

LIMIT = 100_000
PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 60}")
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
EVE, ACME = {"x-api-key": "gw_eve"}, {"x-api-key": "gw_acme"}


def models() -> dict[str, ScriptedBackend]:
    """Return models that say hi."""
    return {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}


def in_chunks(data: bytes, size: int) -> bytes:
    """Return a body in chunks of a size, with its end."""
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def nobody_is_let_in() -> Iterator[TenantRule]:
    """Refuse everybody."""

    def refuse(_: Caller) -> Identity:
        raise Unauthenticated("no key")

    yield refuse


async def test_a_body_that_trickles_holds_no_slot_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late the deadline, the rest is not waited for; meanwhile others are served as ever."""
    monkeypatch.setattr(body, "BODY_S", 1.0)
    monkeypatch.setattr(connection, "END_S", 0.5)
    policy = PATIENT + "limits: {concurrency: 1, queue: 0}\n"
    reports = list[CallReport]()
    async with (
        served(models(), http=ANY_PORT, policy=policy, observers=(reports.append,)) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        whole = request_bytes(CHAT, said())
        writer.write(whole[:-20])
        await until(lambda: gateway.calls.in_flight == 1)
        assert (await exchanged(gateway.http_address, CHAT, said())).status == 200
        told = asyncio.create_task(answered(reader))
        for byte in whole[-20:-1]:
            writer.write(bytes([byte]))
            await asyncio.wait([told], timeout=0.2)
        assert (await told).json["error"]["code"] == "deadline"
        await until(lambda: gateway.calls.in_flight == 0)
    assert [report.code for report in reports] == ["OK", "DEADLINE_EXCEEDED"]


async def test_bodies_that_are_not_whole_share_memory(
    monkeypatch: pytest.MonkeyPatch, tenant_of: TenantRule
) -> None:
    """One tenant's bodies that never end fill what it may have, and leave the others theirs."""
    monkeypatch.setattr(body, "MOST_BODIES", 10)
    monkeypatch.setattr(connection, "END_S", 0.5)
    large = request_bytes(CHAT, said("x" * (LIMIT - 1000)), headers=EVE)
    async with (
        served(
            models(), http=ANY_PORT, policy=PATIENT, max_request_bytes=LIMIT, tenant_of=tenant_of
        ) as gateway,
        AsyncExitStack() as stack,
    ):
        opened = [await stack.enter_async_context(connected(gateway.http_address)) for _ in range(12)]
        for _, writer in opened:
            writer.write(large[:-1])
        ends = [asyncio.create_task(answered(reader)) for reader, _ in opened]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await until(lambda: gateway.calls.in_flight < 12)
        refused = [end.result() for end in ends if end.done()]
        assert {(each.status, each.json["error"]["code"]) for each in refused} == {(429, "queue_full")}
        assert 0 < len(refused) <= 4
        assert (await exchanged(gateway.http_address, CHAT, said(), headers=ACME)).status == 200
        for end, (_, writer) in zip(ends, opened, strict=True):
            if not end.done():
                writer.write(large[-1:])
        assert [each.status for each in await asyncio.gather(*ends)].count(200) >= 8
        assert (await exchanged(gateway.http_address, CHAT, said(), headers=EVE)).status == 200


async def test_a_body_in_crumbs_is_refused() -> None:
    """Chunks of a few bytes cost the loop a microsecond each; usual ones are taken."""
    cases = ((2000, 1, 400), (60_000, 100, 400), (60_000, 4096, 200), (60_000, 100_000, 200), (60, 2, 200))
    async with served(models(), http=ANY_PORT) as gateway:
        for length, size, status in cases:
            async with connected(gateway.http_address) as (reader, writer):
                writer.write(CHUNKED + in_chunks(said("x" * length), size))
                assert (await answered(reader)).status == status


@pytest.mark.parametrize(
    "rest",
    [b"zz\r\n", b"2\r\n{}junk\r\n", b"2\r\n{}\r\n0\r\nx: " + b"a" * 20_000],
    ids=["size", "end", "trailer"],
)
async def test_a_body_that_is_no_longer_http_is_not_waited_for(rest: bytes) -> None:
    """Its caller is told immediately, and what comes behind is neither read nor kept.

    An error keeps the frames that it passed, with what was received, in a circle that only a collection of
    all garbage frees: strangers could fill the memory with them.
    """
    async with served(models(), http=ANY_PORT, policy=PATIENT) as gateway:
        async with connected(gateway.http_address) as (reader, writer):
            writer.write(CHUNKED)
            await until(lambda: gateway.calls.in_flight == 1)
            writer.write(rest)
            reply = await answered(reader)
            for _ in range(50):
                writer.write(b"a" * 10_000)
        assert reply.status == 400
        assert reply.json["error"]["param"] == "body"
        errors = [each for each in gc.get_objects() if isinstance(each, HttpProcessingError)]
        assert [each for each in errors if each.__traceback__ is not None] == []


async def test_the_rest_of_a_strangers_chunks_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends with the answer. Where a length is told the rest is dropped for a while."""
    monkeypatch.setattr(connection, "END_S", 3600.0)
    with nobody_is_let_in() as rule:
        async with served(models(), http=ANY_PORT, tenant_of=rule) as gateway:
            async with connected(gateway.http_address) as (reader, writer):
                writer.write(CHUNKED.replace(b"close", b"keep-alive") + b"1\r\na\r\n")
                assert (await answered(reader)).status == 401
            async with connected(gateway.http_address) as (reader, writer):
                writer.write(HEAD.replace(b"close", b"keep-alive") + b"content-length: 300000\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
                writer.write(b"x" * 300_000 + request_bytes("/healthz", None, method="GET"))
                assert (await answered(reader)).json == {"status": "ok"}


async def test_a_body_is_asked_for_when_it_is_wanted() -> None:
    """Expect: 100-continue lets strangers keep what nobody will read."""
    expecting = HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(said())
    async with (
        served(models(), http=ANY_PORT) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        writer.write(expecting)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readuntil(b"\r\n\r\n") == body.CONTINUE
        writer.write(said())
        assert (await answered(reader)).status == 200
    monkey = expecting.replace(b"100-continue", b"anything")
    with nobody_is_let_in() as rule:
        async with served(models(), http=ANY_PORT, tenant_of=rule) as gateway:
            for head in (expecting, monkey):
                async with connected(gateway.http_address) as (reader, writer):
                    writer.write(head)
                    async with asyncio.timeout(PATIENCE_S):
                        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
async def test_what_is_compressed_is_not_unpacked(coding: str) -> None:
    """Not even by the library below, and however it is named."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await exchanged(gateway.http_address, CHAT, b"\x1f\x8b", headers={"content-encoding": coding})
    assert (told.status, told.json["error"]["param"]) == (400, "content-encoding")


async def test_streams_need_a_protocol_in_which_a_cut_is_seen() -> None:
    """In HTTP/1.0 the end of the connection is the end of the body, so that half an answer looks whole."""
    backends = models()
    async with served(backends, http=ANY_PORT) as gateway:
        for stream, status in ((True, 400), (False, 200)):
            async with connected(gateway.http_address) as (reader, writer):
                writer.write(request_bytes(CHAT, said(stream=stream)).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
                told = await answered(reader)
            assert told.status == status
            if stream:
                assert told.json["error"]["param"] == "stream"
    assert len(backends["edge"].calls) == 1


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
async def test_no_other_protocol_is_begun(upgrade: str) -> None:
    """What is said of an upgrade changes nothing: bytes of the body are no request, those behind it are."""
    hidden = request_bytes("/v1/hidden", None, method="GET")
    data = request_bytes(CHAT, hidden, headers={"connection": "upgrade", "upgrade": upgrade})
    async with (
        served(models(), http=ANY_PORT) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        async with asyncio.timeout(PATIENCE_S):
            writer.write(data)
            come = await reader.readuntil(b"is not JSON")
            writer.write(request_bytes("/healthz", None, method="GET"))
            come += await reader.read()
    assert come.count(b"HTTP/1.1 400 ") == come.count(b"HTTP/1.1 200 ") == 1
    assert b"404" not in come
    assert come.endswith(b'{"status": "ok"}')


async def test_requests_in_one_piece_are_served_one_after_another() -> None:
    """A connection has one call at a time, however many requests lie behind it."""
    in_flight = list[int]()

    def script(_: Call) -> Step:
        in_flight.append(gateway.calls.in_flight)
        return reply("hi")

    backends = {name: ScriptedBackend(name, script) for name in ("edge", "cloud")}
    async with (
        served(backends, http=ANY_PORT, policy=PATIENT) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        one = request_bytes(CHAT, said(), headers={"connection": "keep-alive"})
        writer.write(one * 200 + request_bytes("/healthz", None, method="GET"))
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.read()).count(b"HTTP/1.1 200 ") == 201
    assert in_flight == [1] * 200
