"""Each refusal that a caller can meet, through every door: the same reason, advice, log and record."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.domain.decision import Reason
from gateway.errors import (
    HTTP_STATUS,
    BackendCredentials,
    BackendFailed,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendSilent,
    BackendUnreachable,
    ContentFiltered,
    ContextTooLong,
    NotCapable,
)
from gateway.policy.model import Policy
from gateway.records.writer import Records
from gateway.server.access import TenantRule, anyone
from gateway.telemetry.metrics import Measures
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import Delay, Script, ScriptedBackend, Step, reply
from tests.support.doors import DOORS, GRPC, REQUEST_ID, Door, GrpcDoor, Question, Refused
from tests.support.named_keys import NARROWED, named_keys
from tests.support.policies import POLICY
from tests.support.served import ANY_PORT, Served, ask, served
from tests.support.waiting import until

CLOUD_ONLY = {"team": "x"}
TO_CLOUD = Question(labels=CLOUD_ONLY)
UNKNOWN_MODEL = 404
TOO_LARGE = 413
SLOW_S = 30
"""How much later than the first door another one may be asked."""
OWN_OF_A_DOOR = frozenset({"transport", "method", "duration_ms", "at_unix_s", "request_id"})
"""What of a log line or a record differs by the door, or is a time."""


class FullDisk(Records):
    """Records that cannot be written."""

    def gate(self, tenant: str, prompt_tokens: int, policy: Policy) -> None:
        """Refuse, as while the disk is full."""
        self.is_failing = True
        super().gate(tenant, prompt_tokens, policy)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """How to meet a refusal, and what is told of it."""

    reason: Reason
    code: str
    """Of gRPC."""
    word: str = ""
    """The code of an error over HTTP; by default the reason in small letters."""
    status: int = 0
    """Over HTTP; by default that of the reason."""
    may_retry: bool = False
    waits: bool = False
    """Whether it is told when to come back."""
    is_paid: bool = False
    """Whether money may have been spent: SDKs over HTTP would spend it again unasked, and are told not to."""
    question: Question = field(default_factory=Question)
    policy: str = POLICY
    step: Step = field(default_factory=lambda: reply("fine"))
    before: str = ""
    """What happens first: a question, or one that is being answered."""
    has_keys: bool = False
    has_full_disk: bool = False


def _limits(text: str) -> str:
    return f"{POLICY}limits: {{{text}}}\n"


REFUSALS: Mapping[str, Refusal] = {
    "a wrong field": Refusal(
        reason=Reason.INVALID_REQUEST, code="INVALID_ARGUMENT", question=Question(temperature=9.0)
    ),
    "a model that is unknown": Refusal(
        reason=Reason.INVALID_REQUEST,
        code="INVALID_ARGUMENT",
        word="model_not_found",
        status=UNKNOWN_MODEL,
        question=Question(model="nobody"),
    ),
    "a model that the rule does not route to": Refusal(
        reason=Reason.NOT_IN_ROUTE,
        code="FAILED_PRECONDITION",
        question=Question(model="edge", labels=CLOUD_ONLY),
    ),
    "a model that the key may not use": Refusal(
        reason=Reason.MODEL_NOT_ALLOWED,
        code="PERMISSION_DENIED",
        policy=NARROWED,
        has_keys=True,
        question=Question(model="cloud", key="acme/ci"),
    ),
    "a stranger": Refusal(
        reason=Reason.UNAUTHENTICATED, code="UNAUTHENTICATED", word="invalid_api_key", has_keys=True
    ),
    "a rate": Refusal(
        reason=Reason.RATE_LIMITED,
        code="RESOURCE_EXHAUSTED",
        word="rate_limit_exceeded",
        policy=_limits("requests_per_minute: 1"),
        before="asked",
        may_retry=True,
        waits=True,
    ),
    "a full queue": Refusal(
        reason=Reason.QUEUE_FULL,
        code="RESOURCE_EXHAUSTED",
        policy=_limits("concurrency: 1, queue: 0"),
        step=[Delay(3600.0)],
        before="asking",
        may_retry=True,
        waits=True,
    ),
    "a budget": Refusal(
        reason=Reason.BUDGET_EXHAUSTED,
        code="RESOURCE_EXHAUSTED",
        word="insufficient_quota",
        policy=POLICY + "budgets: [{name: pocket, per: all, limit_usd: 0.000001, window: day}]\n",
        question=TO_CLOUD,
        may_retry=True,
        waits=True,
    ),
    "a secret for a model elsewhere": Refusal(
        reason=Reason.CLEARANCE,
        code="FAILED_PRECONDITION",
        question=Question(text="my card is 4111 1111 1111 1111", labels=CLOUD_ONLY),
    ),
    "what the model cannot do": Refusal(
        reason=Reason.CAPABILITY,
        code="INVALID_ARGUMENT",
        question=TO_CLOUD,
        step=NotCapable("cloud", "pattern is not supported here"),
    ),
    "a prompt that is too long": Refusal(
        reason=Reason.CONTEXT_LENGTH_EXCEEDED,
        code="INVALID_ARGUMENT",
        question=TO_CLOUD,
        step=ContextTooLong("cloud", "the prompt has 15000 tokens, the context is 4096"),
    ),
    "a filter of content": Refusal(
        reason=Reason.CONTENT_FILTERED,
        code="FAILED_PRECONDITION",
        word="content_filter",
        question=TO_CLOUD,
        step=ContentFiltered("cloud", "HTTP 400"),
    ),
    "a deadline": Refusal(
        reason=Reason.DEADLINE,
        code="DEADLINE_EXCEEDED",
        policy=POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 0.5, max: 10}"),
        step=[Delay(3600.0)],
        question=TO_CLOUD,
    ),
    "models that fail": Refusal(
        reason=Reason.UPSTREAM_ERROR,
        code="UNAVAILABLE",
        question=TO_CLOUD,
        step=BackendFailed("cloud", "HTTP 500"),
        may_retry=True,
    ),
    "models that fail in two ways": Refusal(
        reason=Reason.ALL_FAILED, code="UNAVAILABLE", step=BackendFailed("cloud", "HTTP 500"), may_retry=True
    ),
    "a silent model": Refusal(
        reason=Reason.UPSTREAM_SILENT,
        code="UNAVAILABLE",
        question=TO_CLOUD,
        step=BackendSilent("cloud", "no answer in 60 s"),
        may_retry=True,
        is_paid=True,
    ),
    "a rate of the provider": Refusal(
        reason=Reason.RATE_LIMITED,
        code="RESOURCE_EXHAUSTED",
        word="rate_limit_exceeded",
        question=TO_CLOUD,
        step=BackendRateLimited("cloud", "HTTP 429", retry_after_s=7.2),
        may_retry=True,
        waits=True,
    ),
    "a quota of the provider": Refusal(
        reason=Reason.RATE_LIMITED,
        code="RESOURCE_EXHAUSTED",
        word="rate_limit_exceeded",
        question=TO_CLOUD,
        step=BackendQuotaUsedUp("cloud", "HTTP 402"),
    ),
    "credentials of the gateway": Refusal(
        reason=Reason.UPSTREAM_CREDENTIALS,
        code="FAILED_PRECONDITION",
        question=TO_CLOUD,
        step=BackendCredentials("cloud", "HTTP 401"),
    ),
    "a full disk": Refusal(
        reason=Reason.RECORDS_UNAVAILABLE,
        code="UNAVAILABLE",
        policy=POLICY + "records: {on_error: refuse}\n",
        has_full_disk=True,
        may_retry=True,
        waits=True,
    ),
    "a defect": Refusal(
        reason=Reason.INTERNAL, code="INTERNAL", word="internal_error", step=RuntimeError("a defect")
    ),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a caller and an operator see of one refusal."""

    told: Refused
    line: Mapping[str, Any]
    """Of the log."""
    labels: Mapping[str, str]
    """Of the metric that counts calls."""
    record: Mapping[str, Any] | None


async def _asked(gateway: Served) -> None:
    await gateway.stub.Generate(ask())


@asynccontextmanager
async def _first(refusal: Refusal, gateway: Served, edge: ScriptedBackend) -> AsyncIterator[None]:
    """Do what comes before the question."""
    if refusal.before == "asked":
        await gateway.stub.Generate(ask())
    if refusal.before != "asking":
        yield
        return
    holder = asyncio.ensure_future(_asked(gateway))
    await until(lambda: bool(edge.calls))
    yield
    holder.cancel()


def _script(refusal: Refusal, name: str) -> Script:
    """Return what a model does; those that fail in two ways do so by their name."""
    step = refusal.step
    if refusal.reason is Reason.ALL_FAILED and name == "edge":
        step = BackendUnreachable("edge", "no connection")
    return lambda _: step


async def seen(refusal: Refusal, door: Door, path: Path) -> Seen:
    """Run a gateway that records to a file, and meet a refusal at a door."""
    backends = {name: ScriptedBackend(name, _script(refusal, name)) for name in ("edge", "cloud")}
    measures, question = Measures(), refusal.question
    tenant_of: TenantRule = anyone
    if refusal.has_keys:
        keys = named_keys(path.parent, "acme/ci")
        tenant_of, question = keys.tenant_of, replace(question, key=keys.by_caller.get(question.key, ""))
    records = (FullDisk if refusal.has_full_disk else Records)(path, clock=SystemClock())
    with capture_logs() as logs:
        async with (
            served(
                backends,
                policy=refusal.policy,
                records=records,
                observers=(measures.record_call,),
                tenant_of=tenant_of,
                http=ANY_PORT,
            ) as gateway,
            _first(refusal, gateway, backends["edge"]),
        ):
            told = await door.refused(gateway, question)
            await until(lambda: bool(_refused(logs)))
    samples = [sample for metric in measures.registry.collect() for sample in metric.samples]
    counted = [sample.labels for sample in samples if sample.name == "gateway_requests_total"]
    (line,), (labels,) = _refused(logs), _refused(counted)
    return Seen(told=told, line=line, labels=labels, record=_record_in(path))


def _record_in(path: Path) -> Mapping[str, Any] | None:
    """Return the record of the refusal; what was not decided leaves none."""
    return next(iter(_refused(map(json.loads, path.read_text().splitlines()))), None)


def _refused(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what is about the refusal."""
    return [each for each in found if each.get("code") not in {None, "OK", "CANCELLED"}]


def _compared(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in OWN_OF_A_DOOR}


def _recorded(record: Mapping[str, Any] | None) -> object:
    """Return of a record what is no time, no size of the bytes that came, and no hash."""
    if record is None:
        return None
    kept = ("code", "reason", "tenant", "key_name", "policy_hash", "cost_usd_nanos")
    decision = {name: record["decision"][name] for name in ("rule", "chain", "refused", "privacy_class")}
    attempts = [(each["model"], each["outcome"], each["reason"]) for each in record["attempts"]]
    return {name: record[name] for name in kept}, decision, attempts


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_the_same_through_every_door(name: str, tmp_path: Path) -> None:
    """What is told to callers, logged, counted and recorded."""
    refusal = REFUSALS[name]
    at_grpc = await seen(refusal, GRPC, tmp_path / "first.jsonl")
    assert (at_grpc.told.word, at_grpc.told.status) == (refusal.reason, refusal.code)
    for title, door in DOORS.items():
        at_door = await seen(refusal, door, tmp_path / f"{title}.jsonl")
        told, line = at_door.told, at_door.line
        is_http = not isinstance(door, GrpcDoor)
        if is_http:
            assert told.word == (refusal.word or refusal.reason.lower()), title
            assert told.status == (refusal.status or HTTP_STATUS[refusal.reason]), title
        assert told.may_retry == (refusal.may_retry and not (is_http and refusal.is_paid)), title
        assert (told.retry_after_s is not None) == refusal.waits, title
        if told.retry_after_s is not None and at_grpc.told.retry_after_s is not None:
            assert abs(told.retry_after_s - at_grpc.told.retry_after_s) <= SLOW_S, title
        assert told.request_id == line["request_id"], title
        assert (told.request_id == REQUEST_ID) == (refusal.reason is not Reason.UNAUTHENTICATED), title
        assert (line["transport"], line["method"]) == ("http" if is_http else "grpc", door.method), title
        assert (line["reason"], line["code"]) == (refusal.reason, refusal.code), title
        assert _compared(line) == _compared(at_grpc.line), title
        assert _compared(at_door.labels) == _compared(at_grpc.labels), title
        assert _recorded(at_door.record) == _recorded(at_grpc.record), title


@pytest.mark.parametrize("title", [title for title in DOORS if "gRPC" not in title])
async def test_a_request_that_is_too_large_is_refused_by_name(title: str, tmp_path: Path) -> None:
    """Over gRPC its core refuses it before the gateway hears of it."""
    long, reports = Question(text="x" * 5_000), list[CallReport]()
    backends = {name: ScriptedBackend(name, [reply("fine")]) for name in ("edge", "cloud")}
    async with served(
        backends, max_request_bytes=4_000, http=ANY_PORT, observers=(reports.append,)
    ) as gateway:
        told = await DOORS[title].refused(gateway, long)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(ask(long.text))
    assert (told.word, told.status, told.may_retry) == ("request_too_large", TOO_LARGE, False)
    assert [(report.code, report.reason) for report in reports] == [
        ("INVALID_ARGUMENT", Reason.INVALID_REQUEST)
    ]
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
