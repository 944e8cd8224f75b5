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
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series in queries."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


def _counter(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=name, kind="counter", unit=unit, labels=labels, help=text)


def _gauge(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=name, kind="gauge", unit=unit, labels=labels, help=text)


def _histogram(
    name: str, unit: str, labels: tuple[str, ...], buckets: tuple[float, ...], text: str
) -> Metric:
    return Metric(name=name, kind="histogram", unit=unit, labels=labels, help=text, buckets=buckets)


_ATTEMPT = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "model")

# fmt: off
REQUESTS = _counter(
    "gateway_requests_total", "requests", ("method", "route", "code", "reason", "privacy_class", "tenant"),
    "Completed calls by outcome; reason is why a call failed or got a canned reply.",
)
CALL_S = _histogram(
    "rpc_server_call_duration_seconds", "seconds",
    ("rpc_system_name", "rpc_method", "rpc_response_status_code", "route"), OPERATION_S,
    "Duration of a call over gRPC, from arrival to end.",
)
HTTP_CALL_S = _histogram(
    "http_server_request_duration_seconds", "seconds",
    ("http_request_method", "http_route", "error_type", "route"), OPERATION_S,
    "Duration of a call over HTTP, from arrival to end; error_type is the code of one that failed.",
)
FIRST_TEXT_S = _histogram(
    "gateway_time_to_first_token_seconds", "seconds", ("route",), FIRST_TOKEN_S,
    "Time to the first text of a streamed call, from arrival.",
)
OVERHEAD_S = _histogram(
    "gateway_overhead_seconds", "seconds", ("method",), OWN_S,
    "Time of a call in the gateway itself: its duration minus the waits for models, between retries"
    " and for a slow client.",
)
DECISION_S = _histogram(
    "gateway_decision_duration_seconds", "seconds", (), OWN_S,
    "Time to score a request and to decide its route.",
)
ATTEMPTS = _counter(
    "gateway_attempts_total", "attempts", ("model", "outcome", "reason"),
    "Attempts at a model, including those refused without a call.",
)
RETRIES = _counter(
    "gateway_retries_total", "attempts", ("model",),
    "Attempts at a model that had failed before in the same request.",
)
OPERATION = _histogram(
    "gen_ai_client_operation_duration_seconds", "seconds", (*_ATTEMPT, "error_type"), OPERATION_S,
    "Duration of a call to a model, seen by the gateway; provider llama_cpp means a local model.",
)
FIRST_CHUNK_S = _histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds", "seconds", _ATTEMPT, OPERATION_S,
    "Time to the first text of a streamed call to a model.",
)
PER_OUTPUT_TOKEN_S = _histogram(
    "gateway_time_per_output_token_seconds", "seconds", ("model",), PER_TOKEN_S,
    "Mean seconds for each token after the first of a streamed answer.",
)
TOKEN_USAGE = _histogram(
    "gen_ai_client_token_usage", "tokens", (*_ATTEMPT, "gen_ai_token_type"), TOKENS,
    "Tokens of a call to a model, as it reports them; cache_read and cache_write are parts of input, "
    "reasoning of output; sample is beside them.",
)
TOOL_CALLS = _counter(
    "gateway_tool_calls_total", "calls", ("model", "outcome"),
    "Calls of tools that answers ask for; outcome is valid, or invalid: the arguments are not JSON.",
)
COST = _counter(
    "gateway_cost_usd_total", "US dollars", ("model", "tenant"),
    "Cost of calls to a model; a call of unknown outcome counts in full.",
)
RELOADS = _counter(
    "gateway_policy_reloads_total", "reloads", ("outcome",),
    "Reloads of the policy by outcome: applied, unchanged or refused.",
)
SHADOW_DECISIONS = _counter(
    "gateway_shadow_decisions_total", "requests", ("differs",),
    "Requests also decided by the policy of --shadow; differs is true if the decision differs.",
)
MIRRORED = _counter(
    "gateway_mirrored_requests_total", "requests", ("result",),
    "Requests that were mirrored: json, number, choice or judge is how the two answers were compared;"
    " busy, budget, forbidden, failed or unreadable is why they were not.",
)
MIRROR_COST = _counter(
    "gateway_mirror_cost_usd_total", "US dollars", ("model",),
    "Cost of mirrored answers and their judges; not part of gateway_cost_usd_total.",
)
CACHE_LOOK_UPS = _counter(
    "gateway_cache_look_ups_total", "requests", ("result",),
    "Requests whose answer may be kept or shared, under a policy with a cache: hit was answered by a kept"
    " answer, joined by the call of an identical request in flight, miss by a call of its own.",
)
RECORD_ERRORS = _counter(
    "gateway_record_errors_total", "records", (),
    "Records of decisions that could not be written.",
)
WORKER_STARTS = _counter(
    "gateway_worker_starts_total", "starts", (),
    "Starts of worker processes; more than the number of workers means restarts.",
)
COUNTED = (
    REQUESTS, CALL_S, HTTP_CALL_S, FIRST_TEXT_S, OVERHEAD_S, DECISION_S, ATTEMPTS, RETRIES, OPERATION,
    FIRST_CHUNK_S, PER_OUTPUT_TOKEN_S, TOKEN_USAGE, TOOL_CALLS, COST, RELOADS, SHADOW_DECISIONS, MIRRORED,
    MIRROR_COST, CACHE_LOOK_UPS, RECORD_ERRORS, WORKER_STARTS,
)
"""Metrics that every worker counts; the metrics page has their sums."""

WORKERS = _gauge(
    "gateway_workers", "processes", (),
    "Worker processes that answered when the metrics were read.",
)
IN_FLIGHT = _gauge(
    "gateway_requests_in_flight", "requests", (),
    "Calls in progress.",
)
CACHE_BYTES = _gauge(
    "gateway_cache_bytes", "bytes", (),
    "Answers that workers keep in their memory; what lies in Redis does not count.",
)
BREAKERS = _gauge(
    "gateway_breakers", "workers", ("model", "state"),
    "Workers whose breaker for the model is closed, open or half_open.",
)
BUDGET_LIMIT = _gauge(
    "gateway_budget_limit_usd", "US dollars", ("budget",),
    "Limit of a budget for each of its subjects.",
)
BUDGET_LEFT = _gauge(
    "gateway_budget_left_usd", "US dollars", ("budget", "subject"),
    "Amount neither spent nor reserved in the current window, for subjects with recent calls;"
    " for a budget per key or label, the lowest of each tenant.",
)
ENGINE_UP = _gauge(
    "gateway_engine_up", "1 or 0", ("model",),
    "Whether the engine of a local model accepts requests.",
)
ENGINE_STARTS = _counter(
    "gateway_engine_starts_total", "starts", ("model",),
    "Starts of an engine; all but the first are restarts.",
)
ENGINE_LOAD_S = _gauge(
    "gateway_engine_load_seconds", "seconds", ("model",),
    "Duration of the last load of the model.",
)
SLOTS = _gauge(
    "gateway_engine_slots", "slots", ("model", "state"),
    "Slots of an engine for concurrent sequences: busy and free.",
)
QUEUED = _gauge(
    "gateway_engine_queued", "requests", ("model",),
    "Requests that wait for a slot.",
)
KV_CELLS = _gauge(
    "gateway_engine_kv_cells", "tokens", ("model", "state"),
    "Cells of the KV cache: used and free.",
)
PREFIX_CACHE = _gauge(
    "gateway_engine_kept_bytes", "bytes", ("model",),
    "Memory of the prefix cache, outside the KV cache.",
)
ENGINE_REQUESTS = _counter(
    "gateway_engine_requests_total", "requests", ("model", "outcome"),
    "Requests of an engine by outcome.",
)
ENGINE_TOKENS = _counter(
    "gateway_engine_tokens_total", "tokens", ("model", "type"),
    "Tokens of an engine: prompt (decoded), prompt_reused (from the prefix cache), completion, and of "
    "those guessed (by speculation or draft) and guessed_right.",
)
ENGINE_STEPS = _counter(
    "gateway_engine_steps_total", "steps", ("model",),
    "Decode steps of an engine.",
)
ENGINE_STEP_S = _counter(
    "gateway_engine_step_seconds_total", "seconds", ("model", "part"),
    "Time of decode steps: decode (inside llama.cpp) and other.",
)
QUEUE_S = _histogram(
    "gateway_engine_queue_seconds", "seconds", ("model",), FIRST_TOKEN_S,
    "Time from the arrival of a request at an engine to its slot.",
)
BATCH = _histogram(
    "gateway_engine_batch_sequences", "sequences", ("model",), SEQUENCES,
    "Sequences in a decode step.",
)
SERVER_FIRST_TOKEN_S = _histogram(
    "gen_ai_server_time_to_first_token_seconds", "seconds", _ATTEMPT, FIRST_TOKEN_S,
    "Time from the arrival of a request at an engine to its first token.",
)
SERVER_PER_TOKEN_S = _histogram(
    "gen_ai_server_time_per_output_token_seconds", "seconds", _ATTEMPT, PER_TOKEN_S,
    "Mean seconds for each token after the first of a request at an engine.",
)
READ = (
    WORKERS, IN_FLIGHT, CACHE_BYTES, BREAKERS, BUDGET_LIMIT, BUDGET_LEFT, ENGINE_UP, ENGINE_STARTS,
    ENGINE_LOAD_S, SLOTS, QUEUED, KV_CELLS, PREFIX_CACHE, ENGINE_REQUESTS, ENGINE_TOKENS, ENGINE_STEPS,
    ENGINE_STEP_S, QUEUE_S, BATCH, SERVER_FIRST_TOKEN_S, SERVER_PER_TOKEN_S,
)
"""Metrics that are read on each scrape, from workers, engines and ledger."""
# fmt: on


def all_metrics() -> Iterator[Metric]:
    """Yield every metric, in the order of the docs."""
    yield from COUNTED
    yield from READ
