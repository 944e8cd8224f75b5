"""Options of the connection to a gateway: address, encryption, API key."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.client.blocking import SyncGatewayClient
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.domain.address import parse_listen

_URL = re.compile("https?://", re.IGNORECASE)
_SENDABLE = re.compile("[!-~]*")
"""Characters that an API key may have in gRPC metadata."""
API_KEY_VARIABLE = "GATEWAY_API_KEY"
"""Environment variable of the API key; there is no flag, since arguments show in the process list."""

TlsCa = Annotated[
    Path | None,
    typer.Option(envvar="GATEWAY_TLS_CA", metavar="FILE", help="Use TLS; trust this authority (PEM)."),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="GATEWAY_TLS_CLIENT_CERT",
        metavar="FILE",
        help="The client's certificate chain (PEM); needs --tls-key.",
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        envvar="GATEWAY_TLS_CLIENT_KEY",
        metavar="FILE",
        help="The key of the client's certificate (PEM).",
    ),
]
TlsName = Annotated[
    str | None,
    typer.Option(
        "--tls-name",
        envvar="GATEWAY_TLS_NAME",
        metavar="NAME",
        help="The name in the server's certificate, where --server differs, such as on the same host.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Address and credentials of a connection to a gateway."""

    server: str
    tls: ClientTls | None
    api_key: str | None = field(repr=False)

    def client(self) -> GatewayClient:
        """Return a client for an event loop."""
        return GatewayClient(self.server, tls=self.tls, api_key=self.api_key)

    def blocking_client(self) -> SyncGatewayClient:
        """Return a client for code without an event loop."""
        return SyncGatewayClient(self.server, tls=self.tls, api_key=self.api_key)


def connect(server: str, **options: Any) -> GatewayClient:
    """Return an async client; arguments and errors are those of `connection`."""
    return connection(server, **options).client()


def connection(
    server: str,
    *,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_name: str | None = None,
    environ: Mapping[str, str],
) -> Connection:
    """Check the options; raises CommandFailed for a URL and for files that are missing or not PEM.

    Raises StartupError for an invalid address.
    """
    if _URL.match(server):
        raise CommandFailed(
            "--server is a URL: give HOST:PORT alone, and --tls-ca FILE for TLS", status=MISUSED
        )
    parse_listen(server, flag="--server")
    if (tls_cert is None) != (tls_key is None) or (tls_cert is not None and tls_ca is None):
        raise CommandFailed("--tls-cert needs --tls-key and --tls-ca", status=MISUSED)
    if tls_name is not None and tls_ca is None:
        raise CommandFailed("--tls-name needs --tls-ca", status=MISUSED)
    tls = None
    if tls_ca is not None:
        _check(tls_ca, tls_cert, tls_key)
        tls = ClientTls(ca=_read(tls_ca), name=tls_name, cert=_read(tls_cert), key=_read(tls_key))
    return Connection(server=server, tls=tls, api_key=_api_key(environ))


def _api_key(environ: Mapping[str, str]) -> str | None:
    """Return the key without surrounding whitespace; raises CommandFailed."""
    key = environ.get(API_KEY_VARIABLE, "").strip()
    if not _SENDABLE.fullmatch(key):
        raise CommandFailed(
            f"{API_KEY_VARIABLE} holds a character that no API key has; make a key: gateway keys new",
            status=MISUSED,
        )
    return key or None


def _check(ca: Path, cert: Path | None, key: Path | None) -> None:
    """Raise CommandFailed for a file that is not PEM: gRPC would only report that nothing answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # Includes ssl.SSLError.
        what = "has no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise CommandFailed(f"--tls-ca {ca}: {what}", status=MISUSED) from None
    if cert is None or key is None:
        return
    try:
        context.load_cert_chain(cert, key, password="")
    except OSError as error:
        what = (
            "is no PEM pair of certificate and unencrypted key"
            if isinstance(error, ssl.SSLError)
            else error.strerror
        )
        raise CommandFailed(f"--tls-cert {cert}, --tls-key {key}: {what}", status=MISUSED) from None


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}", status=MISUSED) from None
