"""Embeddings through real gRPC: which model gives them, what they cost, and what is refused."""

from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2 as details

from gateway.clock import SystemClock
from gateway.errors import BackendReset
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.server.access import Identity
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.embedding_policies import ONE_SPACE, POLICY, chain_of_another_space, embedder
from tests.support.error_details import detail_of
from tests.support.served import ask, served

CARD = "My card is 4111 1111 1111 1111."


def models(**failures: Exception) -> dict[str, ScriptedBackend]:
    """Return all scripted models; each named one fails once."""
    given = {name: [failures[name]] if name in failures else [] for name in ("near", "far", "large")}
    embedders = {name: embedder(name, *errors) for name, errors in given.items()}
    return {"edge": ScriptedBackend("edge", [reply("hello")] * 9), **embedders}


def numbers(response: pb.EmbedResponse) -> list[list[float]]:
    """Return the vectors of a response."""
    return [list(each.values) for each in response.embeddings]


async def test_each_text_has_a_vector_in_its_place() -> None:
    """With space, usage, model and decision; nothing of it is a chat."""
    async with served(models(), policy=ONE_SPACE) as gateway:
        found = await gateway.stub.Embed(pb.EmbedRequest(input=["abc", "a"], request_id="mine"))

    assert (found.request_id, found.model, found.space) == ("mine", "near", "small-v1")
    assert found.usage == pb.Usage(prompt_tokens=4)
    assert found.route == pb.ROUTE_LOCAL
    assert found.decision.rule == "vectors"
    assert found.decision.signals.is_embedding
    expected = np.array([3.0, 1, 1, 1]) / np.sqrt(12.0)
    np.testing.assert_allclose(numbers(found), [expected, [0.5] * 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("asked", "chain", "space"),
    [
        ("small-v1", ["near", "far"], "small-v1"),
        ("large-v1", ["large"], "large-v1"),
        ("far", ["far"], "small-v1"),
        ("text-embedding-3-small", ["far"], "small-v1"),
    ],
)
async def test_a_chain_stays_within_the_space_that_is_asked_for(
    asked: str, chain: list[str], space: str
) -> None:
    """By the name of the space, of a model, or of an alias."""
    async with served(models(), policy=POLICY) as gateway:
        found = await gateway.stub.Embed(pb.EmbedRequest(input=["a"], model=asked))
    assert (list(found.decision.chain), found.space) == (chain, space)


async def test_the_list_names_the_space_of_each_model() -> None:
    """So that a caller knows which vectors compare, before it asks for some."""
    async with served(models(), policy=POLICY) as gateway:
        listed = await gateway.stub.ListModels(pb.ListModelsRequest())
    spaces = {each.name: each.space for each in listed.models}
    assert (spaces["near"], spaces["far"], spaces["large"]) == ("small-v1", "small-v1", "large-v1")


async def test_no_other_space_takes_over_when_all_models_of_one_fail() -> None:
    """The call fails with the error of the last model, and without a canned reply."""
    backends = models(near=BackendReset("near", "gone"), far=BackendReset("far", "gone"))
    async with served(backends, policy=POLICY) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Embed(pb.EmbedRequest(input=["a"], model="small-v1"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert detail_of(caught.value, details.ErrorInfo).reason == "UPSTREAM_UNREACHABLE"
    assert [len(backends[name].calls) for name in ("near", "far", "large")] == [1, 1, 0]


async def test_the_next_model_of_the_space_takes_over() -> None:
    """It is paid for: two dollars for a million characters."""
    async with served(models(near=BackendReset("near", "gone")), policy=POLICY) as gateway:
        found = await gateway.stub.Embed(pb.EmbedRequest(input=["abcd"], model="small-v1"))
    assert [each.model for each in found.attempts] == ["near", "far"]
    assert found.cost_usd == pytest.approx(8e-6)
    assert found.route == pb.ROUTE_CLOUD


@pytest.mark.parametrize(
    ("fields", "policy", "message"),
    [
        ({}, POLICY, "model: must name a vector space, or a model of one: large-v1, small-v1"),
        ({"model": "auto"}, POLICY, "model: must name a vector space"),
        ({"model": "none"}, POLICY, "model: is neither a model nor an alias"),
        ({"dimensions": 5}, ONE_SPACE, "dimensions: must be at most 4, which the vectors of small-v1 have"),
        ({"dimensions": 0}, ONE_SPACE, "dimensions: must be 1 to 65536, is 0"),
        ({"dimensions": 7, "model": "large"}, POLICY, "large: no dimensions"),
        ({"model": "edge"}, POLICY, "the rule vectors does not route to edge"),
        ({"input": []}, ONE_SPACE, "input: must have 1 to 2048 texts, has 0"),
        ({"input": ["a"] * 2049}, ONE_SPACE, "input: must have 1 to 2048 texts, has 2049"),
        ({"input": ["a", " \u200b"]}, ONE_SPACE, r"input\[1\]: must not be empty"),
        ({"request_id": "no id"}, ONE_SPACE, "request_id: must match"),
    ],
)
async def test_what_has_no_vector_is_refused_by_name(
    fields: Mapping[str, object], policy: str, message: str
) -> None:
    """Before a model is called."""
    backends = models()
    async with served(backends, policy=policy) as gateway:
        with pytest.raises(grpc.aio.AioRpcError, match=message):
            await gateway.stub.Embed(pb.EmbedRequest(**{"input": ["a"], **fields}))  # type: ignore[arg-type]  # By name.
    assert not any(backend.calls for backend in backends.values())


async def test_fewer_dimensions_reach_the_model_and_all_of_them_do_not() -> None:
    """All that a space has is what it gives unasked, to models too that cannot shorten."""
    backends = models()
    async with served(backends, policy=ONE_SPACE) as gateway:
        shorter = await gateway.stub.Embed(pb.EmbedRequest(input=["a"], dimensions=3))
        await gateway.stub.Embed(pb.EmbedRequest(input=["a"], dimensions=4, model="large"))
    assert len(numbers(shorter)[0]) == 3
    asked = [call.request.embedding for name in ("near", "large") for call in backends[name].calls]
    assert [each.dimensions for each in asked if each is not None] == [3, None]


async def test_one_private_text_keeps_the_whole_batch_on_this_host() -> None:
    """The class is the highest of the batch; the model of the cloud is not asked."""
    backends = models()
    async with served(backends, policy=POLICY) as gateway:
        request = pb.EmbedRequest(input=["hello", CARD, "hello"], model="small-v1")
        found = await gateway.stub.Embed(request)
        request.model = "far"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Embed(request)
    assert list(found.decision.chain) == ["near"]
    assert found.decision.privacy_class >= pb.PRIVACY_CLASS_CONFIDENTIAL
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert detail_of(caught.value, details.ErrorInfo).reason == "CLEARANCE"
    assert backends["far"].calls == []


def test_no_model_of_another_space_is_asked() -> None:
    """Also where the rule routes to nothing else."""
    assert chain_of_another_space() == ()


async def test_a_chat_is_never_asked_of_an_embedding_model() -> None:
    """Not by its name, not by the name of its space, and not by a rule that routes to it."""
    routed = POLICY.replace("route: [edge]", "route: [near, edge]")
    backends = models()
    async with served(backends, policy=routed) as gateway:
        answer = await gateway.stub.Generate(ask())
        message = ask()
        message.model = "near"
        message.hints.allow_degraded = False
        with pytest.raises(grpc.aio.AioRpcError, match="near: no chat"):
            await gateway.stub.Generate(message)
        message.model = "small-v1"
        with pytest.raises(grpc.aio.AioRpcError, match="model: is neither a model nor an alias"):
            await gateway.stub.Generate(message)
    assert (answer.text, list(answer.decision.refused)) == ("hello", [])
    assert backends["near"].calls == []


async def test_a_chat_model_is_never_asked_for_a_vector() -> None:
    """Where a rule routes to nothing else, the refusal says what it lacks."""
    backends = models()
    policy = ONE_SPACE.replace(
        "when: is_embedding, route: [near, far, large]", "when: is_embedding, route: [edge]"
    )
    async with served(backends, policy=policy) as gateway:
        with pytest.raises(grpc.aio.AioRpcError, match="edge: no embeddings") as caught:
            await gateway.stub.Embed(pb.EmbedRequest(input=["a"]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert backends["edge"].calls == []


async def test_a_budget_without_room_for_the_texts_stops_the_call() -> None:
    """The worst case is reserved before: a token for each byte, and none for an answer."""
    budget = "budgets: [{name: tiny, per: all, window: day, limit_usd: 0.0005}]\nrules:"
    backends = models()
    async with served(backends, policy=POLICY.replace("rules:", budget, 1)) as gateway:
        await gateway.stub.Embed(pb.EmbedRequest(input=["abcd"], model="far"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Embed(pb.EmbedRequest(input=["abcd" * 100], model="far"))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(backends["far"].calls) == 1
    assert backends["far"].calls[0].max_tokens == 0


async def test_an_embedding_is_recorded_without_text_and_decided_alike_from_its_record(
    tmp_path: Path,
) -> None:
    """Under its own method, with what it needs of a model."""
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(models(), policy=POLICY, records=records) as gateway:
        await gateway.stub.Embed(pb.EmbedRequest(input=["a secret word"], model="small-v1"))
    (fields,) = [line for _, line in read_lines(path) if line["kind"] == "request"]
    assert (fields["method"], fields["model"], fields["facts"]["model"]) == ("Embed", "near", "small-v1")
    assert fields["facts"]["needs"] == ["embeddings"]
    assert "secret" not in path.read_text()


async def test_a_key_narrowed_to_one_space_needs_no_name() -> None:
    """Of the spaces that it may use there is one only."""
    narrowed = POLICY.replace("rules:", "keys: {team: {models: [large]}}\nrules:", 1)
    async with served(
        models(), policy=narrowed, tenant_of=lambda _: Identity(tenant="default", key_name="team")
    ) as gateway:
        found = await gateway.stub.Embed(pb.EmbedRequest(input=["a"]))
    assert (found.model, found.space) == ("large", "large-v1")
