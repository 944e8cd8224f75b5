"""Lets web pages of the policy's origins call the gateway from a browser."""

from collections.abc import Callable, Collection

from aiohttp import web

from gateway.server.http.request_headers import PREFIX

EXPOSED = ", ".join(
    f"{PREFIX}{name}"
    for name in ("request-id", "route", "model", "rule", "privacy-class", "degraded", "policy", "cost-usd")
)
MAX_AGE_S = 600
"""How long a browser may remember a preflight."""


class Cors:
    """Answers preflights without a key, and marks responses; errors too, so that pages can read them."""

    def __init__(self, origins: Callable[[], Collection[str]]) -> None:
        self._origins = origins

    async def mark(self, http: web.Request, response: web.StreamResponse) -> None:
        """Add to a response what its origin may read."""
        origin = self._allowed(http)
        if origin is None:
            return
        response.headers["access-control-allow-origin"] = origin
        response.headers["access-control-expose-headers"] = EXPOSED
        response.headers["vary"] = "Origin"

    async def preflight(self, http: web.Request) -> web.Response:
        """Say what a page may send: the headers that it asks for."""
        if self._allowed(http) is None:
            return web.Response(status=403)
        headers = {
            "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
            "access-control-allow-headers": http.headers.get("access-control-request-headers", "*"),
            "access-control-max-age": str(MAX_AGE_S),
        }
        return web.Response(status=204, headers=headers)

    def _allowed(self, http: web.Request) -> str | None:
        origin, allowed = http.headers.get("origin"), self._origins()
        return origin if origin is not None and ("*" in allowed or origin in allowed) else None
