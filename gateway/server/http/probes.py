"""The health of the gateway for probes that speak HTTP."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.server.access import TenantRule
from gateway.server.health import WHOLE, ServingStatus
from gateway.server.http.request_headers import caller_of


class HttpProbes:
    """`/healthz`: the process runs. `/readyz`: it takes requests; with a guard, to valid credentials."""

    def __init__(self, guard: TenantRule | None = None) -> None:
        self._guard = guard
        self._is_ready = False
        self._has_ended = False

    def set_status(self, name: str, status: ServingStatus) -> None:
        """Answer so from now on; not after the end."""
        if name == WHOLE and not self._has_ended:
            self._is_ready = status is ServingStatus.SERVING

    def drain(self) -> None:
        """Answer for good that nothing is served."""
        self._is_ready = False
        self._has_ended = True

    async def alive(self, _: web.Request) -> web.Response:
        """Say that the process runs."""
        return web.json_response({"status": "ok"})

    async def ready(self, http: web.Request) -> web.Response:
        """Say whether requests are taken: 200 or 503."""
        if self._guard is not None:
            try:
                self._guard(caller_of(http))
            except GatewayError as error:
                return web.json_response({"error": {"message": str(error)}}, status=401)
        status = "ready" if self._is_ready else "not ready"
        return web.json_response({"status": status}, status=200 if self._is_ready else 503)
