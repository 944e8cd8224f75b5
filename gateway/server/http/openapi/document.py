"""The OpenAPI document: made at start from the endpoints, and served at /openapi.json."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from gateway import __version__
from gateway.domain.decision import Reason
from gateway.domain.privacy import PrivacyClass
from gateway.errors import HTTP_STATUS
from gateway.server.http import request_headers as headers
from gateway.server.http.http_error import NOT_FOUND, TOO_LARGE
from gateway.server.http.models import MAX_LIMIT
from gateway.server.http.openapi.answer_schemas import SCHEMAS as ANSWER_SCHEMAS
from gateway.server.http.openapi.operations import ENDPOINTS, DescribedEndpoint
from gateway.server.http.openapi.request_schemas import SCHEMAS as REQUEST_SCHEMAS
from gateway.server.http.openapi.schemas import (
    COUNT,
    IDENTIFIED,
    TEXT,
    Schema,
    either,
    named,
    only,
    record,
    whole,
    words,
)
from gateway.server.validation.request import MAX_COST_USD

PATH: Final = "/openapi.json"
JSON: Final = "application/json"
_FLAG: Final = words("true", "false")
_HINTS: Final[Mapping[str, tuple[str, Schema]]] = {
    headers.REQUEST_ID: ("The caller's own id.", IDENTIFIED),
    headers.DEADLINE: (
        "Seconds after which the caller gives up.",
        {"type": "number", "exclusiveMinimum": 0},
    ),
    headers.PRIVACY_CLASS: (
        "The least privacy class of the request.",
        words(*(each.name.lower() for each in PrivacyClass)),
    ),
    headers.MAX_COST: (
        "The most that the answer may cost.",
        {"type": "number", "minimum": 0, "maximum": MAX_COST_USD},
    ),
    headers.ALLOW_DEGRADED: ("Whether a canned reply is welcome where no model answers.", _FLAG),
    headers.SHOWS_DECISION: ("Whether the body is to say why the request went where it went.", _FLAG),
}
_PAGES: Final[Mapping[str, Schema]] = {"limit": whole(1, MAX_LIMIT), "after_id": TEXT, "before_id": TEXT}
_RETRY_HEADERS: Final = {
    "x-should-retry": {"description": "`false`: another try would fail or be paid again.", "schema": TEXT},
    "retry-after": {"description": "Seconds after which another try may help.", "schema": COUNT},
}
_ID_HEADER: Final = {headers.REQUEST_ID: {"description": "Of logs and records.", "schema": TEXT}}


def shown_path(path: str) -> str:
    """Return the path of an endpoint as the document has it."""
    prefix = "/v1" if path.startswith("/") else "/"
    return prefix + re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def document_of(endpoints: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the document of endpoints, each a method and a path; what is not described is left out."""
    paths: dict[str, dict[str, Any]] = dict(_own_paths())
    for verb, path in endpoints:
        described = ENDPOINTS.get((verb, shown_path(path)))
        if described is not None:
            paths.setdefault(shown_path(path), {})[verb.lower()] = _operation(described, shown_path(path))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge-cloud-gateway",
            "version": __version__,
            "description": "Paths are served without /v1, too. Labels are headers x-gateway-label-KEY.",
        },
        "security": [{}, {"bearer": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**REQUEST_SCHEMAS, **ANSWER_SCHEMAS},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def document_handler(
    endpoints: Iterable[tuple[str, str]],
) -> Callable[[web.Request], Any]:
    """Return the handler of the document."""
    body = json.dumps(document_of(endpoints)).encode()

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=JSON)

    return serve


def _operation(described: DescribedEndpoint, path: str) -> dict[str, Any]:
    answers: dict[str, Any] = {JSON: {"schema": named(described.answer)}}
    if described.streams:
        answers["text/event-stream"] = {"schema": TEXT}
    ok = {"description": "The answer.", "headers": _ID_HEADER, "content": answers}
    operation: dict[str, Any] = {
        "summary": described.summary,
        "parameters": list(_parameters(described, path)),
        "responses": {"200": ok, **dict(_refusals(described))},
    }
    if described.request:
        content = {JSON: {"schema": named(described.request)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(described: DescribedEndpoint, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        schema = IDENTIFIED if name == "ticket_id" else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if described.takes_hints:
        for name, (description, schema) in _HINTS.items():
            yield {"name": name, "in": "header", "description": description, "schema": schema}
    if described.pages:
        for name, schema in _PAGES.items():
            yield {"name": name, "in": "query", "schema": schema}
    if "AnthropicError" in described.errors:
        yield {"name": "anthropic-version", "in": "header", "schema": TEXT}


def _refusals(described: DescribedEndpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each status of an error, with the reasons for it."""
    why: dict[int, set[str]] = {}
    for reason in described.reasons:
        why.setdefault(HTTP_STATUS[reason], set()).add(reason)
    if described.names_model:
        why.setdefault(NOT_FOUND, set()).add("a model that is unknown")
    if described.request:
        why.setdefault(TOO_LARGE, set()).add("a body that is too large")
    schema = (
        either(*map(named, described.errors)) if len(described.errors) > 1 else named(described.errors[0])
    )
    for status, reasons in sorted(why.items()):
        yield (
            str(status),
            {
                "description": ", ".join(sorted(reasons)),
                "headers": {**_ID_HEADER, **_RETRY_HEADERS},
                "content": {JSON: {"schema": schema}},
            },
        )


def _own_paths() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the server has beside the endpoints."""
    for path, words_of_ok in (("/", "ok"), ("/healthz", "ok"), ("/readyz", "ready")):
        responses = {"200": _status_of(words_of_ok)}
        if path == "/readyz":
            responses |= {
                "401": {
                    "description": Reason.UNAUTHENTICATED,
                    "content": {JSON: {"schema": record("error", error=record("message", message=TEXT))}},
                },
                "503": _status_of("not ready"),
            }
        yield path, {"get": {"summary": "For probes.", "responses": responses}}
    described = {"description": "This document.", "content": {JSON: {"schema": record("openapi")}}}
    yield PATH, {"get": {"summary": "What this server serves.", "responses": {"200": described}}}


def _status_of(word: str) -> dict[str, Any]:
    schema = record("status", status=only(word))
    return {"description": word, "content": {JSON: {"schema": schema}}}
