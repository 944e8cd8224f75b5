"""A caller that names a model, through real gRPC."""

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from gateway.backends.base import Backend
from gateway.clock import SystemClock
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.error_details import detail_of
from tests.support.policies import POLICY
from tests.support.served import ask, served

NAMED = POLICY.replace(
    "rules:", 'aliases: {fast: edge, "gpt-*": cloud, "claude-*": auto}\nrules:', 1
).replace("model: m,", "model: m, modalities: [text, image],")
TO_CLOUD = {"team": "x"}


def both() -> dict[str, Backend]:
    """Return a scripted model for the edge and one for the cloud."""
    return {name: ScriptedBackend(name, [reply(name)] * 3) for name in ("edge", "cloud")}


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("", ["edge", "cloud"]),
        ("auto", ["edge", "cloud"]),
        ("claude-opus", ["edge", "cloud"]),
        ("cloud", ["cloud"]),
        ("gpt-4o", ["cloud"]),
        ("fast", ["edge"]),
    ],
)
async def test_only_the_model_that_is_named_answers(name: str, chain: list[str]) -> None:
    """By its own name or an alias, whole and streamed, and explained alike."""
    async with served(both(), policy=NAMED) as gateway:
        message = ask()
        message.model = name
        answer = await gateway.stub.Generate(message)
        events = gateway.stub.StreamGenerate(pb.StreamGenerateRequest(messages=message.messages, model=name))
        streamed = [each async for each in events][-1].completed
        explained = await gateway.stub.Explain(pb.ExplainRequest(messages=message.messages, model=name))
        counted = await gateway.stub.CountTokens(pb.CountTokensRequest(messages=message.messages, model=name))

    assert answer.model == streamed.model == counted.model == chain[0]
    assert list(answer.decision.chain) == list(streamed.decision.chain) == chain
    assert list(explained.decision.chain) == chain


async def test_a_private_request_is_not_sent_to_the_model_that_is_named() -> None:
    """A name beats no filter: the caller gets a canned reply, and the model no call."""
    backends = both()
    async with served(backends, policy=NAMED) as gateway:
        message = ask("My card is 4111 1111 1111 1111.")
        message.model = "gpt-4o"
        answer = await gateway.stub.Generate(message)

    cloud = backends["cloud"]
    assert isinstance(cloud, ScriptedBackend)
    assert cloud.calls == []
    assert answer.degraded.reason == pb.REASON_CLEARANCE
    assert [each.model for each in answer.decision.refused] == ["cloud"]


async def test_a_model_outside_of_the_route_is_an_error_that_names_the_rule(tmp_path: Path) -> None:
    """Never a canned reply, streamed neither; nothing is called, and the decision is recorded."""
    backends = both()
    records = Records(tmp_path / "decisions.jsonl", clock=SystemClock())
    async with served(backends, policy=NAMED, records=records) as gateway:
        message = ask(labels=TO_CLOUD)
        message.model = "fast"
        explained = pb.ExplainRequest(messages=message.messages, labels=TO_CLOUD, model="fast")
        streamed = pb.StreamGenerateRequest(messages=message.messages, labels=TO_CLOUD, model="fast")
        for call in (
            gateway.stub.Generate(message),
            gateway.stub.Explain(explained),
            gateway.stub.StreamGenerate(streamed).read(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert "the rule team does not route to edge" in str(caught.value.details())
            assert detail_of(caught.value, details.ErrorInfo).reason == "NOT_IN_ROUTE"

    assert all(isinstance(each, ScriptedBackend) and each.calls == [] for each in backends.values())
    kept = [line for _, line in read_lines(tmp_path / "decisions.jsonl") if line["kind"] == "request"]
    assert {(line["reason"], line["facts"]["model"], *line["decision"]["chain"]) for line in kept} == {
        ("NOT_IN_ROUTE", "fast")
    }


async def test_an_unknown_model_is_a_wrong_field() -> None:
    """INVALID_REQUEST names `model`, not what the caller wrote there."""
    async with served(both(), policy=NAMED) as gateway:
        message = ask()
        message.model = "secret-project"
        for call in (
            gateway.stub.Generate(message),
            gateway.stub.CountTokens(pb.CountTokensRequest(messages=message.messages, model=message.model)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert [v.field for v in detail_of(caught.value, details.BadRequest).field_violations] == [
                "model"
            ]
            assert "secret-project" not in str(caught.value.details())


async def test_an_edge_model_is_asked_for_no_more_than_the_rule_allows() -> None:
    """A rule's `set` lowers what a local model is asked for, and raises nothing."""
    backends = both()
    short = POLICY.replace("route: [edge, cloud]}", "route: [edge, cloud], set: {max_tokens: 30}}")
    async with served(backends, policy=short) as gateway:
        for max_tokens in (None, 500, 20):
            message = ask()
            message.config.CopyFrom(pb.GenerationConfig(max_tokens=max_tokens))
            answer = await gateway.stub.Generate(message)

    edge = backends["edge"]
    assert isinstance(edge, ScriptedBackend)
    assert [call.max_tokens for call in edge.calls] == [30, 30, 20]
    assert answer.decision.limits.max_tokens == 30


async def test_the_list_says_what_models_can_do() -> None:
    """Place, forms of content and tools are those of the policy, as long as no engine says otherwise."""
    async with served(both(), policy=NAMED) as gateway:
        listed = await gateway.stub.ListModels(pb.ListModelsRequest())

    assert [(each.name, each.place, list(each.modalities), each.tools) for each in listed.models] == [
        ("edge", pb.ROUTE_LOCAL, [pb.MODALITY_TEXT], True),
        ("cloud", pb.ROUTE_CLOUD, [pb.MODALITY_TEXT, pb.MODALITY_IMAGE], True),
    ]
    assert [(each.name, each.model) for each in listed.aliases] == [
        ("auto", "auto"),
        ("fast", "edge"),
        ("gpt-*", "cloud"),
        ("claude-*", "auto"),
    ]
