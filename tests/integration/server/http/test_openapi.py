"""The OpenAPI document is one, and describes every endpoint as it is."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from gateway.errors import BackendFailed
from gateway.server.http.openapi.document import shown_path
from gateway.server.http.openapi.operations import ENDPOINTS
from gateway.testing.scripted import ScriptedBackend, Step, reply
from tests.support.openai_client import SMART, USAGE
from tests.support.raw_http import RawReply, exchanged
from tests.support.served import ANY_PORT, served

TURNS = [{"role": "user", "content": "hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TURNS},
    "/openai/deployments/smart/chat/completions": {"messages": TURNS},
    "/v1/responses": {"input": "hello"},
    "/v1/messages": {"model": "auto", "max_tokens": 9, "messages": TURNS},
    "/v1/messages/count_tokens": {"model": "auto", "messages": TURNS},
    "/v1/gateway/explain": {"messages": [{"role": "user", "content": "mail jane.roe@example.org"}]},
}


async def told(path: str, body: dict[str, Any] | None = None, step: Step | None = None) -> RawReply:
    """Return the response of a gateway whose model does one thing."""
    smart = ScriptedBackend("smart", lambda _: step or reply("fine", usage=USAGE))
    async with served({"smart": smart}, http=ANY_PORT, policy=SMART) as gateway:
        data, verb = (None, "GET") if body is None else (json.dumps(body).encode(), "POST")
        headers = {"x-gateway-decision": "true"}
        return await exchanged(gateway.http_address, path, data, method=verb, headers=headers)


@pytest.fixture
async def document() -> Any:
    """The document as it is served."""
    return (await told("/openapi.json")).json


async def test_the_document_is_openapi(document: Any) -> None:
    """By the schema of OpenAPI 3.1, and each schema by that of JSON Schema; what it refers to is there."""
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.meta.validate(schema)
    assert {name.rpartition("/")[2] for name in _references(document)} <= schemas.keys()


async def test_every_endpoint_is_described(document: Any) -> None:
    """And none that is not there."""
    paths = {
        (verb.upper(), path)
        for path, verbs in document["paths"].items()
        for verb in verbs
        if path not in ("/", "/healthz", "/readyz", "/openapi.json")
    }
    assert paths == set(ENDPOINTS)


@pytest.mark.parametrize("path", [*BODIES, "/v1/models", "/v1/models/smart", "/healthz", "/readyz"])
async def test_an_answer_is_as_described(path: str, document: Any) -> None:
    """The bodies of requests and answers follow their schemas."""
    shown = path.replace("deployments/smart", "deployments/{model}").replace("models/smart", "models/{model}")
    (operation,) = document["paths"][shown].values()
    body = BODIES.get(path)
    if body is not None:
        _follows(operation["requestBody"]["content"], document, body)
    answer = await told(path, body)
    assert answer.status == 200
    _follows(operation["responses"]["200"]["content"], document, answer.json)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_an_error_is_as_described(path: str, document: Any) -> None:
    """Each dialect's in its own shape."""
    responses = document["paths"][path]["post"]["responses"]
    for answer in (
        await told(path, BODIES[path] | {"temperature": 9}),
        await told(path, BODIES[path] | {"model": "nobody"}),
        await told(path, BODIES[path], BackendFailed("smart", "HTTP 500")),
    ):
        _follows(responses[str(answer.status)]["content"], document, answer.json)


def test_paths_are_shown_as_clients_write_them() -> None:
    """Without the patterns of the router."""
    assert shown_path("/models/{model:.+}") == "/v1/models/{model}"


def _follows(content: Any, document: Any, value: object) -> None:
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(value)


def _references(value: object) -> Iterator[str]:
    match value:
        case {"$ref": str(name)}:
            yield name
        case dict():
            for each in value.values():
                yield from _references(each)
        case list():
            for each in value:
                yield from _references(each)
