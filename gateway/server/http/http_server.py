"""The HTTP server as a whole: bind, serve, drain."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from aiohttp import web

from gateway.domain.address import Address, ListenSettings, claim, refused
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.access import Access
from gateway.server.http import connection
from gateway.server.http.body import expect_nothing
from gateway.server.http.connection import HttpConnection, lingering
from gateway.server.http.cors import Cors
from gateway.server.http.listener import listeners
from gateway.server.http.middleware import Handler
from gateway.server.http.openapi.document import PATH, document_handler
from gateway.server.http.probes import HttpProbes
from gateway.server.http.unknown import shaped
from gateway.server.tls import followed

FLAG = "--http"
CLOSE_S = 1.0
"""How long connections get to close once their calls are cancelled."""
BACKLOG = 128
"""Connections that the kernel keeps until they are taken; so many are taken in one step."""


class Endpoint(NamedTuple):
    """A path below /v1, and what serves it."""

    verb: str
    path: str
    handler: Handler


class HttpServer:
    """Serves endpoints and probes on one address."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        listen: ListenSettings,
        access: Access,
        active: ActivePolicy,
        health: HttpProbes,
        shares_port: bool = False,
    ) -> None:
        """Make a server of `listen.address`; with `shares_port` other processes listen there too."""
        self.address = listen.address
        self._shares_port = shares_port
        self._context = None if access.tls is None else followed(access.tls)
        self._runner = web.AppRunner(
            _app(endpoints, access=access, active=active, health=health),
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=CLOSE_S,
        )
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        await self._runner.setup()
        try:
            self.address = await self._bound(self.address)
        except OSError as error:
            raise refused(self.address, error, flag=FLAG) from None

    async def _bound(self, address: Address) -> Address:
        if address.path is None and not self._shares_port:
            claim(address, flag=FLAG)
        if self._runner.server is None:
            raise RuntimeError("a server is set up before it is bound")
        bound = listeners(address, shares_port=self._shares_port, flag=FLAG)
        loop = asyncio.get_running_loop()
        for listener in bound:
            server = await loop.create_server(
                partial(HttpConnection, self._runner.server, loop=loop),
                sock=listener,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else connection.HEAD_S,
                backlog=BACKLOG,
            )
            self._servers.append(server)
        return address if address.path is not None else Address(address.host, bound[0].getsockname()[1])

    async def stop_accepting(self) -> None:
        """Take no new connection and no new call; what is in flight goes on. Returns immediately."""
        while self._servers:
            self._servers.pop().close()
            if self.address.path is not None:
                self.address.path.unlink(missing_ok=True)
        if self._runner.server is not None:
            self._runner.server.pre_shutdown()

    async def close(self) -> None:
        """Cancel what is left, and return when every connection is closed."""
        await self.stop_accepting()
        await self._runner.cleanup()
        await asyncio.sleep(0)


def _app(
    endpoints: Sequence[Endpoint], *, access: Access, active: ActivePolicy, health: HttpProbes
) -> web.Application:
    cors = Cors(lambda: active.pipeline.policy.http.cors_origins, takes_keys=access.keys is not None)
    app = web.Application(middlewares=[lingering, cors.keep_out, shaped])
    app.on_response_prepare.append(_name_server)
    app.on_response_prepare.append(cors.mark)
    router = app.router
    for verb, path, handler in endpoints:
        for prefix in ("/v1", "", "/v1/v1") if path.startswith("/") else ("/",):
            router.add_route(verb, prefix + path, handler, expect_handler=expect_nothing)
    router.add_route("GET", PATH, document_handler((verb, path) for verb, path, _ in endpoints))
    router.add_route("GET", "/healthz", health.alive)
    router.add_route("GET", "/readyz", health.ready)
    router.add_route("GET", "/", health.alive)
    router.add_route("OPTIONS", "/{path:.*}", cors.preflight)
    router.add_route("HEAD", "/{path:.*}", _nothing)
    return app


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Say of the software that answers no more than what it is."""
    response.headers["server"] = "gateway"


async def _nothing(_: web.Request) -> web.Response:
    return web.Response()
