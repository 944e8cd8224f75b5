"""The files of TLS, for every transport: checked at the start, and read again when they change."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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

    def load(self) -> "CertificateChain":
        """Read and check the files; raises StartupError naming the one that is wrong."""
        self.context()
        return CertificateChain(
            cert=self.cert.read_bytes(),
            key=self.key.read_bytes(),
            client_ca=None if self.client_ca is None else self.client_ca.read_bytes(),
        )

    def context(self) -> ssl.SSLContext:
        """Return the context of a server that uses Python's ssl; raises StartupError as `load` does.

        Where certificates are needed no session is resumed: a resumed one is not checked against the
        authorities of that moment. In TLS 1.2 Python cannot turn it off, hence TLS 1.3 there.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.cert, self.key, password="")  # Else OpenSSL asks the terminal.
        except OSError as error:  # ssl.SSLError is one.
            what = (
                "is no PEM pair of certificate and unencrypted key"
                if isinstance(error, ssl.SSLError)
                else error.strerror
            )
            raise StartupError(f"--tls-cert {self.cert}, --tls-key {self.key}: {what}") from None
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.num_tickets = 0
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as error:
                what = "has no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
                raise StartupError(f"--tls-client-ca {self.client_ca}: {what}") from None
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """What the files held when they were read, as PEM."""

    cert: bytes
    key: bytes
    client_ca: bytes | None


class WatchedTls:
    """Follows the files for one transport."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._stamp()
        self.first = files.load()

    def changed(self) -> CertificateChain | None:
        """Return what the files hold if they have changed since the last call; None also for wrong ones."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            loaded = self._files.load()
        except StartupError as error:
            _log.error("tls.refused", error=str(error))
            return None
        _log.info("tls.loaded", cert=str(self._files.cert))
        return loaded

    def _stamp(self) -> tuple[tuple[int, int], ...] | None:
        try:
            return tuple((stat.st_mtime_ns, stat.st_ino) for stat in map(Path.stat, self._files.paths()))
        except OSError:
            return None


def followed(files: TlsFiles) -> ssl.SSLContext:
    """Return a context that shows each new connection what the files hold then; raises StartupError."""
    watched, context = WatchedTls(files), files.context()
    newest = context

    def follow(connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
        nonlocal newest
        if watched.changed() is not None:
            with suppress(StartupError):  # They change again: the next connection sees it.
                newest = files.context()
        connection.context = newest

    context.sni_callback = follow  # Asked at every handshake, with a name or without.
    return context
