"""The counters of one process, kept by the Prometheus client library.

Several workers keep their values in files of one folder, by worker number. A restarted worker continues with
the files of its predecessor, so that no total decreases, even after `kill -9`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, values
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.domain.answer import Attempt, Outcome
from gateway.domain.mirrored import MirrorResult
from gateway.ledger.money import NANOS_PER_USD
from gateway.policy.model import ModelSpec, Policy
from gateway.telemetry import catalogue as names
from gateway.telemetry.report import CallReport

MAX_TENANTS = 100
"""Most tenants with a label of their own in one process; later ones are counted under OTHER."""
OTHER = "other"
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of the library with the shared folder."""

disable_created_metrics()  # type: ignore[no-untyped-call]
values.ValueClass = (
    values.MutexValue
)  # In memory unless `share_numbers` is called, whatever the environment says.


class Tenants:
    """Bounds the values of the tenant label: the first tenants keep their names, the others share one."""

    def __init__(self, most: int = MAX_TENANTS) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, tenant: str) -> str:
        """Return the tenant, or OTHER if there are too many."""
        if tenant in self._known:
            return tenant
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(tenant)
        return tenant


def share_numbers(folder: Path, *, worker: int) -> None:
    """Keep the values of this process in a folder shared by workers, under this worker's number.

    Call it before the first `Measures`; without it values are kept in memory.
    """
    os.environ[_FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)  # type: ignore[no-untyped-call]


class Measures:
    """The metrics of one process; other rooms call `record_*`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tenants = Tenants()
        self._counters = {
            metric.name: Counter(
                metric.name.removesuffix("_total"), metric.help, metric.labels, registry=self.registry
            )
            for metric in names.COUNTED
            if metric.kind == "counter"
        }
        self._histograms = {
            metric.name: Histogram(
                metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry
            )
            for metric in names.COUNTED
            if metric.kind == "histogram"
        }
        self._children: dict[tuple[str, ...], Counter | Histogram] = {}

    def record_call(self, report: CallReport) -> None:
        """Count a completed call with all its attempts."""
        route = "" if report.route is None else str(report.route)
        self._count(
            names.REQUESTS,
            report.method,
            route,
            report.code,
            str(report.reason or ""),
            "" if report.decision is None else report.decision.privacy_class.name,
            self._tenants.label(report.tenant),
        )
        self._record_duration(report, route)
        self._observe(names.OVERHEAD_S, report.overhead_s, report.method)
        if report.decision_s is not None:
            self._observe(names.DECISION_S, report.decision_s)
        is_cached = report.answer is not None and report.answer.cached_age_s is not None
        if report.first_text_s is not None and not is_cached:
            self._observe(names.FIRST_TEXT_S, report.first_text_s, route)
        if report.answer is not None:
            for call in report.answer.message.tool_calls:
                outcome = "invalid" if call.arguments_invalid else "valid"
                self._count(names.TOOL_CALLS, report.answer.model, outcome)
        if report.shadow is not None:
            self._count(names.SHADOW_DECISIONS, str(report.shadow.differs).lower())
        if report.policy is not None:
            self._record_attempts(report, report.policy)

    def _record_duration(self, report: CallReport, route: str) -> None:
        if report.transport == "grpc":
            rpc = f"gateway.v1.GatewayService/{report.method}"
            self._observe(names.CALL_S, report.duration_s, "grpc", rpc, report.code, route)
        else:
            error = "" if report.code == "OK" else report.code
            verb, path = report.http_method, report.http_route
            self._observe(names.HTTP_CALL_S, report.duration_s, verb, path, error, route)

    def record_reload(self, outcome: str) -> None:
        """Count a reload of the policy: `applied`, `unchanged` or `refused`."""
        self._count(names.RELOADS, outcome)

    def record_mirrored(self, mirrored: MirrorResult) -> None:
        """Count a mirrored request and its cost."""
        self._count(names.MIRRORED, str(mirrored.result))
        for attempt in mirrored.attempts:
            if attempt.cost_usd_nanos:
                self._count(names.MIRROR_COST, attempt.model, amount=attempt.cost_usd_nanos / NANOS_PER_USD)

    def record_cache_look_up(self, result: str) -> None:
        """Count a request whose answer may be kept or shared: `hit`, `miss` or `joined`."""
        self._count(names.CACHE_LOOK_UPS, result)

    def record_write_error(self) -> None:
        """Count a record that could not be written."""
        self._count(names.RECORD_ERRORS)

    def record_worker_start(self) -> None:
        """Count a start of a worker process."""
        self._count(names.WORKER_STARTS)

    def _record_attempts(self, report: CallReport, policy: Policy) -> None:
        failed: set[str] = set()
        for attempt in report.attempts:
            self._count(names.ATTEMPTS, attempt.model, str(attempt.outcome), str(attempt.reason or ""))
            if attempt.outcome is Outcome.REFUSED:
                continue
            if attempt.model in failed:
                self._count(names.RETRIES, attempt.model)
            if attempt.outcome is Outcome.FAILED:
                failed.add(attempt.model)
            self._record_operation(attempt, attempt_labels(attempt.model, policy))
            if attempt.cost_usd_nanos:
                tenant = self._tenants.label(report.tenant)
                self._count(names.COST, attempt.model, tenant, amount=attempt.cost_usd_nanos / NANOS_PER_USD)

    def _record_operation(self, attempt: Attempt, labels: tuple[str, ...]) -> None:
        error = "" if attempt.outcome is Outcome.ANSWERED else str(attempt.reason or attempt.outcome)
        self._observe(names.OPERATION, attempt.upstream_ms / 1000, *labels, error)
        if attempt.first_text_ms is not None:
            self._observe(names.FIRST_CHUNK_S, attempt.first_text_ms / 1000, *labels)
        if attempt.usage is None:
            return
        usage = attempt.usage
        self._observe(names.TOKEN_USAGE, usage.prompt_tokens, *labels, "input")
        self._observe(names.TOKEN_USAGE, usage.completion_tokens, *labels, "output")
        parts = (
            ("cache_read", usage.cached_prompt_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
            ("sample", usage.sample_tokens),
        )
        for kind, tokens in parts:
            if tokens:
                self._observe(names.TOKEN_USAGE, tokens, *labels, kind)
        if attempt.first_text_ms is not None and attempt.usage.completion_tokens > 1:
            rest_s = (attempt.upstream_ms - attempt.first_text_ms) / 1000
            per_token_s = rest_s / (attempt.usage.completion_tokens - 1)
            self._observe(names.PER_OUTPUT_TOKEN_S, per_token_s, attempt.model)

    def _count(self, metric: names.Metric, *labels: str, amount: float = 1.0) -> None:
        child = self._children.get((metric.name, *labels))
        if child is None:
            family = self._counters[metric.name]
            child = self._children[metric.name, *labels] = family.labels(*labels) if labels else family
        child.inc(amount)  # type: ignore[union-attr]  # The child of a counter is one.

    def _observe(self, metric: names.Metric, value: float, *labels: str) -> None:
        child = self._children.get((metric.name, *labels))
        if child is None:
            family = self._histograms[metric.name]
            child = self._children[metric.name, *labels] = family.labels(*labels) if labels else family
        child.observe(value)  # type: ignore[union-attr]  # The child of a histogram is one.


def attempt_labels(model: str, policy: Policy) -> tuple[str, str, str, str]:
    """Return operation, provider, the provider's model name and the policy's, as OpenTelemetry labels.

    A local model has no provider name, so its name in the policy is used.
    """
    return (operation_of(policy.models[model]), *provider_and_model(model, policy.models), model)


def operation_of(spec: ModelSpec) -> str:
    """Return `gen_ai.operation.name` of a model's calls."""
    return "chat" if spec.embedding is None else "embeddings"


def provider_and_model(model: str, specs: Mapping[str, ModelSpec]) -> tuple[str, str]:
    """Return `gen_ai.provider.name` and `gen_ai.request.model` of a model of the policy."""
    spec = specs[model]
    return spec.kind, spec.provider_model or model


def counted(folder: Path) -> CollectorRegistry:
    """Return a registry that reads the values of all workers from their shared folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return registry
