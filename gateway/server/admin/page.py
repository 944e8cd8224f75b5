"""The page that Prometheus reads: what was counted, and the status of this moment."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway.domain.address import Address
from gateway.errors import StartupError
from gateway.server.admin.status import StatusReader
from gateway.server.admin.threads import in_operator_thread
from gateway.telemetry.status_collector import Snapshot

FLAG = "--metrics"


class MetricsPage:
    """`GET /metrics` on an address of its own."""

    def __init__(self, address: Address, *, counted: CollectorRegistry, reader: StatusReader) -> None:
        self._address = address
        self._counted = counted
        self._reader = reader
        app = web.Application()
        app.router.add_get("/metrics", self._get)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self.target = address.target

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address.host, self._address.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or "cannot be bound"
            raise StartupError(
                f"{FLAG} {self._address.target}: {reason}; choose another address or port"
            ) from None
        host, port = self._runner.addresses[0][:2]
        self.target = Address(host, port).target

    async def stop(self) -> None:
        """End."""
        await self._runner.cleanup()

    async def _get(self, _: web.Request) -> web.Response:
        now = CollectorRegistry(auto_describe=False)
        now.register(Snapshot(await self._reader.whole(decisions=0)))
        # Rendering takes milliseconds: in a thread, so that requests go on.
        text = await in_operator_thread(lambda: generate_latest(self._counted) + generate_latest(now))
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
