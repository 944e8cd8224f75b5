"""The gRPC server as a whole: bind, serve, drain."""

import asyncio
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.clock import Clock
from gateway.domain.address import Address, ListenSettings, OwnerOnly, claim, make_way
from gateway.errors import StartupError
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.grpc.api_keys import Access
from gateway.server.grpc.connection_limits import channel_limits
from gateway.server.grpc.health import Health
from gateway.server.grpc.middleware import RpcMiddleware
from gateway.server.grpc.reflection import add_reflection
from gateway.server.grpc.service import SERVICE, add_service
from gateway.tasks import child
from gateway.telemetry.report import Observer
from gateway.telemetry.traces import NO_SPAN, Tracer

MOST_BYTES = 2**31 - 1
"""No message of gRPC is larger, so that a bound above it bounds nothing."""


class GatewayServer:
    """Serves the contract, health and reflection on one address."""

    def __init__(
        self,
        active: ActivePolicy,
        *,
        listen: ListenSettings,
        access: Access,
        health: Health,
        observers: Sequence[Observer] = (),
        tracer: Tracer = NO_SPAN,
        shares_port: bool = False,
        clock: Clock,
    ) -> None:
        """Make a server; `observers` are told of each call that is over.

        With `shares_port` other processes listen on the same address; the kernel spreads connections.
        """
        self.health = health
        self.address = listen.address
        self._stopped = False
        self._listen = listen
        self._shares_port = shares_port
        self._tls = access.tls
        self._clock = clock
        self._middleware = RpcMiddleware(
            active, clock=clock, tenant_of=access.tenant_of, observers=observers, tracer=tracer
        )
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(shares_port)),
                ("grpc.max_receive_message_length", min(listen.max_request_bytes, MOST_BYTES)),
                *channel_limits(shares_port=shares_port),
            ]
        )
        add_service(self._server, self._middleware)
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, self._server)
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

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        await self._middleware.wait_idle()

    @property
    def in_flight(self) -> int:
        """How many calls are not over."""
        return self._middleware.in_flight

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        self.address = self._bound(self._listen.address)
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
        if self._tls is None:
            return self._server.add_insecure_port(address.target)
        return self._server.add_secure_port(address.target, self._tls.credentials())

    async def stop(self, *, at_once: bool = False) -> None:
        """End gracefully: health first, then no new work, then calls in flight to their end.

        Watchers of health never end by themselves, so it is our own calls that are waited for. `at_once`
        leaves out the wait for load balancers. A second call does nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        await self.health.drain()
        if not at_once:
            await self._clock.sleep(self._listen.drain_s)
        closing = child(self._server.stop(self._listen.grace_s), name="end of the server")
        idle = child(self._middleware.wait_idle(), name="end of all calls")
        await asyncio.wait({closing, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(0)
        await closing
