"""What a call leaves behind in the metrics: through real gRPC, and read as Prometheus reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import openai
import pytest

from gateway.admin.v1 import admin_pb2
from gateway.backends.base import Backend
from gateway.dispatch.breaker import FAILURES_IN_A_ROW
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.domain.conversation import Message, Role, ToolCall
from gateway.engine.metrics import EngineMetrics
from gateway.errors import BackendFailed, StreamTruncated
from gateway.policy.loading.load import parse_policy
from gateway.server.access import by_header
from gateway.telemetry.catalogue import BATCH, COUNTED, QUEUE_S, READ, all_metrics
from gateway.telemetry.catalogue import SERVER_FIRST_TOKEN_S as FIRST
from gateway.telemetry.catalogue import SERVER_PER_TOKEN_S as PER_TOKEN
from gateway.telemetry.metrics import MAX_TENANTS, OTHER, Measures, Tenants
from gateway.telemetry.status_collector import Snapshot, budgets_left
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.openai_client import client_of
from tests.support.operated import Operated, Page, operated, read_page
from tests.support.policies import POLICY
from tests.support.records_made import POLICY as RECORDED
from tests.support.records_made import ended
from tests.support.served import ANY_PORT, ask

MARK = "the-zebra-wore-plum-slippers"
PRIVATE = f"My card is 4111 1111 1111 1111. {MARK}"
HARD = (
    "Prove step by step that every continuous function on a compact set is bounded, and compare two proofs."
    f" {MARK}"
)
USAGE = Usage(prompt_tokens=30, completion_tokens=5)
BUDGET = "budgets:\n  - {name: daily, per: tenant, limit_usd: 0.50, window: day}\n"
RETRIES = "resilience: {attempts: 2, backoff_s: {first: 0.05, max: 0.1}, deadline_s: {default: 5, max: 10}}"
RETRYING = POLICY.replace(POLICY[POLICY.index("resilience:") : POLICY.index("replies:")], f"{RETRIES}\n")
STREAM = [Chunk(text="a "), Chunk(text="b "), Chunk(text="c", finish_reason=FinishReason.STOP, usage=USAGE)]


def _both(edge: Any = None, cloud: Any = None) -> dict[str, Backend]:
    return {
        "edge": ScriptedBackend("edge", edge or (lambda _: reply("edge", usage=USAGE))),
        "cloud": ScriptedBackend("cloud", cloud or (lambda _: reply("cloud", usage=USAGE))),
    }


async def _stream(running: Operated, request: pb.GenerateRequest) -> None:
    same = pb.StreamGenerateRequest.FromString(request.SerializeToString())
    async for _ in running.gateway.stub.StreamGenerate(same):
        pass


async def test_requests_by_route_reason_class_and_tenant(tmp_path: Path) -> None:
    """Each way that a call can end is one series; a refused request is counted with its reason."""
    async with operated(_both(), tmp_path, tenant_of=by_header) as running:
        stub = running.gateway.stub
        await stub.Generate(ask("hello"), metadata=[("x-tenant", "acme")])
        await stub.Generate(ask(HARD), metadata=[("x-tenant", "acme")])
        await stub.Explain(pb.ExplainRequest(messages=ask("hello").messages))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Generate(pb.GenerateRequest())
        page = await running.page()

    requests = "gateway_requests_total"
    assert page.total(requests, route="LOCAL", tenant="acme", privacy_class="PUBLIC", code="OK") == 1
    assert page.total(requests, route="CLOUD", tenant="acme", method="Generate") == 1
    assert page.total(requests, route="", tenant="default", method="Explain", code="OK") == 1
    assert page.total(requests, code="INVALID_ARGUMENT", reason="INVALID_REQUEST", privacy_class="") == 1
    assert page.total(requests) == 4
    assert page.total("rpc_server_call_duration_seconds_count") == 4


async def test_a_canned_reply_is_counted_by_its_reason(tmp_path: Path) -> None:
    """A private request whose edge is down is canned for CLEARANCE, in its class."""
    async with operated(_both(edge=lambda _: BackendFailed("edge", "down")), tmp_path) as running:
        await running.gateway.stub.Generate(ask(PRIVATE))
        page = await running.page()

    assert (
        page.total("gateway_requests_total", route="CANNED", reason="CLEARANCE", privacy_class="RESTRICTED")
        == 1
    )
    assert page.total("gateway_attempts_total", model="edge", outcome="FAILED", reason="UPSTREAM_ERROR") == 1
    assert page.total("gateway_attempts_total", model="cloud") == 0


async def test_retries_tokens_and_cost(tmp_path: Path) -> None:
    """A retry is one; tokens are the model's count; cost is what was charged, and is gone from the budget."""
    cloud = [BackendFailed("cloud", "500"), reply("cloud", usage=USAGE)]
    async with operated(_both(cloud=cloud), tmp_path, policy=RETRYING + BUDGET) as running:
        response = await running.gateway.stub.Generate(ask(HARD))
        page = await running.page()

    assert page.total("gateway_retries_total", model="cloud") == 1
    assert page.total("gateway_attempts_total", model="cloud") == 2
    usage = "gen_ai_client_token_usage_sum"
    assert page.total(usage, gen_ai_token_type="input", gen_ai_provider_name="openai") == 30
    assert page.total(usage, gen_ai_token_type="output", gen_ai_request_model="m", model="cloud") == 5
    assert page.total("gateway_cost_usd_total", model="cloud") == pytest.approx(response.cost_usd)
    assert response.cost_usd > 0
    left = page.total("gateway_budget_left_usd", budget="daily", subject="default")
    assert left == pytest.approx(0.50 - response.cost_usd)
    assert page.total("gateway_budget_limit_usd", budget="daily") == 0.50


async def test_overhead_is_what_no_model_reader_or_pause_took(tmp_path: Path) -> None:
    """A model that takes 0.2 s, and a pause between tries, are no overhead of the gateway."""
    cloud = [BackendFailed("cloud", "500"), Delay(0.2), reply("cloud", usage=USAGE)]
    async with operated(_both(cloud=cloud), tmp_path, policy=RETRYING) as running:
        await running.gateway.stub.Generate(ask(HARD))
        page = await running.page()

    whole_s = page.total("rpc_server_call_duration_seconds_sum")
    upstream_s = page.total("gen_ai_client_operation_duration_seconds_sum")
    overhead_s = page.total("gateway_overhead_seconds_sum", method="Generate")
    assert upstream_s >= 0.2
    assert 0 < overhead_s <= whole_s - upstream_s - 0.04
    assert 0 < page.total("gateway_decision_duration_seconds_sum") <= overhead_s


async def test_first_token_and_time_per_token_of_a_stream(tmp_path: Path) -> None:
    """A stream's first text counts for the caller and for the model, its tokens for their mean."""

    async with operated(_both(edge=[[Delay(0.1), *STREAM]]), tmp_path) as running:
        await _stream(running, ask("hello"))
        await running.gateway.stub.Generate(ask("hello"))
        page = await running.page()

    assert page.total("gateway_time_to_first_token_seconds_count", route="LOCAL") == 1
    assert page.total("gateway_time_to_first_token_seconds_sum") >= 0.1
    assert page.total("gen_ai_client_operation_time_to_first_chunk_seconds_count", model="edge") == 1
    assert page.total("gateway_time_per_output_token_seconds_count", model="edge") == 1


async def test_a_cancelled_call_counts_with_what_it_cost(tmp_path: Path) -> None:
    """A caller who goes away leaves a CANCELLED call, its attempt and its charge."""
    slow = lambda _: [Chunk(text="a "), Delay(5.0), *STREAM]  # noqa: E731
    async with operated(_both(cloud=slow), tmp_path, policy=POLICY + BUDGET) as running:
        call = running.gateway.stub.StreamGenerate(
            pb.StreamGenerateRequest.FromString(ask(HARD).SerializeToString())
        )
        async for event in call:
            if event.HasField("delta"):
                break
        busy = await read_page(running.page_address)
        call.cancel()
        page = await running.page()

    assert page.total("gateway_attempts_total", model="cloud", outcome="CANCELLED") == 1
    assert page.total("gateway_cost_usd_total", model="cloud") > 0
    assert page.total("gateway_requests_total", code="CANCELLED") == 1
    assert busy.total("gateway_requests_in_flight") == 1
    assert page.total("gateway_requests_in_flight") == 0


async def test_the_state_of_breakers(tmp_path: Path) -> None:
    """A breaker that opened is counted as open, by its model."""
    async with operated(_both(cloud=lambda _: BackendFailed("cloud", "500")), tmp_path) as running:
        for _ in range(FAILURES_IN_A_ROW):
            await running.gateway.stub.Generate(ask(HARD))
        page = await running.page()

    assert page.total("gateway_breakers", model="cloud", state="open") == 1
    assert page.total("gateway_breakers", model="cloud", state="closed") == 0
    assert page.total("gateway_breakers", model="edge", state="closed") == 1


async def test_no_text_reaches_the_page(tmp_path: Path) -> None:
    """Neither a prompt, nor an answer, nor a label of a request stands in a metric or a status."""
    backends = _both(edge=lambda _: reply(f"answer {MARK}", usage=USAGE))
    async with operated(backends, tmp_path) as running:
        await running.gateway.stub.Generate(ask(PRIVATE, labels={"team": MARK}))
        with pytest.raises(grpc.aio.AioRpcError):
            await running.gateway.stub.Generate(ask("x", request_id=f"{MARK}!"))
        page = await running.page()
        status = await running.admin.status(decisions=10)

    assert len(status.workers[0].decisions) == 1
    assert MARK not in page.text
    assert MARK not in str(status)
    assert "4111 1111" not in page.text + str(status)


async def test_a_call_over_http_is_measured_under_its_path(tmp_path: Path) -> None:
    """By the conventions of HTTP, with the code of one that failed; gRPC's metric has none of it."""
    duration = "http_server_request_duration_seconds_count"
    async with operated(_both(), tmp_path, http=ANY_PORT) as running, client_of(running.gateway) as client:
        await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hello"}])
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")
        page = await running.page()

    path = {"http_request_method": "POST", "http_route": "/v1/chat/completions"}
    assert page.total(duration, **path, error_type="", route="LOCAL") == 1
    path = {"http_request_method": "GET", "http_route": "/v1/models/{model}"}
    assert page.total(duration, **path, error_type="INVALID_ARGUMENT", route="") == 1
    assert page.total("rpc_server_call_duration_seconds_count") == 0


async def test_what_the_page_has_is_defined(tmp_path: Path) -> None:
    """Every sample belongs to a metric of the definitions, with exactly its labels."""
    other = POLICY.replace("route: [edge, cloud]", "route: [cloud]")
    async with operated(_both(edge=[[*STREAM]]), tmp_path, policy=POLICY + BUDGET, shadow=other) as running:
        await running.gateway.stub.Generate(ask(HARD))
        await _stream(running, ask("hello"))
        running.operator.measures.record_reload("applied")
        running.operator.measures.record_write_error()
        page = await running.page()

    defined = {name: metric for metric in all_metrics() for name in metric.series}
    strange = [
        (name, sorted(labels))
        for name, labels in page.samples
        if name not in defined or {label for label, _ in labels} - {"le"} != set(defined[name].labels)
    ]
    assert strange == []
    seen = {defined[name].name for name, _ in page.samples}
    assert {m.name for m in COUNTED} - seen == {
        "gateway_cache_look_ups_total",
        "gateway_retries_total",
        "gateway_tool_calls_total",
        "gateway_mirrored_requests_total",
        "gateway_mirror_cost_usd_total",
        "http_server_request_duration_seconds",
    }
    assert page.total("gateway_policy_reloads_total", outcome="applied") == 1
    assert page.total("gateway_shadow_decisions_total", differs="false") == 1
    assert page.total("gateway_shadow_decisions_total", differs="true") == 1
    assert page.total("gateway_record_errors_total") == 1


def test_what_is_read_is_defined() -> None:
    """A status yields the metrics of READ and no others."""
    engine = admin_pb2.Engine(model="edge", is_serving=True, starts=1, load_s=0.5)
    engine.status.model = "edge"
    for name, metric in (
        ("queue_s", QUEUE_S),
        ("batch_sequences", BATCH),
        ("first_token_s", FIRST),
        ("per_token_s", PER_TOKEN),
    ):
        told = getattr(engine.status, name)
        told.bounds.extend(metric.buckets)
        told.counts.extend([1] * (len(metric.buckets) + 1))
    families = list(Snapshot(admin_pb2.GetStatusResponse(engines=[engine])).collect())

    names = {f.name + ("_total" if f.type == "counter" else "") for f in families}
    assert names == {metric.name for metric in READ}
    assert {family.name for family in families if not family.samples} == {
        "gateway_breakers",
        "gateway_budget_limit_usd",
        "gateway_budget_left_usd",
        "gateway_engine_requests",
    }


def test_an_engine_counts_in_the_buckets_that_are_promised() -> None:
    """The engine's histograms have the bounds of the definitions."""
    told = EngineMetrics()
    assert told.first_token_s.bounds == FIRST.buckets
    assert told.per_token_s.bounds == PER_TOKEN.buckets
    assert told.queue_s.bounds == QUEUE_S.buckets
    assert told.batch_sequences.bounds == BATCH.buckets


def test_labels_with_tenants_are_bounded() -> None:
    """The first tenants keep their names; however many come, the others are one."""
    tenants = Tenants()
    first = [tenants.label(f"t{n}") for n in range(MAX_TENANTS)]
    later = {tenants.label(f"t{n}") for n in range(MAX_TENANTS, 10_000)}

    assert first == [f"t{n}" for n in range(MAX_TENANTS)]
    assert later == {OTHER}
    assert tenants.label("t0") == "t0"


async def test_a_flood_of_tenants_makes_no_flood_of_series(tmp_path: Path) -> None:
    """Callers who invent tenants do not grow the page beyond its bound."""
    async with operated(_both(), tmp_path, tenant_of=by_header) as running:
        for number in range(MAX_TENANTS + 20):
            await running.gateway.stub.Explain(
                pb.ExplainRequest(messages=ask("hi").messages), metadata=[("x-tenant", f"t{number}")]
            )
        page = await running.page()

    assert len(page.labels("gateway_requests_total", "tenant")) == MAX_TENANTS + 1
    assert page.total("gateway_requests_total", tenant=OTHER) == 20


def test_of_a_budget_per_label_each_tenant_shows_its_least() -> None:
    """Values of labels are claims, and do not become values of a metric's label."""
    budgets = [
        admin_pb2.Budget(
            budget="b", subject=f"acme/team={team}", spent_usd_nanos=spent, limit_usd_nanos=10**9
        )
        for team, spent in (("red", 250_000_000), ("blue", 750_000_000))
    ]
    assert list(budgets_left(budgets)) == [(("b", "acme"), 0.25)]


@pytest.mark.parametrize("step", [StreamTruncated("edge", "cut")])
async def test_a_stream_that_is_cut_counts_both_tries(tmp_path: Path, step: Exception) -> None:
    """After a cut the next model answers; the page has both, and the call once."""
    edge = [[Chunk(text="half "), step]]
    async with operated(_both(edge=edge, cloud=lambda _: [*STREAM]), tmp_path) as running:
        await _stream(running, ask("hello"))
        page: Page = await running.page()

    assert page.total("gateway_attempts_total", model="edge", reason="STREAM_TRUNCATED") == 1
    assert page.total("gateway_attempts_total", model="cloud", outcome="ANSWERED") == 1
    assert page.total("gateway_requests_total", route="CLOUD") == 1


def test_tokens_and_calls_of_tools_are_counted_by_kind() -> None:
    """Parts of the prompt and of the answer are kinds of their own; a call is valid, or it is not."""
    measures = Measures()
    report = ended(parse_policy(RECORDED, name="p"))
    assert report.answer is not None
    usage = Usage(
        prompt_tokens=100,
        completion_tokens=20,
        cached_prompt_tokens=90,
        cache_write_tokens=5,
        reasoning_tokens=7,
    )
    calls = tuple(
        ToolCall(id=f"c{i}", name="look", arguments_invalid=i == 2, arguments_json="{}") for i in range(3)
    )
    answer = replace(report.answer, message=Message(role=Role.ASSISTANT, parts=calls))
    attempts = tuple(replace(attempt, usage=usage) for attempt in report.attempts)
    measures.record_call(replace(report, answer=answer, attempts=attempts))

    def counted(name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in measures.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    tokens = {
        kind: counted("gen_ai_client_token_usage_sum", gen_ai_token_type=kind)
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    }
    assert tokens == {"input": 100, "output": 20, "cache_read": 90, "cache_write": 5, "reasoning": 7}
    assert counted("gateway_tool_calls_total", outcome="valid") == 2
    assert counted("gateway_tool_calls_total", outcome="invalid") == 1
