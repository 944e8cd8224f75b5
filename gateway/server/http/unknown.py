"""What is said to requests that no endpoint serves."""

from aiohttp import web

from gateway.server.http.middleware import Handler

_MESSAGES = {
    404: "there is nothing here; the guide of HTTP lists the paths",
    405: "this path does not take this method",
}


@web.middleware
async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the errors of aiohttp the shape that clients of OpenAI read."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        message = _MESSAGES.get(error.status, error.reason)
        kind = "invalid_request_error"
        body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
        return web.json_response(body, status=error.status)
