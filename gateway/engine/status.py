"""The state and the counters of an engine as a GetStatus response."""

from gateway.engine.interfaces import Model
from gateway.engine.metrics import Histogram
from gateway.engine.scheduler import Scheduler
from gateway.engine.v1 import engine_pb2


def status_of(name: str, model: Model, scheduler: Scheduler) -> engine_pb2.GetStatusResponse:
    """Return the loaded model, the load and the counters of an engine."""
    load, metrics, throughput = scheduler.load, scheduler.metrics, scheduler.throughput
    forecast = scheduler.forecast()
    return engine_pb2.GetStatusResponse(
        model=name,
        context_tokens=model.context_tokens,
        slots=model.slots,
        threads=model.threads,
        slots_busy=load.slots_busy,
        queued=load.queued,
        steps=metrics.steps,
        kv_cells=model.kv_cells,
        kv_cells_used=load.kv_cells_used,
        kept_tokens=load.kept_tokens,
        kept_bytes=load.kept_bytes,
        step_s=metrics.step_s,
        decode_s=metrics.decode_s,
        prompt_tokens=metrics.prompt_tokens,
        prompt_tokens_reused=metrics.prompt_tokens_reused,
        completion_tokens=metrics.completion_tokens,
        guessed_tokens=metrics.guessed_tokens,
        right_tokens=metrics.right_tokens,
        requests=dict(metrics.requests),
        first_token_s=histogram(metrics.first_token_s),
        per_token_s=histogram(metrics.per_token_s),
        queue_s=histogram(metrics.queue_s),
        batch_sequences=histogram(metrics.batch_sequences),
        prompt_tokens_per_s=1.0 / throughput.prompt_token_s if throughput.prompt_token_s else 0.0,
        token_s=throughput.token_s(max(1, load.slots_busy)) or 0.0,
        forecast=engine_pb2.Forecast(
            wait_s=forecast.wait_s,
            prompt_token_s=forecast.prompt_token_s,
            token_s=forecast.token_s,
            answer_tokens=forecast.answer_tokens,
        ),
    )


def histogram(counted: Histogram) -> engine_pb2.Histogram:
    """Return a histogram as a message."""
    return engine_pb2.Histogram(bounds=counted.bounds, counts=counted.counts, sum=counted.sum)
