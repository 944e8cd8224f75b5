"""The endpoints of HTTP: every path with what serves it."""

from collections.abc import Iterator

from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.http_server import Endpoint
from gateway.server.http.middleware import HttpMiddleware


def endpoints(middleware: HttpMiddleware) -> Iterator[Endpoint]:
    """Yield the endpoints below /v1."""
    chat = middleware.answers(ChatCompletions())
    yield Endpoint("POST", "/chat/completions", chat)
    yield Endpoint("POST", "openai/deployments/{model}/chat/completions", chat)
