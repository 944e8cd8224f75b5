"""The gRPC server as a whole: bind, serve, close."""

import asyncio
import math

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.clock import Clock
from gateway.domain.address import Address, ListenSettings, OwnerOnly, claim, make_way
from gateway.errors import StartupError
from gateway.server.access import Access
from gateway.server.calls import Calls
from gateway.server.grpc.connection_limits import channel_limits
from gateway.server.grpc.credentials import server_credentials
from gateway.server.grpc.health import GrpcHealth
from gateway.server.grpc.middleware import SERVICE, RpcMiddleware
from gateway.server.grpc.reflection import add_reflection
from gateway.server.grpc.service import add_service
from gateway.tasks import child

MOST_BYTES = 2**31 - 1
"""No message of gRPC is larger, so that a bound above it bounds nothing."""


class GrpcServer:
    """Serves the contract, health and reflection on one address."""

    def __init__(
        self,
        calls: Calls,
        *,
        listen: ListenSettings,
        access: Access,
        checks: GrpcHealth,
        shares_port: bool = False,
        clock: Clock,
    ) -> None:
        """Make a server whose calls are among `calls`; `checks` answer health checks.

        With `shares_port` other processes listen on the same address; the kernel spreads connections.
        """
        self.address = listen.address
        self._closing: asyncio.Task[None] | None = None
        self._shares_port = shares_port
        self._credentials = None if access.tls is None else server_credentials(access.tls)
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(shares_port)),
                ("grpc.max_receive_message_length", min(listen.max_request_bytes, MOST_BYTES)),
                *channel_limits(shares_port=shares_port),
            ]
        )
        add_service(self._server, RpcMiddleware(calls, clock=clock))
        health_pb2_grpc.add_HealthServicer_to_server(checks, self._server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        add_reflection(self._server, names, guard=access.guard)

    @property
    def target(self) -> str:
        """Where it listens, as gRPC takes it."""
        return self.address.target

    @property
    def port(self) -> int:
        """The port that it listens on; 0 for a unix socket."""
        return self.address.port

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        self.address = self._bound(self.address)
        await self._server.start()

    def _bound(self, address: Address) -> Address:
        """Return the address with its port; only the gateway's own user may connect to a unix socket."""
        try:
            if address.path is not None:
                make_way(address.path)
                with OwnerOnly():
                    self._bind(address)
                return address
            if not self._shares_port:
                claim(address)
            return Address(address.host, self._bind(address))
        except RuntimeError:
            why = "" if address.path is None else ": is the path too long, or its folder missing or not ours?"
            raise StartupError(
                f"--listen {address.target}: cannot be bound; choose another address{why}"
            ) from None

    def _bind(self, address: Address) -> int:
        if self._credentials is None:
            return self._server.add_insecure_port(address.target)
        return self._server.add_secure_port(address.target, self._credentials)

    async def stop_accepting(self) -> None:
        """Refuse new connections and calls; what is in flight goes on."""
        self._closing = child(self._server.stop(math.inf), name="end of the gRPC server")

    async def close(self) -> None:
        """Cancel what is left, watchers of health too, and return when every connection is closed."""
        await self._server.stop(0)
        if self._closing is not None:
            await self._closing
