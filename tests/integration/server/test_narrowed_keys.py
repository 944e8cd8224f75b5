"""API keys that the policy narrows to some models, or gives a budget of their own, through real gRPC."""

from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from gateway.clock import SystemClock
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.testing.scripted import ScriptedBackend
from gateway.v1 import gateway_pb2 as pb
from tests.support.error_details import detail_of
from tests.support.named_keys import NARROWED, edge_and_cloud, named_keys
from tests.support.served import ask, served

TO_CLOUD = {"team": "x"}


def asked(model: str = "", labels: dict[str, str] | None = None) -> pb.GenerateRequest:
    """Return a request for so much that two of it are more than a key's budget."""
    message = ask(labels=labels or {}, config=pb.GenerationConfig(max_tokens=50))
    message.model = model
    return message


@pytest.mark.parametrize(
    ("caller", "models"),
    [
        ("acme/ci", ["edge"]),
        ("acme/desk", ["cloud"]),
        ("acme/free", ["edge", "cloud"]),
        ("acme/", ["edge", "cloud"]),
    ],
)
async def test_the_route_is_narrowed_to_the_models_of_the_key(
    tmp_path: Path, caller: str, models: list[str]
) -> None:
    """In the order of the rule; the list of models shows no others. A key without an entry may use all."""
    keys = named_keys(tmp_path, caller)
    async with served(edge_and_cloud(), policy=NARROWED, tenant_of=keys.tenant_of) as gateway:
        who = keys.metadata(caller)
        answer = await gateway.stub.Generate(asked(), metadata=who)
        listed = await gateway.stub.ListModels(pb.ListModelsRequest(), metadata=who)

    assert list(answer.decision.chain) == models
    assert answer.model == models[0]
    assert sorted(each.name for each in listed.models) == sorted(models)


@pytest.mark.parametrize(
    ("model", "labels", "said"),
    [
        ("cloud", {}, "keys called ci may not use cloud"),
        ("gpt-5", {}, "keys called ci may not use cloud"),
        ("", TO_CLOUD, "the rule team routes to no model that keys called ci may use"),
        ("auto", TO_CLOUD, "the rule team routes to no model that keys called ci may use"),
    ],
)
async def test_a_model_of_other_keys_is_refused_by_name(
    tmp_path: Path, model: str, labels: dict[str, str], said: str
) -> None:
    """Never a canned reply, streamed neither, and nothing is called."""
    keys = named_keys(tmp_path, "acme/ci")
    backends = edge_and_cloud()
    async with served(backends, policy=NARROWED, tenant_of=keys.tenant_of) as gateway:
        who, message = keys.metadata("acme/ci"), asked(model, labels)
        streamed = pb.StreamGenerateRequest(messages=message.messages, labels=labels, model=model)
        calls: list[Awaitable[object]] = [
            gateway.stub.Generate(message, metadata=who),
            gateway.stub.StreamGenerate(streamed, metadata=who).read(),
        ]
        if not labels:
            counted = pb.CountTokensRequest(messages=message.messages, model=model)
            calls.append(gateway.stub.CountTokens(counted, metadata=who))
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert said in str(caught.value.details())
            assert detail_of(caught.value, details.ErrorInfo).reason == "MODEL_NOT_ALLOWED"

    assert all(isinstance(each, ScriptedBackend) and each.calls == [] for each in backends.values())


async def test_a_model_that_the_key_may_use_is_bound_by_rules_all_the_same(
    tmp_path: Path,
) -> None:
    """Being listed widens nothing: the rule has to route to it."""
    keys = named_keys(tmp_path, "acme/ci")
    async with served(edge_and_cloud(), policy=NARROWED, tenant_of=keys.tenant_of) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(asked("fast", TO_CLOUD), metadata=keys.metadata("acme/ci"))
    assert detail_of(caught.value, details.ErrorInfo).reason == "NOT_IN_ROUTE"


async def test_each_key_spends_its_own_budget(tmp_path: Path) -> None:
    """A key that has spent its budget stops no other one, of any tenant; records name keys, and hold none."""
    keys = named_keys(tmp_path, "acme/free", "acme/desk", "other/free", "acme/", "acme/bot")
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(
        edge_and_cloud(), policy=NARROWED, tenant_of=keys.tenant_of, records=records
    ) as gateway:

        async def reason(caller: str) -> str:
            answer = await gateway.stub.Generate(asked("cloud"), metadata=keys.metadata(caller))
            return pb.Reason.Name(answer.degraded.reason).removeprefix("REASON_")

        spent = [await reason("acme/free") for _ in range(2)]
        others = [await reason(caller) for caller in ("acme/desk", "other/free", "acme/", "acme/bot")]

    assert spent == ["UNSPECIFIED", "BUDGET_EXHAUSTED"]
    assert others == ["UNSPECIFIED", "UNSPECIFIED", "UNSPECIFIED", "BUDGET_EXHAUSTED"]
    kept = [line for _, line in read_lines(path) if line["kind"] == "request"]
    assert [(line["tenant"], line["key_name"]) for line in kept] == [
        ("acme", "free"), ("acme", "free"), ("acme", "desk"),
        ("other", "free"), ("acme", ""), ("acme", "bot"),
    ]  # fmt: skip
    assert not any(key in path.read_text() for key in keys.by_caller.values())
