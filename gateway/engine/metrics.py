"""Counters of an engine, for operators; any thread may read them at any time."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets of OpenTelemetry's `gen_ai.server.time_to_first_token`."""
TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""Buckets of OpenTelemetry's `gen_ai.server.time_per_output_token`."""
SEQUENCES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Buckets of `batch_sequences`: sequences in one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """How busy the engine is."""

    slots_busy: int = 0
    queued: int = 0
    kv_cells_used: int = 0
    kept_tokens: int = 0
    kept_bytes: int = 0


class Histogram:
    """Counts of values in buckets, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value; a bound belongs to the bucket below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(slots=True)
class EngineMetrics:
    """The counters of one engine since its model was loaded; written by the scheduler's thread."""

    steps: int = 0
    step_s: float = 0.0
    decode_s: float = 0.0
    prompt_tokens: int = 0
    prompt_tokens_reused: int = 0
    completion_tokens: int = 0
    guessed_tokens: int = 0
    right_tokens: int = 0
    """Of the guessed tokens, those that came."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests by outcome: a finish reason, the reason of a failure, or CANCELLED."""
    first_token_s: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    per_token_s: Histogram = field(default_factory=lambda: Histogram(TOKEN_SECONDS))
    queue_s: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batch_sequences: Histogram = field(default_factory=lambda: Histogram(SEQUENCES))

    def record_step(self, *, sequences: int, prompt_tokens: int, decode_s: float) -> None:
        """Count one decoded step."""
        self.steps += 1
        self.decode_s += decode_s
        self.prompt_tokens += prompt_tokens
        self.batch_sequences.add(sequences)
