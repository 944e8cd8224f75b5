"""Callers over HTTP that show certificates: whose they are, and whom the gateway no longer believes."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from gateway.domain.address import Address
from gateway.server.access import by_credentials
from gateway.server.tls import TlsFiles
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.raw_http import CHAT, PATIENCE_S, connected, request_bytes, said
from tests.support.served import ANY_PORT, served

RULE = by_credentials(keys=None, takes_certificates=True)


@contextmanager
def _files(folder: Path, server: trustme.CA, clients: trustme.CA) -> Iterator[TlsFiles]:
    files = TlsFiles(cert=folder / "cert.pem", key=folder / "key.pem", client_ca=folder / "clients.pem")
    pair = server.issue_cert("127.0.0.1")
    files.cert.write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
    files.key.write_bytes(pair.private_key_pem.bytes())
    (folder / "clients.pem").write_bytes(clients.cert_pem.bytes())
    yield files


def _context(server: trustme.CA, clients: trustme.CA | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=server.cert_pem.bytes().decode())
    if clients is not None:
        clients.issue_cert("a@example.org", common_name="acme").configure_cert(context)
    return context


async def _status(address: Address, context: ssl.SSLContext) -> int | None:
    """Return the status of a request; None where the gateway hangs up on who asks."""
    try:
        async with connected(address, tls=context) as (reader, writer):
            writer.write(request_bytes(CHAT, said()))
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n")
            return int(head.split(b" ")[1])
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return None


async def test_a_certificate_names_the_tenant_while_its_authority_is_trusted(tmp_path: Path) -> None:
    """Whoever has none, or one of another authority, is not heard; a new list counts immediately."""
    server, old, new = trustme.CA(), trustme.CA(), trustme.CA()
    backends = {name: ScriptedBackend(name, lambda _: reply("hi")) for name in ("edge", "cloud")}
    with _files(tmp_path, server, old) as files:
        async with served(backends, http=ANY_PORT, tls=files, tenant_of=RULE) as gateway:
            address = gateway.http_address
            assert await _status(address, _context(server, None)) is None
            assert await _status(address, _context(server, new)) is None
            outdated = _context(server, old)
            outdated.maximum_version = ssl.TLSVersion.TLSv1_2  # In which sessions would be resumed.
            assert await _status(address, outdated) is None
            assert await _status(address, _context(server, old)) == 200
            assert [call.request.tenant for call in backends["edge"].calls] == ["acme"]

            (tmp_path / "clients.pem").write_bytes(new.cert_pem.bytes())
            assert await _status(address, _context(server, new)) == 200
            assert await _status(address, _context(server, old)) is None


def test_no_session_is_resumed_that_a_certificate_began(tmp_path: Path) -> None:
    """Else whoever was let in once would be for hours, whatever authorities were taken away meanwhile."""
    server, clients = trustme.CA(), trustme.CA()
    with _files(tmp_path, server, clients) as files:
        offered = files.context()
    asking = _context(server, clients)
    session: ssl.SSLSession | None = None
    for _ in range(2):
        client = _shaken(offered, asking, session)
        assert not client.session_reused
        session = client.session


def _shaken(offered: ssl.SSLContext, asking: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """Return the client's end of a connection in memory, after an exchange of bytes."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = offered.wrap_bio(to_server, to_client, server_side=True)
    client = asking.wrap_bio(to_client, to_server, server_hostname="127.0.0.1", session=session)
    for _ in range(10):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    server.write(b"x")
    assert client.read(1) == b"x"
    return client
