"""The status of a gateway as metrics that are read on each scrape."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from gateway.admin.v1 import admin_pb2 as pb
from gateway.engine.v1 import engine_pb2
from gateway.ledger.money import NANOS_PER_USD
from gateway.telemetry import catalogue as names

MAX_SUBJECTS = 100
"""Most subjects of a budget on the metrics page: those with the least left."""
STATES = {
    pb.BREAKER_STATE_CLOSED: "closed",
    pb.BREAKER_STATE_OPEN: "open",
    pb.BREAKER_STATE_HALF_OPEN: "half_open",
}

_Sample = tuple[tuple[str, ...], float]


class Snapshot(Collector):
    """The metrics of one status, for one scrape."""

    def __init__(self, status: pb.GetStatusResponse) -> None:
        self._status = status

    def collect(self) -> Iterator[Family]:
        """Yield every metric of `catalogue.READ`."""
        status = self._status
        yield _plain(names.WORKERS, [((), len(status.workers))])
        yield _plain(names.IN_FLIGHT, [((), sum(worker.in_flight for worker in status.workers))])
        yield _plain(names.CACHE_BYTES, [((), sum(worker.cache_bytes for worker in status.workers))])
        yield _plain(names.BREAKERS, _breakers(status.workers))
        limits = {budget.budget: budget.limit_usd_nanos / NANOS_PER_USD for budget in status.budgets}
        yield _plain(names.BUDGET_LIMIT, [((name,), limit) for name, limit in limits.items()])
        yield _plain(names.BUDGET_LEFT, budgets_left(status.budgets))
        yield _plain(names.ENGINE_UP, [((each.model,), float(each.is_serving)) for each in status.engines])
        yield _plain(names.ENGINE_STARTS, [((each.model,), each.starts) for each in status.engines])
        yield _plain(names.ENGINE_LOAD_S, [((e.model,), e.load_s) for e in status.engines if e.load_s])
        yield from _engines([each.status for each in status.engines if each.HasField("status")])


def _breakers(workers: Iterable[pb.Worker]) -> Iterator[_Sample]:
    counts = Counter((breaker.model, breaker.state) for worker in workers for breaker in worker.breakers)
    for model in sorted({model for model, _ in counts}):
        for state, name in STATES.items():
            yield (model, name), counts[model, state]


def budgets_left(budgets: Iterable[pb.Budget]) -> Sequence[_Sample]:
    """Return the dollars left of each subject; for a budget per key or label, the lowest of each tenant.

    Label values are callers' claims, so their number is unbounded.
    """
    left: dict[tuple[str, ...], float] = {}
    for budget in budgets:
        subject = (budget.budget, budget.subject.partition("/")[0])
        usd = (budget.limit_usd_nanos - budget.spent_usd_nanos) / NANOS_PER_USD
        left[subject] = min(usd, left.get(subject, usd))
    shown: Counter[str] = Counter()
    samples = []
    for labels, usd in sorted(left.items(), key=lambda each: each[1]):
        shown[labels[0]] += 1
        if shown[labels[0]] <= MAX_SUBJECTS:
            samples.append((labels, usd))
    return samples


def _engines(engines: Sequence[engine_pb2.GetStatusResponse]) -> Iterator[Family]:
    yield _plain(names.SLOTS, _two(engines, "busy", "free", lambda e: (e.slots_busy, e.slots)))
    yield _plain(names.QUEUED, [((e.model,), e.queued) for e in engines])
    yield _plain(names.KV_CELLS, _two(engines, "used", "free", lambda e: (e.kv_cells_used, e.kv_cells)))
    yield _plain(names.PREFIX_CACHE, [((e.model,), e.kept_bytes) for e in engines])
    yield _plain(
        names.ENGINE_REQUESTS,
        [((e.model, outcome), count) for e in engines for outcome, count in sorted(e.requests.items())],
    )
    yield _plain(
        names.ENGINE_TOKENS,
        [
            ((e.model, kind), count)
            for e in engines
            for kind, count in (
                ("prompt", e.prompt_tokens),
                ("prompt_reused", e.prompt_tokens_reused),
                ("completion", e.completion_tokens),
                ("guessed", e.guessed_tokens),
                ("guessed_right", e.right_tokens),
            )
        ],
    )
    yield _plain(names.ENGINE_STEPS, [((e.model,), e.steps) for e in engines])
    yield _plain(names.ENGINE_STEP_S, _two(engines, "decode", "other", lambda e: (e.decode_s, e.step_s)))
    yield _histograms(names.QUEUE_S, [((e.model,), e.queue_s) for e in engines])
    yield _histograms(names.BATCH, [((e.model,), e.batch_sequences) for e in engines])
    labels = {e.model: ("chat", "llama_cpp", e.model, e.model) for e in engines}
    yield _histograms(names.SERVER_FIRST_TOKEN_S, [(labels[e.model], e.first_token_s) for e in engines])
    yield _histograms(names.SERVER_PER_TOKEN_S, [(labels[e.model], e.per_token_s) for e in engines])


def _two(
    engines: Iterable[engine_pb2.GetStatusResponse],
    part: str,
    rest: str,
    read: Callable[[engine_pb2.GetStatusResponse], tuple[float, float]],
) -> Iterator[_Sample]:
    """Yield a part of a total and the rest, for each engine."""
    for engine in engines:
        value, whole = read(engine)
        yield (engine.model, part), value
        yield (engine.model, rest), max(0.0, whole - value)


def _plain(metric: names.Metric, samples: Iterable[_Sample]) -> Family:
    if metric.kind == "counter":
        family: CounterMetricFamily | GaugeMetricFamily = CounterMetricFamily(
            metric.name.removesuffix("_total"), metric.help, labels=metric.labels
        )
    else:
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _histograms(
    metric: names.Metric, samples: Iterable[tuple[tuple[str, ...], engine_pb2.Histogram]]
) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, histogram in samples:
        if not histogram.counts:
            continue
        total = 0
        buckets = []
        bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
        for bound, count in zip(bounds, histogram.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric(labels, buckets, histogram.sum)
    return family
