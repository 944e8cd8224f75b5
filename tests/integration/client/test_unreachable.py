"""A connection that cannot be made: what is wrong with it, and the way out, in one line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from gateway.cli.app import run
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.client.failure import CallFailed, Unreachable
from gateway.client.prompt import prompt
from gateway.server.tls import TlsFiles
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.served import served


@dataclass(frozen=True)
class _Authority:
    """An authority, and where its files are."""

    ca: trustme.CA
    folder: Path

    @property
    def pem(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, *, wants_certificates: bool = False) -> TlsFiles:
        """Return TLS for a server named localhost."""
        certificate = self.ca.issue_cert("localhost")
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        certificate.private_key_pem.write_to_path(key)
        cert.write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
        return TlsFiles(cert=cert, key=key, client_ca=self.pem if wants_certificates else None)


@pytest.fixture
def authority(tmp_path: Path) -> _Authority:
    """An authority of this test alone."""
    made = _Authority(trustme.CA(), tmp_path)
    made.ca.cert_pem.write_to_path(made.pem)
    return made


@asynccontextmanager
async def _listening(tls: TlsFiles | None) -> AsyncIterator[int]:
    backends = {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}
    async with served(backends, tls=tls) as gateway:
        yield gateway.server.port


@asynccontextmanager
async def _http_server() -> AsyncIterator[int]:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _hint(target: str, ca: trustme.CA | None = None) -> str:
    tls = None if ca is None else ClientTls(ca=ca.cert_pem.bytes())
    async with GatewayClient(target, tls=tls) as client:
        with pytest.raises(CallFailed) as caught:
            await client.generate(prompt("hello"), timeout_s=20)
    assert isinstance(caught.value, Unreachable)
    assert caught.value.diagnosis in str(caught.value)
    return caught.value.hint


async def test_each_way_not_to_connect_has_its_hint(authority: _Authority) -> None:
    """TLS where there is none and none where there is, another authority, another name, another protocol."""
    async with _listening(authority.server()) as port:
        assert "needs TLS (--tls-ca)" in await _hint(f"localhost:{port}")
        assert "trust the authority" in await _hint(f"localhost:{port}", trustme.CA())
        assert "name that the server's certificate has" in await _hint(f"127.0.0.1:{port}", authority.ca)
    async with _listening(authority.server(wants_certificates=True)) as port:
        assert "(--tls-cert)" in await _hint(f"localhost:{port}", authority.ca)
    async with _listening(None) as port:
        assert "does not speak TLS" in await _hint(f"localhost:{port}", authority.ca)
        assert "without http://" in await _hint(f"http://127.0.0.1:{port}")
    async with _http_server() as port:
        assert "speaks HTTP/1" in await _hint(f"127.0.0.1:{port}")
    assert await _hint("127.0.0.1:1") == Unreachable.default_hint


@pytest.mark.parametrize("command", [("generate", "hi"), ("generate", "--stream", "hi"), ("health",)])
async def test_a_port_with_tls_is_named_by_the_command(
    command: tuple[str, ...], authority: _Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line does not advise to start a gateway where one runs."""
    async with _listening(authority.server()) as port:
        assert await asyncio.to_thread(run, [*command, "--server", f"localhost:{port}"]) == 1
    said = capsys.readouterr().err
    assert "the server closes the connection: it needs TLS (--tls-ca)" in said
    assert "gateway serve" not in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("wants_certificates", [False, True], ids=["tls", "mutual-tls"])
async def test_the_health_check_of_a_container_works_with_tls(
    authority: _Authority,
    wants_certificates: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`gateway health` asks at 127.0.0.1, under which no certificate is; variables say the rest."""
    ours = authority.ca.issue_cert(common_name="health")
    ours.cert_chain_pems[0].write_to_path(authority.folder / "ours.pem")
    ours.private_key_pem.write_to_path(authority.folder / "ours.key")
    async with _listening(authority.server(wants_certificates=wants_certificates)) as port:
        monkeypatch.setenv("GATEWAY_SERVER", f"127.0.0.1:{port}")
        monkeypatch.setenv("GATEWAY_TLS_CA", str(authority.pem))
        if wants_certificates:
            monkeypatch.setenv("GATEWAY_TLS_CLIENT_CERT", str(authority.folder / "ours.pem"))
            monkeypatch.setenv("GATEWAY_TLS_CLIENT_KEY", str(authority.folder / "ours.key"))
        without_name = await asyncio.to_thread(run, ["health"])
        monkeypatch.setenv("GATEWAY_TLS_NAME", "localhost")
        with_name = await asyncio.to_thread(run, ["health"])

    said = capsys.readouterr()
    assert (without_name, with_name, said.out) == (1, 0, "SERVING\n")
    assert "name that the server's certificate has" in said.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:50051", "https://user:secret@host", "HTTP://x/v1"])
@pytest.mark.parametrize("command", [("generate", "hi"), ("health",), ("feedback", "id", "--score", "1")])
def test_a_url_is_no_server(url: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The form that is wanted is said, and no password that stands in the URL."""
    assert run([*command, "--server", url]) == 2
    assert capsys.readouterr().err == (
        "gateway: --server is a URL: give HOST:PORT alone, and --tls-ca FILE for TLS\n"
    )
