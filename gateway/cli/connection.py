"""Options of the connection to a gateway: address, encryption, API key."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.option_groups import option, setting
from gateway.client.blocking import SyncGatewayClient
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.domain.address import parse_listen

_URL = re.compile("https?://", re.IGNORECASE)
_SENDABLE = re.compile("[!-~]*")
"""Characters that an API key may have in gRPC metadata."""
API_KEY_VARIABLE = "GATEWAY_API_KEY"
"""Environment variable of the API key; there is no flag, since arguments show in the process list."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The options of every command that calls a running gateway."""

    server: str = setting("127.0.0.1:50051", "HOST:PORT", "The address of the gateway; unix:PATH works too.")
    tls_ca: Path | None = setting(None, "FILE", "Use TLS; trust this authority (PEM).")
    tls_cert: Path | None = option(
        None,
        "FILE",
        "The client's certificate chain (PEM); needs --tls-key.",
        envvar="GATEWAY_TLS_CLIENT_CERT",
    )
    tls_key: Path | None = option(
        None, "FILE", "The key of the client's certificate (PEM).", envvar="GATEWAY_TLS_CLIENT_KEY"
    )

    def checked(self, environ: Mapping[str, str], *, tls_name: str | None = None) -> Connection:
        """Return the connection; raises CommandFailed for a URL and for files that are missing or not PEM.

        `tls_name` is the name in the server's certificate, where the address differs. Raises StartupError for
        an invalid address.
        """
        if _URL.match(self.server):
            raise CommandFailed(
                "--server is a URL: give HOST:PORT alone, and --tls-ca FILE for TLS", status=MISUSED
            )
        parse_listen(self.server, flag="--server")
        ca, cert, key = self.tls_ca, self.tls_cert, self.tls_key
        if (cert is None) != (key is None) or (cert is not None and ca is None):
            raise CommandFailed("--tls-cert needs --tls-key and --tls-ca", status=MISUSED)
        if tls_name is not None and ca is None:
            raise CommandFailed("--tls-name needs --tls-ca", status=MISUSED)
        tls = None
        if ca is not None:
            _check(ca, cert, key)
            tls = ClientTls(ca=_read(ca), name=tls_name, cert=_read(cert), key=_read(key))
        return Connection(server=self.server, tls=tls, api_key=_api_key(environ))


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
