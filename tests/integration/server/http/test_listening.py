"""Where the doors over HTTP are, what they let in, and how they close."""

import asyncio
import ssl
import stat
from pathlib import Path

import aiohttp
import pytest
import trustme

from gateway.domain.answer import Chunk
from gateway.errors import StartupError, Unauthenticated
from gateway.server.access import Caller, Identity
from gateway.server.http import connection
from gateway.server.tls import TlsFiles
from gateway.tasks import child
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.openai_client import ended
from tests.support.policies import POLICY
from tests.support.raw_http import (
    CHAT,
    PATIENCE_S,
    answered,
    connected,
    exchanged,
    request_bytes,
    said,
    socket_of,
)
from tests.support.served import ANY_PORT, served
from tests.support.waiting import until

PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 60}")
LIMIT = 2000
SHALLOW = 30
CHUNKED = {"transfer-encoding": "chunked"}


def models(step: Step | None = None) -> dict[str, ScriptedBackend]:
    """Return models that say hi."""
    script = reply("hi") if step is None else step
    return {name: ScriptedBackend(name, lambda _: script) for name in ("edge", "cloud")}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/openai/deployments/edge/chat/completions?api-version=2024-10-21",
    ],
)
async def test_paths_that_clients_make_lead_to_chat_completions(path: str) -> None:
    """With /v1, without, doubled, and Azure's, whose path names the model."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await exchanged(gateway.http_address, path, said())
    assert told.status == 200
    assert told.json["model"] == "edge"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/nothing", 404, "there is nothing at this path"),
        ("GET", "/", 200, ""),
        ("HEAD", "/", 200, ""),
        ("HEAD", "/v1/chat/completions", 200, ""),
        ("GET", "/healthz", 200, ""),
        ("GET", "/readyz", 200, ""),
        ("GET", "/v1/chat/completions", 405, "this path takes POST"),
        ("POST", "/v1/completions", 404, "ask /v1/chat/completions"),
        ("POST", "/v1/completions", 404, "a gap (suffix)"),
        ("GET", "/v1/embeddings", 405, "this path takes POST"),
        ("OPTIONS", "/v1/chat/completions", 403, ""),
    ],
)
async def test_what_is_not_served_is_said(method: str, path: str, status: int, words: str) -> None:
    """In the shape of errors that clients read."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await exchanged(gateway.http_address, path, b"{}", method=method)
    assert told.status == status
    if words:
        assert words in told.json["error"]["message"]
        assert told.json["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "headers", "status", "param"),
    [
        (said("x" * LIMIT), {}, 413, "body"),
        (b"%x\r\n%s\r\n0\r\n\r\n" % (2 * LIMIT, b"x" * 2 * LIMIT), CHUNKED, 413, "body"),
        (b"not JSON", {}, 400, "body"),
        (b"[1]", {}, 400, "body"),
        (b'{"a": NaN}', {}, 400, "body"),
        (b"[" * LIMIT, {}, 400, "body"),
        (b'"\xff"', {}, 400, "body"),
        (said(), {"content-encoding": "gzip"}, 400, "content-encoding"),
        (said(), {"x-gateway-nothing": "1"}, 400, "x-gateway-nothing"),
    ],
)
async def test_a_body_that_cannot_be_taken_is_refused(
    body: bytes, headers: dict[str, str], status: int, param: str
) -> None:
    """Before a model is asked, in the dialect's shape; nothing is unpacked, however small it is."""
    backends = models()
    async with served(backends, http=ANY_PORT, max_request_bytes=LIMIT) as gateway:
        told = await exchanged(gateway.http_address, CHAT, body, headers=headers)
        again = await exchanged(gateway.http_address, CHAT, said())
    assert (told.status, told.json["error"]["param"]) == (status, param)
    assert again.status == 200
    assert len(backends["edge"].calls) == 1


@pytest.mark.parametrize("depth", [SHALLOW, 150, 300, 600, 900, 960, 990, 5000])
@pytest.mark.parametrize("member", ["tools", "response_format", "metadata"])
async def test_a_body_that_is_nested_deep_is_refused(member: str, depth: int) -> None:
    """Wherever, and also where Python's own stack would hold it."""
    schema = b'{"a":' * depth + b"1" + b"}" * depth
    inner = {
        "tools": b'[{"type":"function","function":{"name":"f","parameters":%s}}]',
        "response_format": b'{"type":"json_schema","json_schema":{"schema":%s}}',
        "metadata": b"[%s]",
    }[member] % schema
    body = b'{"messages":[{"role":"user","content":"hello"}],"%s":%s}' % (member.encode(), inner)
    async with served(models(), http=ANY_PORT) as gateway:
        told = await exchanged(gateway.http_address, CHAT, body)
    assert told.status == (200 if depth == SHALLOW else 400)


async def test_a_body_that_does_not_come_is_not_waited_for_beyond_the_deadline() -> None:
    """A caller that sends half of a request holds no call for ever."""
    async with (
        served(models(), http=ANY_PORT) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        sent = request_bytes(CHAT, said(), headers={"x-gateway-deadline-s": "0.5"})
        writer.write(sent[:-10])
        told = await answered(reader)
    assert (told.status, told.json["error"]["code"]) == (504, "deadline")


@pytest.mark.parametrize("sent", [b"", request_bytes(CHAT, said())[:30]])
async def test_a_connection_without_a_request_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds connections by sending nothing, or half of the headers."""
    monkeypatch.setattr(connection, "IDLE_S", 0.2)
    async with (
        served(models(), http=ANY_PORT) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""


async def test_a_stranger_is_refused_before_its_body_is_read() -> None:
    """Its bytes cost nothing."""

    def nobody(_: Caller) -> Identity:
        raise Unauthenticated("no key")

    async with (
        served(models(), http=ANY_PORT, tenant_of=nobody) as gateway,
        connected(gateway.http_address) as (reader, writer),
    ):
        writer.write(request_bytes(CHAT, said("x" * LIMIT))[:300])
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
    assert b" 401 " in head
    assert b"x-should-retry: false" in head.lower()


async def test_a_unix_socket_is_served_and_taken_away(tmp_path: Path) -> None:
    """No other user may connect."""
    address = socket_of(tmp_path / "http.sock")
    assert address.path is not None
    async with served(models(), http=address):
        assert stat.S_IMODE(address.path.stat().st_mode) == 0o600
        assert (await exchanged(address, CHAT, said())).status == 200
    assert not address.path.exists()


async def test_a_port_that_is_taken_is_named_with_its_flag() -> None:
    """The gateway does not start."""
    async with served(models(), http=ANY_PORT) as gateway:
        with pytest.raises(StartupError, match=r"--http .*in use; choose another"):
            async with served(models(), http=gateway.http_address):
                pass


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs certificates."""
    return trustme.CA()


def _write(files: TlsFiles, authority: trustme.CA) -> str:
    """Write a new certificate; return its serial number."""
    pair = authority.issue_cert("127.0.0.1")
    files.cert.write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
    files.key.write_bytes(pair.private_key_pem.bytes())
    details = ssl._ssl._test_decode_cert(str(files.cert))  # type: ignore[attr-defined]
    return str(details["serialNumber"])


async def test_tls_follows_its_files(tmp_path: Path, authority: trustme.CA) -> None:
    """A certificate that was renewed is shown to the next connection, without a restart."""
    files = TlsFiles(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    first = _write(files, authority)
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    async with served(models(), http=ANY_PORT, tls=files) as gateway:

        async def serial() -> str:
            async with connected(gateway.http_address, tls=trust) as (reader, writer):
                shown = writer.get_extra_info("peercert")["serialNumber"]
                writer.write(request_bytes(CHAT, said()))
                assert (await answered(reader)).status == 200
            return str(shown)

        assert await serial() == first
        second = _write(files, authority)
        assert second != first
        assert await serial() == second


async def test_a_drain_lets_calls_end_and_takes_no_more() -> None:
    """What was asked is answered whole; who comes later finds nobody, and probes are told."""
    step: Step = [Chunk(text="one "), Delay(1.0), Chunk(text="two"), ended()]
    async with served(models(step), http=ANY_PORT, policy=PATIENT, grace_s=60.0) as gateway:
        address = gateway.http_address
        async with connected(address) as idle, connected(address) as (reader, writer):
            idle[1].write(request_bytes("/readyz", None, method="GET", headers={"connection": "keep-alive"}))
            await idle[0].readuntil(b'"ready"}')
            writer.write(request_bytes(CHAT, said(stream=True), headers={"connection": "keep-alive"}))
            await reader.readuntil(b"one ")
            draining = child(gateway.gateway.servers.drain(), name="drain")
            assert await idle[0].read() == b""
            with pytest.raises(ConnectionError):
                async with connected(address):
                    pass
            rest = await reader.read()
            assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            await draining


async def test_calls_that_outlive_the_grace_are_cut() -> None:
    """Their bodies have no end, so that nobody takes them for whole."""
    step: Step = [Chunk(text="one "), Delay(3600.0), ended()]
    backends = models(step)
    async with served(backends, http=ANY_PORT, policy=PATIENT, grace_s=0.1) as gateway:
        async with connected(gateway.http_address) as (reader, writer):
            writer.write(request_bytes(CHAT, said(stream=True)))
            await reader.readuntil(b"one ")
            await gateway.gateway.servers.drain()
            assert not (await reader.read()).endswith(b"0\r\n\r\n")
        await until(lambda: bool(backends["edge"].stopped))


async def test_pages_of_the_policys_origins_may_ask() -> None:
    """A preflight needs no key and is given what it asks for; errors, too, can be read by the page."""
    policy = POLICY + 'http: {cors_origins: ["https://chat.example"]}\n'
    asked = {"origin": "https://chat.example", "access-control-request-headers": "authorization, x-own"}
    async with served(models(), http=ANY_PORT, policy=policy) as gateway:
        preflight = await exchanged(gateway.http_address, CHAT, method="OPTIONS", headers=asked)
        error = await exchanged(gateway.http_address, CHAT, b"-", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization, x-own"
    assert error.headers["access-control-allow-origin"] == "https://chat.example"


async def test_a_connection_serves_many_requests() -> None:
    """Errors do not end it."""
    async with (
        served(models(), http=ANY_PORT) as gateway,
        aiohttp.ClientSession(gateway.http_url, connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        for body, status in ((said(), 200), (b"-", 400), (said(stream=True), 200), (said(), 200)):
            async with session.post(CHAT, data=body) as response:
                assert response.status == status
                assert await response.read()
