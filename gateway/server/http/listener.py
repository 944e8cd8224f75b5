"""The sockets that connections over HTTP come to, of which a process takes so many and no more."""

import socket
from typing import Any

from gateway.domain.address import Address, OwnerOnly, make_way
from gateway.server.connection_count import most_connections

FILES_SHARE = 0.25
"""Of the files that may be open, what connections over HTTP use at most; those of gRPC may use half."""


class Accepted(socket.socket):
    """A connection that counts until it is closed."""

    def __init__(self, connection: socket.socket, listener: "Listener") -> None:
        family, kind, proto = connection.family, connection.type, connection.proto
        super().__init__(family, kind, proto, fileno=connection.detach())
        self._listener = listener
        listener.connections += 1

    def close(self) -> None:
        """Close it."""
        if self.fileno() >= 0:
            self._listener.connections -= 1
        super().close()


class Listener(socket.socket):
    """Closes what comes while there are too many connections; TLS handshakes count, too."""

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.connections = 0
        """How many are open."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection; raises ConnectionAbortedError, as asyncio expects, for one too many."""
        connection, where = super().accept()
        if self.connections >= most_connections(share=FILES_SHARE):
            connection.close()
            raise ConnectionAbortedError
        return Accepted(connection, self), where


def listeners(address: Address, *, shares_port: bool, flag: str) -> list[Listener]:
    """Return bound sockets, of a name with several addresses one for each; raises OSError or StartupError.

    Where the kernel chooses the port, all have the same. Only the gateway's own user may connect to a unix
    socket.
    """
    if address.path is not None:
        make_way(address.path, flag=flag)
        listener = Listener(socket.AF_UNIX)
        with OwnerOnly():
            listener.bind(str(address.path))
        return [listener]
    found: list[Listener] = []
    try:
        for family, _, _, _, where in socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = Listener(family)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shares_port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            port = found[0].getsockname()[1] if len(found) > 1 else where[1]
            listener.bind((where[0], port, *where[2:]))
    except OSError:
        for listener in found:
            listener.close()
        raise
    return found
