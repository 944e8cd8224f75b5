"""The gRPC server as a whole: bind, serve, drain."""

import asyncio
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.clock import Clock
from gateway.domain.address import Address, OwnerOnly, claim, make_way
from gateway.errors import StartupError
from gateway.extras.mirror.mirror import Mirror
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.grpc.api_keys import TenantRule, anyone
from gateway.server.grpc.connection_limits import channel_limits
from gateway.server.grpc.health import Health
from gateway.server.grpc.middleware import RpcMiddleware
from gateway.server.grpc.reflection import add_reflection
from gateway.server.grpc.service import SERVICE, GatewayService, TakeFeedback, add_service
from gateway.server.grpc.tls import ServerTls
from gateway.telemetry.report import Observer
from gateway.telemetry.traces import NO_SPAN, Tracer

MOST_BYTES = 2**31 - 1
"""No message of gRPC is larger, so that a bound above it bounds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the process decides about its server; none of it is policy."""

    address: Address
    shares_port: bool = False
    """Whether other processes listen on the same address; the kernel spreads connections among them."""
    max_request_bytes: int = 1024 * 1024
    tenant_of: TenantRule = anyone
    """Who is calling."""
    tls: ServerTls | None = None
    """None: not encrypted."""
    drain_s: float = 5.0
    """How long health says NOT_SERVING before the port closes, so that load balancers notice."""
    grace_s: float = 30.0
    """How long calls in flight may go on after that."""
    observers: tuple[Observer, ...] = ()
    """Who is told of each call that is over."""
    tracer: Tracer = NO_SPAN
    """Who draws traces of calls."""
    take_feedback: TakeFeedback | None = None
    """Who takes down what callers say of answers; None: nobody, and callers are told so."""
    mirror: Mirror | None = None
    """Who has a share of requests answered a second time; None: nobody."""
    guards_health: bool = False
    """Whether health and reflection, too, are only for callers with valid credentials."""


class GatewayServer:
    """Serves the contract, health and reflection on one address."""

    def __init__(self, current: ActivePolicy, *, options: ServerOptions, clock: Clock) -> None:
        guard = options.tenant_of if options.guards_health else None
        self.health = Health(guard)
        self.address = options.address
        self._stopped = False
        self._models = tuple(current.pipeline.policy.models)
        self._options = options
        self._clock = clock
        self._boundary = RpcMiddleware(
            clock=clock, tenant_of=options.tenant_of, observers=options.observers, tracer=options.tracer
        )
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(options.shares_port)),
                ("grpc.max_receive_message_length", min(options.max_request_bytes, MOST_BYTES)),
                *channel_limits(shares_port=options.shares_port),
            ]
        )
        service = GatewayService(current, take_feedback=options.take_feedback, mirror=options.mirror)
        add_service(self._server, service, self._boundary)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        add_reflection(self._server, names, guard=guard)

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
        await self._boundary.wait_idle()

    @property
    def in_flight(self) -> int:
        """How many calls are not over."""
        return self._boundary.in_flight

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        await self.health.begin(self._models)
        self.address = self._bound(self._options.address)
        await self._server.start()

    def _bound(self, address: Address) -> Address:
        """Return the address with its port; only the gateway's own user may connect to a unix socket."""
        try:
            if address.path is not None:
                make_way(address.path)
                with OwnerOnly():
                    self._bind(address)
                return address
            if not self._options.shares_port:
                claim(address)
            return Address(address.host, self._bind(address))
        except RuntimeError:
            why = "" if address.path is None else ": is the path too long, or its folder missing or not ours?"
            raise StartupError(
                f"--listen {address.target}: cannot be bound; choose another address{why}"
            ) from None

    def _bind(self, address: Address) -> int:
        if self._options.tls is None:
            return self._server.add_insecure_port(address.target)
        return self._server.add_secure_port(address.target, self._options.tls.credentials())

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
            await self._clock.sleep(self._options.drain_s)
        closing = asyncio.create_task(self._server.stop(self._options.grace_s))
        idle = asyncio.create_task(self._boundary.wait_idle())
        await asyncio.wait({closing, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(0)
        await closing
