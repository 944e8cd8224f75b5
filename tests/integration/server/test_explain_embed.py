"""Explain says of a request for embeddings what Embed would do, over gRPC and HTTP, and asks no model."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from gateway.client import GatewayClient, SyncGatewayClient
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.embedding_policies import ONE_SPACE, POLICY, embedder
from tests.support.raw_http import exchanged
from tests.support.served import ANY_PORT, ask, served

CARD = "4111 1111 1111 1111"
TEXTS = ["hello", f"My card is {CARD}.", "hello"]


def models() -> dict[str, ScriptedBackend]:
    """Return all scripted models."""
    embedders = {name: embedder(name) for name in ("near", "far", "large")}
    return {"edge": ScriptedBackend("edge", [reply("hello")] * 9), **embedders}


def asked(backends: Mapping[str, ScriptedBackend]) -> list[str]:
    """Return the models that were asked."""
    return [name for name, backend in backends.items() if backend.calls]


@pytest.mark.parametrize("texts", [["hello"], TEXTS], ids=["public", "one is private"])
@pytest.mark.parametrize("model", ["small-v1", "text-embedding-3-small", "far", "near"])
async def test_it_decides_as_embed_does(texts: list[str], model: str) -> None:
    """The same scores, class, rule, chain and refusals; the place of a finding, never its text."""
    backends = models()
    async with served(backends, policy=POLICY) as gateway:
        explained = await gateway.stub.Explain(pb.ExplainRequest(input=texts, model=model))
        assert asked(backends) == []
        try:
            embedded = await gateway.stub.Embed(pb.EmbedRequest(input=texts, model=model))
        except grpc.aio.AioRpcError:
            assert list(explained.decision.chain) == []
        else:
            assert explained.decision == embedded.decision
    assert explained.decision.signals.is_embedding
    places = [(each.message_index, each.start, each.end) for each in explained.findings]
    assert places == ([(1, 11, 11 + len(CARD))] if texts is TEXTS else [])
    assert CARD not in str(explained)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": ["a"], "messages": [pb.Message(content="a")]}, "messages: must be unset"),
        ({"input": ["a"], "config": pb.GenerationConfig(max_tokens=1)}, "config: must be unset"),
        ({"input": ["a"], "session_id": "s"}, "session_id: must be unset"),
        ({"dimensions": 3, "messages": [pb.Message(content="a")]}, "messages: must be unset"),
        ({"dimensions": 3}, "input: must have 1 to 2048 texts, has 0"),
        ({"input": ["a"] * 2049}, "input: must have 1 to 2048 texts, has 2049"),
        ({"input": ["a"], "dimensions": 5}, "dimensions: must be at most 4"),
    ],
)
async def test_what_embed_refuses_is_refused(fields: dict[str, Any], message: str) -> None:
    """And what is a chat and a request for embeddings in one."""
    async with served(models(), policy=ONE_SPACE) as gateway:
        with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
            await gateway.stub.Explain(pb.ExplainRequest(**fields))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("body", "is_embedding"),
    [
        ({"input": TEXTS, "model": "small-v1"}, True),
        ({"input": TEXTS[1], "model": "small-v1"}, True),
        ({"input": TEXTS[1], "model": "near"}, True),
        ({"input": TEXTS[1], "model": "text-embedding-3-small"}, True),
        ({"input": TEXTS[1], "dimensions": 3, "model": "small-v1"}, True),
        ({"input": TEXTS[1]}, False),
        ({"input": [{"role": "user", "content": TEXTS[1]}], "model": "edge"}, False),
    ],
)
async def test_a_body_for_embeddings_is_one_over_http(body: dict[str, Any], is_embedding: bool) -> None:
    """By a list of texts, by dimensions, or by a model that gives vectors; else it is a response."""
    backends = models()
    async with served(backends, policy=POLICY, http=ANY_PORT) as gateway:
        content = json.dumps(body).encode()
        told = await exchanged(gateway.http_address, "/v1/gateway/explain", content)
    decision = told.json["decision"]
    assert decision["rule"] == ("vectors" if is_embedding else "default")
    assert [each["type"] for each in told.json["findings"]] == ["CREDIT_CARD"]
    assert CARD.encode() not in told.body
    assert "far" not in decision["chain"]
    assert asked(backends) == []


async def test_both_clients_explain_both_requests() -> None:
    """With the fields that Embed has."""
    request = pb.EmbedRequest(input=["a"], model="small-v1", dimensions=3, request_id="mine")
    request.hints.privacy_class = pb.PRIVACY_CLASS_RESTRICTED
    request.labels["team"] = "red"
    async with served(models(), policy=POLICY) as gateway:
        async with GatewayClient(gateway.gateway.target) as client:
            found = [await client.explain(request), await client.explain(ask())]

        def explain() -> list[pb.ExplainResponse]:
            with SyncGatewayClient(gateway.gateway.target) as client:
                return [client.explain(request), client.explain(ask())]

        assert await asyncio.to_thread(explain) == found
    assert [list(each.decision.chain) for each in found] == [["near"], ["edge"]]
    assert found[0].decision.privacy_class == pb.PRIVACY_CLASS_RESTRICTED
