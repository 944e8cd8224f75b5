"""Addresses to listen on: parsing, and checks that a port or socket path is free."""

import hashlib
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StartupError

MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, as `HOST:PORT` or `[HOST]:PORT`; port 0 lets the kernel choose. Or a unix socket."""

    host: str
    port: int
    path: Path | None = None
    """Path of the unix socket; host and port are unused then."""

    @property
    def target(self) -> str:
        """The address in gRPC's form."""
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """A name for files, unique on this host: the port, or a hash of the path."""
        return str(self.port) if self.path is None else hashlib.sha256(bytes(self.path)).hexdigest()[:12]

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """Where a gateway listens, how large requests may be, and how it shuts down."""

    address: Address
    max_request_bytes: int = 1024 * 1024
    drain_s: float = 5.0
    """Seconds of health NOT_SERVING before the port closes, so that load balancers react."""
    grace_s: float = 30.0
    """Seconds that calls in flight may continue after that."""


def parse_address(text: str, *, flag: str = "--listen") -> Address:
    """Return the address that `text` names; raises StartupError with the flag's name."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or "/" in host or not (port.isascii() and port.isdecimal()):
        raise StartupError(f"{flag} {text}: must be HOST:PORT, for example 127.0.0.1:50051 or [::1]:50051")
    if int(port) > MAX_PORT:
        raise StartupError(f"{flag} {text}: must have a port up to {MAX_PORT}")
    return Address(host, int(port))


def parse_listen(text: str, *, flag: str = "--listen") -> Address:
    """Return the address that `unix:PATH` or `HOST:PORT` names; raises StartupError with the flag's name."""
    if not text.startswith("unix:"):
        return parse_address(text, flag=flag)
    path = text.removeprefix("unix:")
    if not path:
        raise StartupError(f"{flag} {text}: must be unix:PATH, for example unix:/run/gateway/gateway.sock")
    return Address("localhost", 0, Path(path).absolute())


def claim(address: Address, *, flag: str = "--listen") -> None:
    """Raise StartupError unless the port is free.

    gRPC's own bind silently shares a port if both sides set SO_REUSEPORT, so the port is first bound without
    that option and released.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        raise refused(address, error, flag=flag) from None


def refused(address: Address, error: OSError, *, flag: str = "--listen") -> StartupError:
    """Return the error for an address that cannot be bound."""
    return StartupError(f"{flag} {address.target}: {error.strerror or error}; choose another address or port")


def is_answered(path: Path) -> bool:
    """Return whether a process listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def make_way(path: Path, *, flag: str = "--listen") -> None:
    """Remove a stale socket; raises StartupError if it is in use or is not a socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StartupError(f"{flag} unix:{path}: {error.strerror}; choose another path") from None
    else:
        if not stat.S_ISSOCK(mode):
            what = "folder" if stat.S_ISDIR(mode) else "file"
            raise StartupError(f"{flag} unix:{path}: is a {what}, not a socket; choose another path")
        if is_answered(path):
            raise StartupError(f"{flag} unix:{path}: another process listens there; choose another path")
        path.unlink(missing_ok=True)
    _check_bind(path, flag)


def _check_bind(path: Path, flag: str) -> None:
    """Raise StartupError if no socket can be made; gRPC reports the cause only in its own log."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except FileNotFoundError:
            raise StartupError(f"{flag} unix:{path}: its folder does not exist; create it") from None
        except OSError as error:
            why = error.strerror or "the path is too long"
            raise StartupError(f"{flag} unix:{path}: {why}; choose another path") from None
    path.unlink(missing_ok=True)


class OwnerOnly:
    """Context in which new sockets allow no other user to connect."""

    def __enter__(self) -> None:
        self._before = os.umask(0o177)

    def __exit__(self, *_: object) -> None:
        os.umask(self._before)
