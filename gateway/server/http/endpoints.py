"""The endpoints of HTTP: every path with what serves it."""

from collections.abc import Iterator

from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.http_server import Endpoint
from gateway.server.http.messages.messages_dialect import MessagesDialect, TokenCountDialect, count_tokens
from gateway.server.http.middleware import HttpMiddleware
from gateway.server.http.models import models_handler


def endpoints(middleware: HttpMiddleware) -> Iterator[Endpoint]:
    """Yield the endpoints below /v1."""
    chat = middleware.answers(ChatCompletions())
    yield Endpoint("POST", "/chat/completions", chat)
    yield Endpoint("POST", "openai/deployments/{model}/chat/completions", chat)
    yield Endpoint("POST", "/messages", middleware.answers(MessagesDialect()))
    counting = TokenCountDialect()
    yield Endpoint(
        "POST", "/messages/count_tokens", middleware.unary(counting.method, counting, count_tokens)
    )
    yield Endpoint("GET", "/models", models_handler(middleware, "/v1/models"))
    yield Endpoint("GET", "/models/{model:.+}", models_handler(middleware, "/v1/models/{id}"))
