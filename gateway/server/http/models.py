"""`GET /v1/models`, in OpenAI's shape, and in Anthropic's for callers that send `anthropic-version`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.errors import InvalidRequest, UnknownModel
from gateway.policy.aliases import AUTO
from gateway.server.http.chat.completions import ChatCompletions
from gateway.server.http.http_call import HttpCall
from gateway.server.http.messages.messages_dialect import MessagesDialect
from gateway.server.http.middleware import Handler, HttpMiddleware
from gateway.server.model_list import ListedModel, list_models

MAX_LIMIT = 1000
"""The longest page that Anthropic's API has."""
_EPOCH = "1970-01-01T00:00:00Z"
"""When a model was released, where nobody knows."""
Shown = dict[str, Any]


def models_handler(middleware: HttpMiddleware, method: str, route: str) -> Handler:
    """Return the handler of the list, and of one model where the path names it."""
    openai = middleware.unary(method, ChatCompletions(), _openai, verb="GET", route=route)
    anthropic = middleware.unary(method, MessagesDialect(), _anthropic, verb="GET", route=route)

    async def serve(http: web.Request) -> web.StreamResponse:
        return await (anthropic if "anthropic-version" in http.headers else openai)(http)

    return serve


async def _openai(http_call: HttpCall) -> Shown:
    if "model" in http_call.body:
        return _openai_model(_named(http_call))
    models = _page(http_call)
    return {"object": "list", "data": list(map(_openai_model, models))}


async def _anthropic(http_call: HttpCall) -> Shown:
    if "model" in http_call.body:
        return _anthropic_model(_named(http_call))
    listed, models = _listed(http_call), _page(http_call)
    return {
        "data": list(map(_anthropic_model, models)),
        "first_id": models[0].name if models else None,
        "last_id": models[-1].name if models else None,
        "has_more": bool(models) and models[-1] != listed[-1],
    }


def _openai_model(model: ListedModel) -> Shown:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": "gateway", **_facts(model)}


def _anthropic_model(model: ListedModel) -> Shown:
    shown = {"type": "model", "id": model.name, "display_name": model.name, "created_at": _EPOCH}
    return {**shown, "lifecycle": "active", "max_input_tokens": model.context, **_facts(model)}


def _facts(model: ListedModel) -> Shown:
    """Return what neither API has a member for."""
    price = model.price
    return {
        "context_length": model.context,
        "modalities": list(model.modalities),
        "tools": model.calls_tools,
        "space": model.space or None,
        "place": None if model.place is None else model.place.lower(),
        "alias_of": None if model.stands_for == model.name else model.stands_for,
        "price_per_million_usd": None
        if price is None
        else {"input": float(price.input), "output": float(price.output)},
    }


def _models(http_call: HttpCall) -> Sequence[ListedModel]:
    pipeline = http_call.pipeline
    return list_models(pipeline.policy, key_name=http_call.context.key_name, lacking=pipeline.lacking)


def _listed(http_call: HttpCall) -> Sequence[ListedModel]:
    """Return the names that can be asked for as they stand."""
    return [model for model in _models(http_call) if not model.is_pattern]


def _named(http_call: HttpCall) -> ListedModel:
    """Return the model that the path names, by a pattern too; raises UnknownModel."""
    name = http_call.body["model"]
    policy = http_call.pipeline.policy
    entry = policy.names.entry(name)
    if not name or entry is None:
        raise UnknownModel
    found = {model.name: model for model in _models(http_call)}[entry or AUTO]
    return replace(found, name=name)


def _page(http_call: HttpCall) -> Sequence[ListedModel]:
    """Return the models that the query asks for: `limit` of them, after or before one."""
    query, models = http_call.query, _listed(http_call)
    names = [model.name for model in models]
    if (after := query.get("after_id")) in names:
        models = models[names.index(after) + 1 :]
    limit = _limit(query)
    if (before := query.get("before_id")) in names:
        models = models[: names.index(before)]
        return models if limit is None else models[-limit:]
    return models if limit is None else models[:limit]


def _limit(query: Mapping[str, str]) -> int | None:
    text = query.get("limit")
    if text is None:
        return None
    if (
        not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LIMIT)))
        or not 1 <= int(text) <= MAX_LIMIT
    ):
        raise InvalidRequest("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)
