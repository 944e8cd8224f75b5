"""Addresses to listen on: what may be said, and whether a port or a socket's path is free."""

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
    """Of the unix socket; host and port say nothing then."""

    @property
    def target(self) -> str:
        """The form that gRPC takes."""
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """What tells it from others of this host in the name of a file: the port, or a hash of the path."""
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
    """Where a gateway takes calls, how large they may be, and how it stops taking them."""

    address: Address
    max_request_bytes: int = 1024 * 1024
    drain_s: float = 5.0
    """How long health says NOT_SERVING before the port closes, so that load balancers notice."""
    grace_s: float = 30.0
    """How long calls in flight may go on after that."""


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

    gRPC's own bind shares a port in silence where SO_REUSEPORT is set on both sides, so the port is first
    bound for this process alone, without that option, and given back.
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
    """Say whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def make_way(path: Path, *, flag: str = "--listen") -> None:
    """Remove the socket that a process left behind; raises StartupError where it is in use or is none."""
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
            raise StartupError(f"{flag} unix:{path}: another process serves there; choose another path")
        path.unlink(missing_ok=True)
    _try(path, flag)


def _try(path: Path, flag: str) -> None:
    """Raise StartupError where no socket can be made: gRPC says why in lines of its own only."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except FileNotFoundError:
            raise StartupError(f"{flag} unix:{path}: its folder does not exist; make it first") from None
        except OSError as error:
            why = error.strerror or "the path is too long"
            raise StartupError(f"{flag} unix:{path}: {why}; choose another path") from None
    path.unlink(missing_ok=True)


class OwnerOnly:
    """While a socket is made, no other user gets leave to connect to it."""

    def __enter__(self) -> None:
        self._before = os.umask(0o177)

    def __exit__(self, *_: object) -> None:
        os.umask(self._before)
