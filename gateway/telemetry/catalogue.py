"""The catalogue of metrics with name, kind, unit and labels, for code, docs and dashboard.

A metric with a name in OpenTelemetry has that name, as Prometheus writes it (dots become underscores, the
unit is last), and OpenTelemetry's buckets. All others begin with `gateway_`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

OPERATION_S = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
"""Buckets of OpenTelemetry's `gen_ai.client.operation.duration` and `.time_to_first_chunk`."""
FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets of OpenTelemetry's `gen_ai.server.time_to_first_token`."""
PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""Buckets of OpenTelemetry's `gen_ai.server.time_per_output_token`."""
TOKENS = tuple(float(4**power) for power in range(14))
"""Buckets of OpenTelemetry's `gen_ai.client.token.usage`: 1 to 67,108,864."""
OWN_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Buckets of the gateway's own time, which is far below that of a model."""
SEQUENCES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; the name of a counter ends in `_total`, that of a duration in `_seconds`."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...] = ()
    help: str
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series in queries."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


_ATTEMPT = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "model")

REQUESTS = Metric(
    name="gateway_requests_total",
    kind="counter",
    unit="requests",
    labels=("method", "route", "code", "reason", "privacy_class", "tenant"),
    help="Completed calls by outcome; reason is why a call failed or got a canned reply.",
)
CALL_S = Metric(
    name="rpc_server_call_duration_seconds",
    kind="histogram",
    unit="seconds",
    labels=("rpc_system_name", "rpc_method", "rpc_response_status_code", "route"),
    help="Duration of a call, from arrival to end.",
    buckets=OPERATION_S,
)
FIRST_TEXT_S = Metric(
    name="gateway_time_to_first_token_seconds",
    kind="histogram",
    unit="seconds",
    labels=("route",),
    help="Time to the first text of a streamed call, from arrival.",
    buckets=FIRST_TOKEN_S,
)
OVERHEAD_S = Metric(
    name="gateway_overhead_seconds",
    kind="histogram",
    unit="seconds",
    labels=("method",),
    help="Time of a call in the gateway itself: its duration minus the waits for models, between retries"
    " and for a slow client.",
    buckets=OWN_S,
)
DECISION_S = Metric(
    name="gateway_decision_duration_seconds",
    kind="histogram",
    unit="seconds",
    help="Time to score a request and to decide its route.",
    buckets=OWN_S,
)
ATTEMPTS = Metric(
    name="gateway_attempts_total",
    kind="counter",
    unit="attempts",
    labels=("model", "outcome", "reason"),
    help="Attempts at a model, including those refused without a call.",
)
RETRIES = Metric(
    name="gateway_retries_total",
    kind="counter",
    unit="attempts",
    labels=("model",),
    help="Attempts at a model that had failed before in the same request.",
)
OPERATION = Metric(
    name="gen_ai_client_operation_duration_seconds",
    kind="histogram",
    unit="seconds",
    labels=(*_ATTEMPT, "error_type"),
    help="Duration of a call to a model, seen by the gateway; provider llama_cpp means a local model.",
    buckets=OPERATION_S,
)
FIRST_CHUNK_S = Metric(
    name="gen_ai_client_operation_time_to_first_chunk_seconds",
    kind="histogram",
    unit="seconds",
    labels=_ATTEMPT,
    help="Time to the first text of a streamed call to a model.",
    buckets=OPERATION_S,
)
PER_OUTPUT_TOKEN_S = Metric(
    name="gateway_time_per_output_token_seconds",
    kind="histogram",
    unit="seconds",
    labels=("model",),
    help="Mean seconds for each token after the first of a streamed answer.",
    buckets=PER_TOKEN_S,
)
TOKEN_USAGE = Metric(
    name="gen_ai_client_token_usage",
    kind="histogram",
    unit="tokens",
    labels=(*_ATTEMPT, "gen_ai_token_type"),
    help="Tokens of a call to a model, as the model reports them.",
    buckets=TOKENS,
)
COST = Metric(
    name="gateway_cost_usd_total",
    kind="counter",
    unit="US dollars",
    labels=("model", "tenant"),
    help="Cost of calls to a model; a call of unknown outcome counts in full.",
)
RELOADS = Metric(
    name="gateway_policy_reloads_total",
    kind="counter",
    unit="reloads",
    labels=("outcome",),
    help="Reloads of the policy by outcome: applied, unchanged or refused.",
)
SHADOW_DECISIONS = Metric(
    name="gateway_shadow_decisions_total",
    kind="counter",
    unit="requests",
    labels=("differs",),
    help="Requests also decided by the policy of --shadow; differs is true if the decision differs.",
)
MIRRORED = Metric(
    name="gateway_mirrored_requests_total",
    kind="counter",
    unit="requests",
    labels=("result",),
    help="Requests that were mirrored: json, number, choice or judge is how the two answers were compared;"
    " busy, budget, forbidden, failed or unreadable is why they were not.",
)
MIRROR_COST = Metric(
    name="gateway_mirror_cost_usd_total",
    kind="counter",
    unit="US dollars",
    labels=("model",),
    help="Cost of mirrored answers and their judges; not part of gateway_cost_usd_total.",
)
RECORD_ERRORS = Metric(
    name="gateway_record_errors_total",
    kind="counter",
    unit="records",
    help="Records of decisions that could not be written.",
)
WORKER_STARTS = Metric(
    name="gateway_worker_starts_total",
    kind="counter",
    unit="starts",
    help="Starts of worker processes; more than the number of workers means restarts.",
)
COUNTED = (
    REQUESTS, CALL_S, FIRST_TEXT_S, OVERHEAD_S, DECISION_S, ATTEMPTS, RETRIES, OPERATION, FIRST_CHUNK_S,
    PER_OUTPUT_TOKEN_S, TOKEN_USAGE, COST, RELOADS, SHADOW_DECISIONS, MIRRORED, MIRROR_COST,
    RECORD_ERRORS, WORKER_STARTS,
)  # fmt: skip
"""Metrics that every worker counts; the metrics page has their sums."""

WORKERS = Metric(
    name="gateway_workers",
    kind="gauge",
    unit="processes",
    help="Worker processes that answered when the metrics were read.",
)
IN_FLIGHT = Metric(
    name="gateway_requests_in_flight", kind="gauge", unit="requests", help="Calls in progress."
)
BREAKERS = Metric(
    name="gateway_breakers",
    kind="gauge",
    unit="workers",
    labels=("model", "state"),
    help="Workers whose breaker for the model is closed, open or half_open.",
)
BUDGET_LIMIT = Metric(
    name="gateway_budget_limit_usd",
    kind="gauge",
    unit="US dollars",
    labels=("budget",),
    help="Limit of a budget for each of its subjects.",
)
BUDGET_LEFT = Metric(
    name="gateway_budget_left_usd",
    kind="gauge",
    unit="US dollars",
    labels=("budget", "subject"),
    help="Amount neither spent nor reserved in the current window, for subjects with recent calls;"
    " for a budget per label, the lowest of each tenant.",
)
ENGINE_UP = Metric(
    name="gateway_engine_up",
    kind="gauge",
    unit="1 or 0",
    labels=("model",),
    help="Whether the engine of a local model accepts requests.",
)
ENGINE_STARTS = Metric(
    name="gateway_engine_starts_total",
    kind="counter",
    unit="starts",
    labels=("model",),
    help="Starts of an engine; all but the first are restarts.",
)
ENGINE_LOAD_S = Metric(
    name="gateway_engine_load_seconds",
    kind="gauge",
    unit="seconds",
    labels=("model",),
    help="Duration of the last load of the model.",
)
SLOTS = Metric(
    name="gateway_engine_slots",
    kind="gauge",
    unit="slots",
    labels=("model", "state"),
    help="Slots of an engine for concurrent sequences: busy and free.",
)
QUEUED = Metric(
    name="gateway_engine_queued",
    kind="gauge",
    unit="requests",
    labels=("model",),
    help="Requests that wait for a slot.",
)
KV_CELLS = Metric(
    name="gateway_engine_kv_cells",
    kind="gauge",
    unit="tokens",
    labels=("model", "state"),
    help="Cells of the KV cache: used and free.",
)
KEPT = Metric(
    name="gateway_engine_kept_bytes",
    kind="gauge",
    unit="bytes",
    labels=("model",),
    help="Memory of the prefix cache, outside the KV cache.",
)
ENGINE_REQUESTS = Metric(
    name="gateway_engine_requests_total",
    kind="counter",
    unit="requests",
    labels=("model", "outcome"),
    help="Requests of an engine by outcome.",
)
ENGINE_TOKENS = Metric(
    name="gateway_engine_tokens_total",
    kind="counter",
    unit="tokens",
    labels=("model", "type"),
    help="Tokens of an engine: prompt (decoded), prompt_reused (from the prefix cache) and completion.",
)
ENGINE_STEPS = Metric(
    name="gateway_engine_steps_total",
    kind="counter",
    unit="steps",
    labels=("model",),
    help="Decode steps of an engine.",
)
ENGINE_STEP_S = Metric(
    name="gateway_engine_step_seconds_total",
    kind="counter",
    unit="seconds",
    labels=("model", "part"),
    help="Time of decode steps: decode (inside llama.cpp) and other.",
)
QUEUE_S = Metric(
    name="gateway_engine_queue_seconds",
    kind="histogram",
    unit="seconds",
    labels=("model",),
    help="Time from the arrival of a request at an engine to its slot.",
    buckets=FIRST_TOKEN_S,
)
BATCH = Metric(
    name="gateway_engine_batch_sequences",
    kind="histogram",
    unit="sequences",
    labels=("model",),
    help="Sequences in a decode step.",
    buckets=SEQUENCES,
)
SERVER_FIRST_TOKEN_S = Metric(
    name="gen_ai_server_time_to_first_token_seconds",
    kind="histogram",
    unit="seconds",
    labels=_ATTEMPT,
    help="Time from the arrival of a request at an engine to its first token.",
    buckets=FIRST_TOKEN_S,
)
SERVER_PER_TOKEN_S = Metric(
    name="gen_ai_server_time_per_output_token_seconds",
    kind="histogram",
    unit="seconds",
    labels=_ATTEMPT,
    help="Mean seconds for each token after the first of a request at an engine.",
    buckets=PER_TOKEN_S,
)
READ = (
    WORKERS, IN_FLIGHT, BREAKERS, BUDGET_LIMIT, BUDGET_LEFT, ENGINE_UP, ENGINE_STARTS, ENGINE_LOAD_S, SLOTS,
    QUEUED, KV_CELLS, KEPT, ENGINE_REQUESTS, ENGINE_TOKENS, ENGINE_STEPS, ENGINE_STEP_S, QUEUE_S, BATCH,
    SERVER_FIRST_TOKEN_S, SERVER_PER_TOKEN_S,
)  # fmt: skip
"""Metrics that are read on each scrape, from workers, engines and ledger."""


def all_metrics() -> Iterator[Metric]:
    """Yield every metric, in the order of the docs."""
    yield from COUNTED
    yield from READ
