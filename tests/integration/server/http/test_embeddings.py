"""Embeddings over HTTP: OpenAI's own client asks, also through a second gateway as the provider."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import numpy as np
import openai
import pytest

from gateway.errors import ContextTooLong
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.embedding_policies import ONE_SPACE, POLICY, embedder
from tests.support.openai_client import client_of
from tests.support.raw_http import exchanged
from tests.support.served import ANY_PORT, Served, served

TEXTS = ["hello", "a longer text", "no"]
CARD = "My card is 4111 1111 1111 1111."


def models() -> dict[str, ScriptedBackend]:
    """Return all scripted models."""
    chat = ScriptedBackend("edge", [reply("hello")] * 9)
    return {"edge": chat, **{name: embedder(name) for name in ("near", "far", "large")}}


@asynccontextmanager
async def asked(policy: str = ONE_SPACE) -> AsyncIterator[tuple[Served, openai.AsyncOpenAI]]:
    """Run a gateway with a client of it."""
    async with served(models(), policy=policy, http=ANY_PORT) as gateway, client_of(gateway) as client:
        yield gateway, client


async def test_the_client_reads_the_same_numbers_in_both_encodings() -> None:
    """It asks for base64 unless told otherwise; each vector is in the place of its text."""
    async with asked() as (_, client):
        packed = await client.embeddings.create(model="auto", input=TEXTS)
        plain = await client.embeddings.create(model="auto", input=TEXTS, encoding_format="float")
    assert [each.index for each in packed.data] == [0, 1, 2]
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]
    wanted = np.array([13.0, 1, 1, 1])
    np.testing.assert_allclose(packed.data[1].embedding, wanted / np.linalg.norm(wanted), rtol=1e-6)
    assert (packed.model, packed.object) == ("near", "list")
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == sum(map(len, TEXTS))


async def test_one_string_and_fewer_dimensions() -> None:
    """A list of one."""
    async with asked() as (_, client):
        found = await client.embeddings.create(model="small-v1", input="hello", dimensions=2)
    assert [len(each.embedding) for each in found.data] == [2]


@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"input": [1, 2, 3]}, "input", "must be text: tokens are not taken"),
        ({"input": [[1, 2], [3]]}, "input", "must be text: tokens are not taken"),
        ({"input": ["a", {"b": 1}]}, "input[1]", "must be a string"),
        ({"input": []}, "input", "must have 1 to 2048 texts, has 0"),
        ({"input": ["a"] * 2049}, "input", "must have 1 to 2048 texts"),
        ({"input": ""}, "input", "must not be empty"),
        ({"input": ["a", ""]}, "input[1]", "must not be empty"),
        ({}, "input", "must be a string or a list of strings"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format", "must be one of float, base64"),
        ({"input": "a", "dimensions": 5}, "dimensions", "must be at most 4"),
        ({"input": "a", "dimensions": 0}, "dimensions", "must be 1 to 65536"),
        ({"input": "a", "stream": True}, "stream", "must be false"),
        ({"input": "a", "truncate": "END"}, "truncate", "is not known here"),
        ({"input": "a", "messages": []}, "messages", "belongs to a request for /v1/chat/completions"),
    ],
)
async def test_what_is_not_taken_is_refused_by_name(
    members: Mapping[str, object], param: str, message: str
) -> None:
    """With the member that is to be changed."""
    async with asked() as (_, client):
        with pytest.raises(openai.BadRequestError) as caught:
            await client.post("/embeddings", body=members, cast_to=object)
    assert caught.value.param == param
    assert message in caught.value.message


async def test_the_clients_errors_of_models() -> None:
    """Unknown, ambiguous, one that chats, and one that may not see a text."""
    async with asked(POLICY) as (_, client):
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.embeddings.create(model="none", input="x")
        with pytest.raises(openai.BadRequestError, match="large-v1, small-v1"):
            await client.embeddings.create(model="auto", input="x")
        with pytest.raises(openai.APIStatusError) as private:
            await client.embeddings.create(model="text-embedding-3-small", input=["x", CARD])
    assert unknown.value.code == "model_not_found"
    assert private.value.code == "clearance"


async def test_a_text_that_is_too_long() -> None:
    """The member that is to blame is the one that holds the texts."""
    backends = {**models(), "near": embedder("near", ContextTooLong("near", "text 1 of 1 is too long"))}
    async with served(backends, policy=ONE_SPACE, http=ANY_PORT) as gateway, client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.embeddings.create(model="near", input="x")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


async def test_an_answer_says_in_headers_and_body_where_it_was_made() -> None:
    """The decision where it is asked for, like every answer."""
    async with asked() as (gateway, _):
        told = await exchanged(
            gateway.http_address,
            "/v1/embeddings",
            b'{"input": "a", "user": "u"}',
            method="POST",
            headers={"x-gateway-decision": "true", "x-gateway-request-id": "mine"},
        )
    assert told.headers["x-gateway-model"] == "near"
    assert told.headers["x-gateway-request-id"] == "mine"
    assert told.headers["x-gateway-route"] == "local"
    assert told.json["gateway"]["decision"]["signals"]["is_embedding"] is True


async def test_a_gateway_in_front_of_a_gateway_gives_the_same_vectors() -> None:
    """The first one's model of kind openai asks the second one over the network, shorter vectors too."""
    async with asked() as (provider, direct):
        policy = f"""
version: 1
models:
  far: {{kind: openai, model: near, base_url: "{provider.http_url}/v1", clearance: internal,
        embeds: {{space: small-v1, dimensions: 4, shortens: true}},
        price_per_million_usd: {{input: 2, output: 0}}}}
rules: [{{name: default, route: [far]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""
        async with served({}, policy=policy, http=ANY_PORT) as gateway, client_of(gateway) as client:
            found = await client.embeddings.create(model="auto", input=TEXTS)
            shorter = await client.embeddings.create(model="auto", input=TEXTS, dimensions=2)
        wanted = await direct.embeddings.create(model="auto", input=TEXTS)
        wanted_shorter = await direct.embeddings.create(model="auto", input=TEXTS, dimensions=2)
    for one, other in ((found, wanted), (shorter, wanted_shorter)):
        for vector, expected in zip(one.data, other.data, strict=True):
            np.testing.assert_allclose(vector.embedding, expected.embedding, rtol=1e-6)
    assert found.usage.prompt_tokens == sum(map(len, TEXTS))
