"""Addresses to listen on: what may be said, and whether a port is free."""

import ipaddress
import socket
from dataclasses import dataclass

from gateway.errors import StartupError


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, as `HOST:PORT` or `[HOST]:PORT`; port 0 lets the kernel choose."""

    host: str
    port: int

    @property
    def target(self) -> str:
        """The form that gRPC takes."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, *, flag: str = "--listen") -> Address:
    """Return the address that `text` names; raises StartupError with the flag's name."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise StartupError(f"{flag} {text}: must be HOST:PORT, for example 127.0.0.1:50051 or [::1]:50051")
    return Address(host, int(port))


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
        reason = error.strerror or str(error)
        raise StartupError(f"{flag} {address.target}: {reason}; choose another address or port") from None
