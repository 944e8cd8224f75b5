"""TLS for the server, from files that are read again when they change."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from gateway.errors import StartupError

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the server's chain and key; an authority of client certificates, where they are needed."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def paths(self) -> tuple[Path, ...]:
        """Return the files that there are."""
        return tuple(path for path in (self.cert, self.key, self.client_ca) if path is not None)


class ServerTls:
    """Credentials that follow their files: a new certificate is used from the next handshake on."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._stamp()
        self._first = _load(files)

    def credentials(self) -> grpc.ServerCredentials:
        """Return what gRPC listens with."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._fetch,  # type: ignore[arg-type]  # None says "no change"; the stub leaves it out.
            require_client_authentication=self._files.client_ca is not None,
        )

    def _stamp(self) -> tuple[tuple[int, int], ...] | None:
        try:
            return tuple((stat.st_mtime_ns, stat.st_ino) for stat in map(Path.stat, self._files.paths()))
        except OSError:
            return None

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Return a new configuration, or None to go on with the last one; called at each handshake."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            loaded = _load(self._files)
        except StartupError as error:
            _log.error("tls.refused", error=str(error))
            return None
        _log.info("tls.loaded", cert=str(self._files.cert))
        return loaded


def _load(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    """Read and check the files; raises StartupError naming the one that is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.cert, files.key, password="")  # Else OpenSSL asks the terminal for one.
    except OSError as error:  # ssl.SSLError is one.
        what = (
            "is no PEM pair of certificate and unencrypted key"
            if isinstance(error, ssl.SSLError)
            else error.strerror
        )
        raise StartupError(f"--tls-cert {files.cert}, --tls-key {files.key}: {what}") from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except OSError as error:
            what = "has no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise StartupError(f"--tls-client-ca {files.client_ca}: {what}") from None
    roots = files.client_ca.read_bytes() if files.client_ca is not None else None
    return grpc.ssl_server_certificate_configuration(
        [(files.key.read_bytes(), files.cert.read_bytes())], root_certificates=roots
    )
