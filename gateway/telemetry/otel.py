"""Traces by OpenTelemetry: the only file that imports its SDK, which is an extra.

A call has one span of kind SERVER. Each attempt has a child span with the GenAI attributes, CLIENT for a
cloud model and INTERNAL for a local one. Spans hold no prompt, answer, stop sequence or label."""

import logging
import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.domain.answer import Attempt, FinishReason, Outcome
from gateway.domain.decision import Reason, Scores
from gateway.errors import HTTP_STATUS
from gateway.ledger.money import NANOS_PER_USD
from gateway.telemetry.metrics import operation_of, provider_and_model
from gateway.telemetry.report import CallReport, Operation
from gateway.telemetry.traces import AttemptStart

SERVICE_NAME = "edge-cloud-gateway"
_SERVER_ERRORS = {
    "UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
}  # fmt: skip
"""Statuses that OpenTelemetry counts as errors of a gRPC server; others are errors of the caller."""
_CONTEXT = TraceContextTextMapPropagator()
_log = structlog.get_logger()

Value = str | bool | int | float | list[str]


class OtelTraces:
    """Makes traces and exports them in the background; `close` exports the rest.

    With `own` each call starts a new trace, linked to the caller's: a provider gets no trace id of a caller.
    """

    def __init__(self, exporter: SpanExporter, *, own: bool = False) -> None:
        self._own = own
        resource = Resource.create({"service.version": __version__})
        if "OTEL_SERVICE_NAME" not in os.environ:
            resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gateway", __version__)

    def call(self, operation: Operation, headers: Mapping[str, str]) -> "OtelCall":
        """Start the span of a call, in the caller's trace if its headers name one."""
        callers = _callers(headers)
        linked = get_current_span(callers).get_span_context()
        links = [Link(linked)] if self._own and linked.is_valid else []
        context = Context() if self._own else callers
        span = self._tracer.start_span(
            operation.span_name, context=context, kind=SpanKind.SERVER, links=links
        )
        span.set_attributes(operation.span_attributes)
        return OtelCall(span, self._start)

    def close(self) -> None:
        """Export the remaining spans; blocks."""
        self._provider.shutdown()

    def _start(self, parent: Span, start: AttemptStart) -> "OtelAttempt":
        context = set_span_in_context(parent, Context())
        provider, model = provider_and_model(start.model, {start.model: start.spec})
        kind = SpanKind.CLIENT if start.spec.leaves_host else SpanKind.INTERNAL
        span = self._tracer.start_span(f"{operation_of(start.spec)} {model}", context=context, kind=kind)
        span.set_attributes(_request_attributes(start, provider, model))
        return OtelAttempt(span, is_client=kind is SpanKind.CLIENT)


class OtelCall:
    """The span of one call."""

    def __init__(self, span: Span, start: Callable[[Span, AttemptStart], "OtelAttempt"]) -> None:
        self._span = span
        self._start = start

    def attempt(self, start: AttemptStart) -> "OtelAttempt":
        """Start the span of an attempt."""
        return self._start(self._span, start)

    def passed_over(self, model: str, reason: Reason) -> None:
        """Add an event for a model that was skipped."""
        self._span.add_event(
            "gateway.model_passed_over", {"gateway.model": model, "gateway.reason": str(reason)}
        )

    def end(self, report: CallReport) -> None:
        """Add the result of the call and end the span."""
        self._span.set_attributes(_call_attributes(report))
        if report.code in _SERVER_ERRORS:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class OtelAttempt:
    """The span of one attempt at one model."""

    def __init__(self, span: Span, *, is_client: bool) -> None:
        self._span = span
        self._is_client = is_client

    @property
    def traceparent(self) -> str | None:
        """The `traceparent` header for the provider; None for a local model."""
        if not self._is_client:
            return None
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, set_span_in_context(self._span, Context()))
        return carrier.get("traceparent")

    def end(self, attempt: Attempt, finish_reason: FinishReason | None) -> None:
        """Add the result of the attempt and end the span."""
        attributes: dict[str, Value] = {"gateway.outcome": str(attempt.outcome)}
        if attempt.usage is not None:
            attributes["gen_ai.usage.input_tokens"] = attempt.usage.prompt_tokens
            attributes["gen_ai.usage.output_tokens"] = attempt.usage.completion_tokens
            parts = {
                "gen_ai.usage.cache_read.input_tokens": attempt.usage.cached_prompt_tokens,
                "gen_ai.usage.cache_creation.input_tokens": attempt.usage.cache_write_tokens,
                "gen_ai.usage.reasoning.output_tokens": attempt.usage.reasoning_tokens,
            }
            attributes |= {name: tokens for name, tokens in parts.items() if tokens}
        if finish_reason is not None:
            attributes["gen_ai.response.finish_reasons"] = [str(finish_reason).lower()]
        if attempt.first_text_ms is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = attempt.first_text_ms / 1000
        if attempt.cost_usd_nanos:
            attributes["gateway.cost_usd"] = attempt.cost_usd_nanos / NANOS_PER_USD
        if attempt.outcome is not Outcome.ANSWERED:
            attributes["error.type"] = str(attempt.reason or attempt.outcome)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attributes(attributes)
        self._span.end()


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Return an exporter that sends spans to `endpoint`, whatever the environment says."""
    logging.getLogger("opentelemetry").addHandler(_ExportErrors())
    logging.getLogger("opentelemetry").propagate = False
    return OTLPSpanExporter(
        endpoint=endpoint,
        insecure=endpoint.startswith("http:"),
        channel_options=(("grpc.enable_http_proxy", 0),),  # type: ignore[arg-type]  # gRPC wants a number.
    )


class _ExportErrors(logging.Handler):
    """Logs that spans do not reach the collector: each kind of error once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logged: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        place = f"{record.module}:{record.lineno}"
        if place not in self._logged:
            self._logged.add(place)
            _log.warning("traces.not_sent", place=place, level=record.levelname)


def _callers(headers: Mapping[str, str]) -> Context:
    """Return the caller's context with its ids only, since other fields may hold free text."""
    traceparent = headers.get("traceparent")
    return _CONTEXT.extract({} if traceparent is None else {"traceparent": traceparent}, Context())


def _request_attributes(start: AttemptStart, provider: str, model: str) -> Mapping[str, Value]:
    config = start.config
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": operation_of(start.spec),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.request.max_tokens": start.max_tokens,
        "gen_ai.request.temperature": config.temperature,
        "gen_ai.request.top_p": config.top_p,
        "gen_ai.request.seed": config.seed,
        "gen_ai.request.stream": start.is_streamed,
        "gateway.model": start.model,
        **_server(start),
    }
    return {key: value for key, value in attributes.items() if value is not None}


def _server(start: AttemptStart) -> Mapping[str, Value | None]:
    if start.spec.server_url is None:
        return {}
    parts = urlsplit(start.spec.server_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname, "server.port": port}


def _call_attributes(report: CallReport) -> Mapping[str, Value]:
    attributes: dict[str, Value] = {
        **_status(report),
        "gateway.request_id": report.request_id,
        "gateway.tenant": report.tenant,
        "gateway.attempts": len(report.attempts),
        "gateway.overhead": report.overhead_s,
        "gateway.cost_usd": sum(attempt.cost_usd_nanos for attempt in report.attempts) / NANOS_PER_USD,
    }
    if report.code != "OK":
        attributes["error.type"] = report.code
    if report.reason is not None:
        attributes["gateway.reason"] = str(report.reason)
    if report.route is not None:
        attributes["gateway.route"] = str(report.route)
    if report.answer is not None:
        attributes["gateway.model"] = report.answer.model
    if report.decision is not None:
        attributes["gateway.rule"] = report.decision.rule
        attributes["gateway.chain"] = list(report.decision.chain)
        attributes["gateway.privacy_class"] = report.decision.privacy_class.name
        attributes["gateway.policy_hash"] = report.decision.policy_hash
        attributes |= _scores(report.decision.scores)
    return attributes


def _status(report: CallReport) -> Mapping[str, Value]:
    """Return the status that the caller got; over HTTP whoever has left got none."""
    if report.transport == "grpc":
        return {"rpc.response.status_code": report.code}
    if report.code == "OK":
        return {"http.response.status_code": 200}
    return {} if report.reason is None else {"http.response.status_code": HTTP_STATUS[report.reason]}


def _scores(scores: Scores) -> dict[str, Value]:
    return {
        "gateway.complexity": scores.complexity,
        "gateway.privacy": scores.privacy,
        "gateway.budget": scores.budget,
    }
