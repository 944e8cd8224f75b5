"""Lets web pages of the policy's origins call the gateway from a browser, and no others."""

from collections.abc import Awaitable, Callable, Collection

from aiohttp import web

from gateway.server.access import KEY_HEADERS
from gateway.server.http.request_headers import PREFIX

EXPOSED = ", ".join(
    f"{PREFIX}{name}"
    for name in (
        *("request-id", "route", "model", "rule", "privacy-class", "degraded", "policy", "cost-usd"),
        *("cached-age-s", "trimmed"),
    )
)
MAX_AGE_S = 600
"""How long a browser may remember a preflight."""


_FOREIGN = {
    "message": "a web page of this origin may not ask; http.cors_origins of the policy lists those that may",
    "type": "invalid_request_error",
    "param": None,
    "code": "origin_not_allowed",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Cors:
    """Answers preflights without a key, and marks responses; errors too, so that pages can read them."""

    def __init__(self, origins: Callable[[], Collection[str]], *, takes_keys: bool) -> None:
        self._origins = origins
        self._takes_keys = takes_keys

    @web.middleware
    async def keep_out(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse what a page of another origin has a browser send.

        A browser sends some requests without a preflight, from inside the network and with the user's
        certificate: the page cannot read the answer, but the gateway has made it. A key is proof enough: no
        browser adds one by itself.
        """
        if "origin" in request.headers and request.method != "OPTIONS" and self._allowed(request) is None:
            shows_key = self._takes_keys and any(name in request.headers for name in KEY_HEADERS)
            if not shows_key:
                return web.json_response({"error": _FOREIGN}, status=403)
        return await handler(request)

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
