"""The server of HTTP, where there is to be one."""

from dataclasses import replace

from gateway.app.parts import OptionalParts
from gateway.clock import Clock
from gateway.domain.address import ListenSettings
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.access import Access
from gateway.server.calls import Calls
from gateway.server.http.endpoints import endpoints
from gateway.server.http.http_server import HttpServer
from gateway.server.http.middleware import HttpMiddleware
from gateway.server.http.probes import HttpProbes


def http_servers(
    calls: Calls,
    active: ActivePolicy,
    parts: OptionalParts,
    *,
    listen: ListenSettings,
    access: Access,
    probes: HttpProbes,
    clock: Clock,
) -> list[HttpServer]:
    """Return the server of `parts.http`, within the bounds of `listen`; none without an address."""
    if parts.http is None:
        return []
    middleware = HttpMiddleware(calls, max_request_bytes=listen.max_request_bytes, clock=clock)
    server = HttpServer(
        list(endpoints(middleware)),
        listen=replace(listen, address=parts.http),
        access=access,
        active=active,
        health=probes,
        shares_port=parts.shares_port,
    )
    return [server]
