"""Nothing that a provider sends in one call comes back in the next one, which may be another tenant's."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from gateway.backends.http import client
from gateway.errors import BackendError, BackendProtocol
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, http, streamed, whole
from tests.support.provider_bytes import plain, wire
from tests.support.provider_bytes import whole as reply

OURS = "an answer of its own"
THEIRS = "an answer to somebody else"
COOKIES = [
    "Set-Cookie: sid=8c1f; Path=/; HttpOnly",
    "Set-Cookie: lb=a3; Path=/v1; Domain=localhost; SameSite=None",
    "set-cookie: day=1; Max-Age=86400",
]

ASKS = pytest.mark.parametrize("ask", [whole, streamed])


def answer(ask: Ask, text: str, *headers: str) -> bytes:
    """Return a whole HTTP response that keeps its connection open."""
    if ask is whole:
        return http(200, json.dumps(reply(text)).encode(), *headers)
    return http(200, wire(plain([text])), *headers, content_type="text/event-stream")


@ASKS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_cookie_is_not_sent_back(ask: Ask, host: str) -> None:
    """It would tie the calls of all tenants together at the provider, or route them by one of them."""
    async with RawServer(answer(ask, OURS, *COOKIES)).serve() as server:
        async with backend_at(server.base_url.replace("127.0.0.1", host)) as backend:
            for _ in range(3):
                assert (await ask(backend, call_of())).text == OURS
        assert len(server.received) == 3
        assert not [head for head in server.received if b"cookie" in head.lower()]


@ASKS
@pytest.mark.parametrize("status", [307, 400, 429, 503])
async def test_a_cookie_of_a_refusal_is_not_sent_back(ask: Ask, status: int) -> None:
    """A refusal is an answer like any other."""
    async with RawServer(http(status, b"{}", *COOKIES)).serve() as server:
        async with backend_at(server.base_url.replace("127.0.0.1", "localhost")) as backend:
            for _ in range(2):
                with pytest.raises(BackendError):
                    await ask(backend, call_of())
        assert not [head for head in server.received if b"cookie" in head.lower()]


@ASKS
@pytest.mark.parametrize("parts", [1, 2])
async def test_an_answer_that_nobody_asked_for_is_given_to_nobody(ask: Ask, parts: int) -> None:
    """A provider that sends one answer too many would be one behind from then on, for everybody."""
    leftover = answer(ask, THEIRS)
    async with RawServer(answer(ask, OURS)).serve() as server, backend_at(server.base_url) as backend:
        for _ in range(3):
            assert (await ask(backend, call_of())).text == OURS
            (writer,) = [writer for writer in server.writers if not writer.is_closing()]
            for part in range(parts):
                writer.write(leftover[part * len(leftover) // parts : (part + 1) * len(leftover) // parts])
                for _ in range(5):  # What is written over loopback is there in the next turn of the loop.
                    await asyncio.sleep(0)
            server.writers.discard(writer)
        assert server.connections == 3


@ASKS
async def test_a_connection_that_is_clean_is_used_again(ask: Ask) -> None:
    """Opening one takes longer than many an answer."""
    async with RawServer(answer(ask, OURS)).serve() as server, backend_at(server.base_url) as backend:
        for _ in range(3):
            assert (await ask(backend, call_of())).text == OURS
        assert server.connections == 1


async def test_the_certificates_are_read_once_for_all_models() -> None:
    """Reading them takes tens of milliseconds, so that a hundred models would start for seconds."""
    client._tls.cache_clear()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(backend_at("https://127.0.0.1:9/v1"))
        assert client._tls.cache_info()[:2] == (2, 1)  # Twice found, once read.
    assert client._tls().get_ca_certs()


HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@ASKS
async def test_a_few_informational_answers_are_passed_over(ask: Ask) -> None:
    """As HTTP has it, and again in the next call on the connection."""
    async with (
        RawServer(8 * HINT + answer(ask, OURS)).serve() as server,
        backend_at(server.base_url) as backend,
    ):
        for _ in range(3):
            assert (await ask(backend, call_of())).text == OURS


@ASKS
async def test_informational_answers_without_end_are_left(ask: Ask) -> None:
    """They are no answer, and to parse them would keep the event loop busy until the deadline."""
    async with RawServer(1_000 * HINT).serve() as server, backend_at(server.base_url) as backend:
        async with asyncio.timeout(10):
            with pytest.raises(BackendProtocol):
                await ask(backend, call_of())
