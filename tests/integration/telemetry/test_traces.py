"""Spans of calls and tries: what they say, whose trace they join, and that they hold no text."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.app.observability import Observability
from gateway.backends.base import Backend
from gateway.cli.app import run
from gateway.cli.demo.stage import running_stage
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.errors import BackendFailed
from gateway.server.admin.worker import WorkerIdentity
from gateway.telemetry.otel import OtelTraces
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.served import Served, ask, served

MARK = "the-zebra-wore-plum-slippers"
PRIVATE = f"My card is 4111 1111 1111 1111. {MARK}"
HARD = (
    "Prove step by step that every continuous function on a compact set is bounded, and compare two proofs."
    f" {MARK}"
)
USAGE = Usage(prompt_tokens=30, completion_tokens=5)
RETRIES = "resilience: {attempts: 2, backoff_s: {first: 0.01, max: 0.02}, deadline_s: {default: 5, max: 10}}"
RETRYING = POLICY.replace(POLICY[POLICY.index("resilience:") : POLICY.index("replies:")], f"{RETRIES}\n")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STREAM = [Chunk(text="a "), Chunk(text=MARK, finish_reason=FinishReason.STOP, usage=USAGE)]


class Traced:
    """Traces that stay in memory, and the operator who asked for them."""

    def __init__(self, *, own: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        self._traces = OtelTraces(self._exporter, own=own)
        self.operator = Observability(place=WorkerIdentity(), tracer=self._traces)

    def spans(self) -> Sequence[ReadableSpan]:
        """Return all spans, in the order of their beginning."""
        self._traces.close()
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


def _both(edge: Any = None, cloud: Any = None) -> dict[str, Backend]:
    return {
        "edge": ScriptedBackend("edge", edge or (lambda _: reply(f"edge {MARK}", usage=USAGE))),
        "cloud": ScriptedBackend("cloud", cloud or (lambda _: reply(f"cloud {MARK}", usage=USAGE))),
    }


def _told(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


async def _stream(gateway: Served, request: pb.GenerateRequest) -> None:
    same = pb.StreamGenerateRequest.FromString(request.SerializeToString())
    async for _ in gateway.stub.StreamGenerate(same):
        pass


async def test_a_call_is_a_span_and_each_try_is_one_below_it() -> None:
    """A retry gives two tries; kinds, names and attributes are OpenTelemetry's for RPC and GenAI."""
    traced, cloud = Traced(), [BackendFailed("cloud", "500"), reply("fine", usage=USAGE)]
    async with served(_both(cloud=cloud), policy=RETRYING, operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask(HARD, config=pb.GenerationConfig(temperature=0.5, max_tokens=7)))
    call, failed, answered = traced.spans()

    assert (call.name, call.kind) == ("gateway.v1.GatewayService/Generate", SpanKind.SERVER)
    assert call.status.status_code is StatusCode.UNSET
    assert _told(call)["rpc.response.status_code"] == "OK"
    assert _told(call)["gateway.rule"] == "hard"
    assert _told(call)["gateway.attempts"] == 2
    for span in (failed, answered):
        assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
        assert span.parent is not None
        assert call.context is not None
        assert span.parent.span_id == call.context.span_id
        told = _told(span)
        assert told["gen_ai.operation.name"] == "chat"
        assert (told["gen_ai.provider.name"], told["gateway.model"]) == ("openai", "cloud")
        assert (told["gen_ai.request.max_tokens"], told["gen_ai.request.temperature"]) == (7, 0.5)
        assert (told["server.address"], told["server.port"]) == ("127.0.0.1", 9)
        assert "gen_ai.request.top_p" not in told
    assert failed.status.status_code is StatusCode.ERROR
    assert _told(failed)["error.type"] == "UPSTREAM_ERROR"
    assert _told(answered)["gen_ai.usage.input_tokens"] == 30
    assert _told(answered)["gen_ai.usage.output_tokens"] == 5
    assert _told(answered)["gen_ai.response.finish_reasons"] == ("stop",)
    assert _told(answered)["gateway.cost_usd"] > 0


async def test_a_local_model_is_internal_and_a_stream_says_when_it_began() -> None:
    """The model on this host is no remote service; a stream has the time to its first chunk."""
    traced = Traced()
    async with served(_both(edge=lambda _: [*STREAM]), operator=traced.operator) as gateway:
        await _stream(gateway, ask("hello"))
    call, attempt = traced.spans()

    assert call.name == "gateway.v1.GatewayService/StreamGenerate"
    assert (attempt.name, attempt.kind) == ("chat edge", SpanKind.INTERNAL)
    assert _told(attempt)["gen_ai.request.stream"] is True
    assert _told(attempt)["gen_ai.response.time_to_first_chunk"] > 0


async def test_with_traces_of_our_own_no_id_of_the_caller_reaches_the_provider() -> None:
    """The trace is a new one, linked to the caller's for whoever looks at the spans."""
    traced, backends = Traced(own=True), _both()
    metadata = [("traceparent", f"00-{TRACE}-{PARENT}-01")]
    async with served(backends, operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask(HARD), metadata=metadata)
        await gateway.stub.Generate(ask(HARD))
    linked, _, alone, _ = traced.spans()

    cloud = backends["cloud"]
    assert isinstance(cloud, ScriptedBackend)
    sent = [call.traceparent or "" for call in cloud.calls]
    assert len(sent) == 2
    assert all(each.startswith("00-") for each in sent)
    assert TRACE not in "".join(sent)
    assert linked.parent is None
    assert [f"{link.context.trace_id:032x}" for link in linked.links] == [TRACE]
    assert not alone.links


async def test_the_callers_trace_goes_on_and_reaches_the_provider() -> None:
    """The caller's trace id is ours and the provider's; the provider's parent is the try."""
    traced, backends = Traced(), _both()
    metadata = [
        ("traceparent", f"00-{TRACE}-{PARENT}-01"),
        ("tracestate", f"vendor={MARK}"),
        ("baggage", MARK),
    ]
    async with served(backends, operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask(HARD), metadata=metadata)
        await gateway.stub.Generate(ask("hello"), metadata=metadata)
    call, attempt, *_ = traced.spans()

    assert call.context is not None
    assert attempt.context is not None
    assert call.parent is not None
    assert format(call.context.trace_id, "032x") == TRACE
    assert format(call.parent.span_id, "016x") == PARENT
    cloud, edge = backends["cloud"], backends["edge"]
    assert isinstance(cloud, ScriptedBackend)
    assert isinstance(edge, ScriptedBackend)
    assert cloud.calls[0].traceparent == f"00-{TRACE}-{attempt.context.span_id:016x}-01"
    assert edge.calls[0].traceparent is None


@pytest.mark.parametrize("value", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "00-" + "x" * 5000])
async def test_a_traceparent_that_is_none_begins_a_new_trace(value: str) -> None:
    """What a caller sends as its trace is never a reason to fail."""
    traced = Traced()
    async with served(_both(), operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask("hello"), metadata=[("traceparent", value)])
    call, _ = traced.spans()
    assert call.parent is None


async def test_a_caller_who_does_not_sample_gets_no_spans() -> None:
    """The flag of the caller's trace is obeyed."""
    traced = Traced()
    async with served(_both(), operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask("hello"), metadata=[("traceparent", f"00-{TRACE}-{PARENT}-00")])
    assert traced.spans() == []


async def test_failures_are_told_by_status_and_reason() -> None:
    """A server's error is one of the span; a caller's mistake is not; a canned reply has its reason."""
    traced = Traced()
    backends = _both(edge=lambda _: BackendFailed("edge", "down"))
    async with served(backends, operator=traced.operator) as gateway:
        await gateway.stub.Generate(ask(PRIVATE))
        for hints in (pb.Hints(allow_degraded=False), pb.Hints(max_cost_usd=-1.0)):
            with pytest.raises(grpc.aio.AioRpcError):
                await gateway.stub.Generate(ask(PRIVATE, hints=hints))
    canned, declined, refused = [span for span in traced.spans() if span.kind is SpanKind.SERVER]

    assert _told(canned)["gateway.reason"] == "CLEARANCE"
    assert (_told(canned)["gateway.route"], canned.status.status_code) == ("CANNED", StatusCode.UNSET)
    assert declined.status.status_code is StatusCode.ERROR
    assert _told(declined)["error.type"] == "UNAVAILABLE"
    assert refused.status.status_code is StatusCode.UNSET
    assert _told(refused)["error.type"] == "INVALID_ARGUMENT"


async def test_a_cancelled_call_ends_its_spans() -> None:
    """A caller who goes away leaves finished spans that say so."""
    traced, began = Traced(), asyncio.Event()

    def never(_: object) -> Delay:
        began.set()
        return Delay(60.0)

    edge = ScriptedBackend("edge", never)
    async with served({**_both(), "edge": edge}, operator=traced.operator) as gateway:
        call = gateway.stub.Generate(ask("hello"))
        await asyncio.wait_for(began.wait(), 5)
        call.cancel()
        await asyncio.wait_for(gateway.calls.wait_idle(), 5)
    whole, attempt = traced.spans()

    assert _told(whole)["rpc.response.status_code"] == "CANCELLED"
    assert _told(attempt)["error.type"] == "CANCELLED"


async def test_no_text_is_in_a_span() -> None:
    """Neither prompt, answer, stop sequence, schema, label nor a header of the caller stands in any span."""
    traced = Traced()
    request = ask(
        f"{PRIVATE} {HARD}",
        labels={"team": MARK},
        config=pb.GenerationConfig(stop=[MARK], json_schema=json.dumps({"title": MARK})),
    )
    async with served(_both(), operator=traced.operator) as gateway:
        await gateway.stub.Generate(request, metadata=[("tracestate", f"v={MARK}"), ("x-note", MARK)])
        await gateway.stub.Explain(pb.ExplainRequest(messages=request.messages))
    spans = traced.spans()

    assert len(spans) >= 3
    text = " ".join(span.to_json() for span in spans)
    assert MARK not in text
    assert "4111" not in text


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  the name is the proto's
        """Keep a batch."""
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self) -> Iterator[Any]:
        """Yield all spans."""
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


@pytest.fixture
def collector() -> Iterator[tuple[Collector, int]]:
    """A collector on a port of its own."""
    service = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, port
    server.stop(None)


async def test_spans_reach_a_collector_by_otlp(
    collector: tuple[Collector, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway process sends its spans over the wire; the environment cannot send them elsewhere."""
    service, port = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4317")
    monkeypatch.setenv("grpc_proxy", "http://192.0.2.1:3128")
    monkeypatch.setenv("GATEWAY_OTLP", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GATEWAY_ADMIN", "off")
    async with running_stage(tmp_path) as stage:
        async with stage.client("acme") as client:
            await client.explain(ask(HARD))  # A cold process may be slow to score.
            request = ask(HARD, config=pb.GenerationConfig(max_tokens=64))
            answer = await client.generate(request, timeout_s=20)
        await stage.gateway.end()
        (sent,) = stage.cloud.received()
    spans = list(service.spans())

    names = {span.name for span in spans}
    assert "gateway.v1.GatewayService/Generate" in names
    assert answer.route == pb.ROUTE_CLOUD
    (attempt,) = [span for span in spans if span.name.startswith("chat ")]
    assert sum(span.trace_id == attempt.trace_id for span in spans) == 2
    headers = {name.lower(): value for name, value in sent.headers}
    version, trace_id, span_id, flags = headers["traceparent"].split("-")
    assert (version, trace_id, span_id) == ("00", attempt.trace_id.hex(), attempt.span_id.hex())
    assert int(flags, 16) & 1  # Sampled.
    assert not {"tracestate", "baggage"} & headers.keys()
    resource = service.requests[0].resource_spans[0].resource
    assert {a.key: a.value.string_value for a in resource.attributes}["service.name"] == "edge-cloud-gateway"
    assert MARK not in str(service.requests)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--otlp", "http://192.0.2.1:4317", "--air-gap"],
            "--otlp 192.0.2.1: is not an address of this host",
        ),
        (["--otlp", "localhost:4317"], "--otlp: must be http://HOST:PORT or https://HOST:PORT"),
        (["--otlp", "http://127.0.0.1"], "--otlp: must be http://HOST:PORT or https://HOST:PORT"),
    ],
)
def test_endpoints_that_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is one line with the flag, and exit status 2."""
    assert run(["serve", "--state", "memory:", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
