"""What is said to requests that no endpoint serves."""

from aiohttp import web

from gateway.server.http.middleware import Handler

UNKNOWN_URL = "unknown_url"
"""The code of an error of a request that no endpoint serves."""
ANYWHERE = frozenset({"HEAD", "OPTIONS"})
"""Methods that every path takes."""
_NOT_SERVED = {
    "/completions": "completions of a bare prompt or a gap (suffix) are not served; ask /v1/chat/completions",
}
"""By the end of the path, what clients of OpenAI may ask for and no endpoint serves."""


@web.middleware
async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the errors of aiohttp the shape that clients of OpenAI read."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        methods = error.allowed_methods - ANYWHERE
        if not methods:
            return _refused(404, _nothing_at(request.path))
        return _refused(
            405,
            f"this path takes {' and '.join(sorted(methods))}",
            headers={"allow": ", ".join(sorted(error.allowed_methods))},
        )
    except web.HTTPException as error:
        return _refused(error.status, error.reason)


def _nothing_at(path: str) -> str:
    for end, words in _NOT_SERVED.items():
        if path.endswith(end):
            return words
    return "there is nothing at this path"


def _refused(status: int, message: str, *, headers: dict[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": UNKNOWN_URL}
    return web.json_response({"error": error}, status=status, headers=headers)
