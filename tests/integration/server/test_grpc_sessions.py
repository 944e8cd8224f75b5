"""Sessions of TLS that gRPC resumes, and the authorities that were taken away meanwhile."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from gateway.server.access import by_credentials
from gateway.server.tls import TlsFiles
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.served import served

RULE = by_credentials(keys=None, takes_certificates=True)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
"""What a client of HTTP/2 begins with: the server answers with its settings."""


class Met(NamedTuple):
    """How a connection went."""

    is_heard: bool
    is_resumed: bool
    session: ssl.SSLSession | None


def _meet(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Met:
    """Connect, and wait for the server's first bytes: in TLS 1.3 they say whether it took the certificate."""
    with socket.create_connection(("127.0.0.1", port), timeout=30.0) as bare:
        try:
            with context.wrap_socket(bare, server_hostname="127.0.0.1", session=session) as connection:
                connection.sendall(PREFACE)
                is_heard = bool(connection.recv(64))
                return Met(is_heard, bool(connection.session_reused), connection.session)
        except OSError:  # ssl.SSLError is one.
            return Met(is_heard=False, is_resumed=False, session=None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_outlives_its_authority(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A session is resumed as long as the authority of its certificate is trusted, and not once more."""
    server, old, new = trustme.CA(), trustme.CA(), trustme.CA()
    files = TlsFiles(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem", client_ca=tmp_path / "ca.pem")
    server_pair = server.issue_cert("127.0.0.1")
    files.cert.write_bytes(b"".join(part.bytes() for part in server_pair.cert_chain_pems))
    files.key.write_bytes(server_pair.private_key_pem.bytes())
    (tmp_path / "ca.pem").write_bytes(old.cert_pem.bytes())
    context = ssl.create_default_context(cadata=server.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    old.issue_cert("a@example.org", common_name="acme").configure_cert(context)
    backends = {name: ScriptedBackend(name, [reply("hi")]) for name in ("edge", "cloud")}

    async with served(backends, tls=files, tenant_of=RULE) as gateway:
        port = gateway.server.port
        first = await asyncio.to_thread(_meet, port, context, None)
        again = await asyncio.to_thread(_meet, port, context, first.session)
        assert (first.is_heard, again.is_heard, again.is_resumed) == (True, True, True)

        (tmp_path / "ca.pem").write_bytes(new.cert_pem.bytes())
        for session in (first.session, again.session, None):
            late = await asyncio.to_thread(_meet, port, context, session)
            assert not late.is_heard
