"""API keys that the policy narrows to some models, or gives a budget of their own, through real gRPC."""

from collections.abc import Awaitable, Sequence
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from gateway.backends.base import Backend
from gateway.clock import SystemClock
from gateway.domain.answer import Usage
from gateway.records.reading import read_lines
from gateway.records.writer import Records
from gateway.server.access import TenantRule, by_credentials
from gateway.server.key_file import KeyFile, new_key
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.error_details import detail_of
from tests.support.policies import POLICY
from tests.support.served import ask, served

NARROWED = f"""{POLICY}
aliases: {{fast: edge, "gpt-*": cloud}}
keys: {{ci: {{models: [fast]}}, desk: {{models: ["gpt-*"]}}}}
budgets:
  - {{name: each-key, per: key, limit_usd: 0.0003, window: day}}
  - {{name: only-bot, per: key, key: bot, limit_usd: 0, window: day}}
"""
TO_CLOUD = {"team": "x"}
CALLERS = {"ci": "acme", "desk": "acme", "free": "acme", "bot": "acme", "": "acme"}
USAGE = Usage(prompt_tokens=200, completion_tokens=50)


@pytest.fixture
def callers(tmp_path: Path) -> tuple[TenantRule, dict[str, str]]:
    """Who calls by the keys of a file, and the keys by tenant and name."""
    made = {f"{tenant}/{name}": new_key(tenant, name=name) for name, tenant in CALLERS.items()}
    made["other/free"] = new_key("other", name="free")
    path = tmp_path / "keys.txt"
    path.write_text("\n".join(entry.line() for _, entry in made.values()))
    rule = by_credentials(keys=KeyFile(path, clock=SystemClock()), takes_certificates=False)
    return rule, {caller: key for caller, (key, _) in made.items()}


def both() -> dict[str, Backend]:
    """Return a scripted model for the edge and one for the cloud."""
    return {name: ScriptedBackend(name, lambda _: reply("fine", usage=USAGE)) for name in ("edge", "cloud")}


def asked(model: str = "", labels: dict[str, str] | None = None) -> pb.GenerateRequest:
    """Return a request for so much that two of it are more than a key's budget."""
    message = ask(labels=labels or {}, config=pb.GenerationConfig(max_tokens=50))
    message.model = model
    return message


def as_key(key: str) -> Sequence[tuple[str, str]]:
    """Return the metadata of a caller."""
    return (("authorization", f"Bearer {key}"),)


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
    callers: tuple[TenantRule, dict[str, str]], caller: str, models: list[str]
) -> None:
    """In the order of the rule; the list of models shows no others. A key without an entry may use all."""
    rule, keys = callers
    async with served(both(), policy=NARROWED, tenant_of=rule) as gateway:
        who = as_key(keys[caller])
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
    callers: tuple[TenantRule, dict[str, str]], model: str, labels: dict[str, str], said: str
) -> None:
    """Never a canned reply, streamed neither, and nothing is called."""
    rule, keys = callers
    backends = both()
    async with served(backends, policy=NARROWED, tenant_of=rule) as gateway:
        who, message = as_key(keys["acme/ci"]), asked(model, labels)
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
    callers: tuple[TenantRule, dict[str, str]],
) -> None:
    """Being listed widens nothing: the rule has to route to it."""
    rule, keys = callers
    async with served(both(), policy=NARROWED, tenant_of=rule) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(asked("fast", TO_CLOUD), metadata=as_key(keys["acme/ci"]))
    assert detail_of(caught.value, details.ErrorInfo).reason == "NOT_IN_ROUTE"


async def test_each_key_spends_its_own_budget(
    callers: tuple[TenantRule, dict[str, str]], tmp_path: Path
) -> None:
    """A key that has spent its budget stops no other one, of any tenant; records name keys, and hold none."""
    rule, keys = callers
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    async with served(both(), policy=NARROWED, tenant_of=rule, records=records) as gateway:

        async def reason(caller: str) -> str:
            answer = await gateway.stub.Generate(asked("cloud"), metadata=as_key(keys[caller]))
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
    assert not any(key in path.read_text() for key in keys.values())
