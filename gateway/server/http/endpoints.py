"""The endpoints of HTTP: every path with what serves it."""

from collections.abc import Iterator

from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.embeddings import Embeddings, embed
from gateway.server.http.gateway_api import gateway_endpoints
from gateway.server.http.http_server import Endpoint
from gateway.server.http.messages.messages_dialect import MessagesDialect, TokenCountDialect, count_tokens
from gateway.server.http.middleware import HttpMiddleware
from gateway.server.http.models import models_handler
from gateway.server.http.responses.responses_api import Responses


def endpoints(middleware: HttpMiddleware) -> Iterator[Endpoint]:
    """Yield the endpoints below /v1."""
    chat = middleware.answers(ChatCompletions(), "/v1/chat/completions")
    yield Endpoint("POST", "/chat/completions", chat)
    yield Endpoint("POST", "openai/deployments/{model}/chat/completions", chat)
    yield Endpoint("POST", "/responses", middleware.answers(Responses(), "/v1/responses"))
    yield Endpoint("POST", "/messages", middleware.answers(MessagesDialect(), "/v1/messages"))
    embeddings = middleware.unary(Embeddings.method, Embeddings(), embed, route="/v1/embeddings")
    yield Endpoint("POST", "/embeddings", embeddings)
    counting = TokenCountDialect()
    count = middleware.unary(counting.method, counting, count_tokens, route="/v1/messages/count_tokens")
    yield Endpoint("POST", "/messages/count_tokens", count)
    yield Endpoint("GET", "/models", models_handler(middleware, "ListModels", "/v1/models"))
    yield Endpoint("GET", "/models/{model:.+}", models_handler(middleware, "GetModel", "/v1/models/{model}"))
    yield from gateway_endpoints(middleware)
