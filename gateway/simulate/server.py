"""The simulated provider: a small server for the APIs of providers, with billing and faults."""

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.clock import Clock, SystemClock
from gateway.errors import StartupError
from gateway.simulate.billing import Bill, Meter, PriceLike, parse_price
from gateway.simulate.control import add_control
from gateway.simulate.dialects.dialect import OPENAI, Dialect
from gateway.simulate.dialects.table import find_dialect
from gateway.simulate.endpoints import Endpoints
from gateway.simulate.faults import Fault, FaultBook, parse_model_fault

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A larger body is refused with 413."""
MAX_LOG_BYTES = 64 * 1024 * 1024
"""Most bytes of logged requests; the oldest are dropped first."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A received request with its headers, which hold the API key; its repr hides them."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = dataclasses.field(repr=False)
    body: bytes = dataclasses.field(repr=False)

    def raw(self) -> bytes:
        """Return the request as bytes: request line, headers, body."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return (
            f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + self.body
        )


class SimulatedCloud:
    """A provider for trials and tests; `serve` makes it listen.

    Prices are US dollars for a million tokens; a model without one costs `billing.DEFAULT_PRICE`.
    """

    def __init__(
        self,
        prices: Mapping[str, PriceLike] | None = None,
        *,
        dialect: Dialect = OPENAI,
        clock: Clock | None = None,
    ) -> None:
        self.base_url = ""
        """The base URL for clients while it listens, as in `http://127.0.0.1:8080/v1`; else empty."""
        self._meter = Meter(prices or {})
        self._priced = tuple(prices or {})
        self._dialect = dialect
        self._faults = FaultBook()
        self._closing = asyncio.Event()
        self._endpoints = Endpoints(
            dialect,
            meter=self._meter,
            faults=self._faults,
            closing=self._closing,
            clock=clock or SystemClock(),
        )
        self._received: deque[Received] = deque()
        self._log_bytes = 0
        self._bytes_received = 0

    def set_fault(
        self,
        model: str,
        fault: str,
        *,
        value: float | None = None,
        retry_after_s: float | None = None,
        times: int | None = None,
    ) -> None:
        """Apply `fault` to the next `times` requests for `model` (`*`: any), after the faults set before.

        Raises ValueError for an unknown fault or a value out of its range.
        """
        self._faults.add(model, Fault(kind=fault, value=value, retry_after_s=retry_after_s, times=times))

    def add_fault(self, model: str, fault: Fault) -> None:
        """Append a parsed fault to those of `model`."""
        self._faults.add(model, fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def bill(self) -> Bill:
        """Return the bill since the start or the last reset."""
        models = self._meter.models()
        return Bill(
            requests=sum(model.requests for model in models.values()),
            bytes_received=self._bytes_received,
            disconnects=self._endpoints.disconnects,
            billed_usd_nanos=sum(model.billed_usd_nanos for model in models.values()),
            models=models,
        )

    def received(self) -> tuple[Received, ...]:
        """Return the logged requests, oldest first, without those to /control."""
        return tuple(self._received)

    def reset(self) -> None:
        """Delete faults, bill, logged requests and the cache of prompts."""
        self._faults.clear()
        self._endpoints.seen.clear()
        self._meter.reset()
        self._received.clear()
        self._log_bytes = self._bytes_received = self._endpoints.disconnects = 0

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["SimulatedCloud"]:
        """Listen while the block runs, on a free port if `port` is 0; raises StartupError."""
        self._closing.clear()
        runner = web.AppRunner(self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise StartupError(
                    f"simulate-cloud: cannot listen on {host}:{port} ({error.strerror}); choose another"
                ) from None
            shown = f"[{host}]" if ":" in host else host
            self.base_url = f"http://{shown}:{runner.addresses[0][1]}{self._dialect.prefix}"
            yield self
        finally:
            self._closing.set()
            self.base_url = ""
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._log], client_max_size=MAX_BODY_BYTES)
        self._endpoints.add_to(app)
        app.router.add_get(f"{self._dialect.prefix}/models", self._models)
        add_control(app, self)
        return app

    @web.middleware
    async def _log(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not request.path.startswith("/control/"):
            self._keep(
                Received(
                    method=request.method,
                    path=request.path_qs,
                    headers=tuple(
                        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
                        for name, value in request.raw_headers
                    ),
                    body=await request.read(),
                )
            )
        return await handler(request)

    def _keep(self, received: Received) -> None:
        size = len(received.raw())
        self._received.append(received)
        self._bytes_received += size
        self._log_bytes += size
        while self._log_bytes > MAX_LOG_BYTES and len(self._received) > 1:
            self._log_bytes -= len(self._received.popleft().raw())

    async def _models(self, _: web.Request) -> web.Response:
        names = dict.fromkeys([*self._priced, *self._meter.models()])
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names]
        return web.json_response({"object": "list", "data": data})


async def run_simulated_cloud(
    *,
    host: str,
    port: int,
    faults: Sequence[str] = (),
    prices: Sequence[str] = (),
    dialect: str = "openai",
    on_listening: Callable[[str], None] = lambda base_url: None,
) -> None:
    """Serve until cancelled; `on_listening` gets the base URL when connections are accepted.

    `faults` are `MODEL:FAULT[=VALUE][,times=N][,retry_after_s=S]`, `prices` are
    `MODEL=IN:OUT[:CACHED[:WRITTEN]]` in US dollars for a million tokens, `dialect` is
    one of `DIALECTS`. Raises ValueError for one that cannot be parsed, and StartupError if it cannot listen.
    """
    cloud = SimulatedCloud(dict(parse_price(price) for price in prices), dialect=find_dialect(dialect))
    for fault in faults:
        cloud.add_fault(*parse_model_fault(fault))
    async with cloud.serve(host, port) as running:
        on_listening(running.base_url)
        await asyncio.Event().wait()
