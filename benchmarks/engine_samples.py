"""What contestants of `benchmarks/engine.py` are asked, and what came of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.engine_contestants import Timing
from benchmarks.engine_targets import BARE, FIRST_TOKEN, OWN_THREADS, SERVER, WHOLE, Figures, clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One row of questions: how many clients, how long the prompts, how long the answers."""

    clients: int
    words: int
    max_tokens: int
    rounds: int

    @property
    def label(self) -> str:
        """Return a name for tables."""
        return f"{self.clients} x ({self.words} in, {self.max_tokens} out)"


@dataclass(slots=True)
class Sample:
    """What one contestant gave under one load, over all rounds."""

    rates: list[float] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)

    def add(self, timings: list[Timing], wall_s: float) -> None:
        """Take one round."""
        self.rates.append(sum(t.tokens for t in timings) / wall_s)
        self.timings += timings

    def summary(self) -> dict[str, float]:
        """Return medians and percentiles."""
        first = [t.first_s * 1000 for t in self.timings]
        each = [t.per_token_s * 1000 for t in self.timings]
        return {
            "tokens_per_s": statistics.median(self.rates),
            "tokens_per_s_least": min(self.rates),
            "tokens_per_s_most": max(self.rates),
            "first_ms_p50": percentile(first, 50),
            "first_ms_p99": percentile(first, 99),
            "per_token_ms_p50": percentile(each, 50),
            "per_token_ms_p99": percentile(each, 99),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share) // 100) - 1)]


LONG_WORDS = 1000
"""Of a prompt that is about a thousand tokens."""


def loads(*, short: bool, only_targets: bool) -> list[Load]:
    """Return the loads of a run; `only_targets`: those that a target is about."""
    if short or only_targets:
        brief = [Load(clients=n, words=8, max_tokens=128 if n < 8 else 64, rounds=3) for n in (1, 4, 8, 16)]
        if only_targets:
            return [*brief, Load(clients=1, words=LONG_WORDS, max_tokens=32, rounds=3)]
        return [*brief, *(Load(clients=n, words=LONG_WORDS, max_tokens=32, rounds=1) for n in (1, 4))]
    brief = [Load(clients=n, words=8, max_tokens=128, rounds=5) for n in (1, 4, 8, 16)]
    return [*brief, *(Load(clients=n, words=LONG_WORDS, max_tokens=32, rounds=3) for n in (1, 4, 8, 16))]


def ratios(samples: dict[str, Sample]) -> dict[str, dict[str, float]]:
    """Return our tokens/s over each other's, round by round: median, least and most."""
    ours = samples["gateway"].rates
    found = {}
    for name, sample in samples.items():
        each = [a / b for a, b in zip(ours, sample.rates, strict=False)]
        found[name] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
    return found


def figures(found: Mapping[Load, dict[str, Sample]]) -> Figures:
    """Return what the targets are about."""
    ratio_of: dict[tuple[str, str], float] = {}
    for load, samples in found.items():
        over = {name: ratio["median"] for name, ratio in ratios(samples).items()}
        if load.words != LONG_WORDS:
            ratio_of.update(
                {(clients(load.clients), name): over[name] for name in (SERVER, BARE) if name in over}
            )
        elif load.clients == 1:
            first = {name: sample.summary()["first_ms_p50"] for name, sample in samples.items()}
            for name in (SERVER, BARE):
                if name in first:
                    ratio_of[FIRST_TOKEN, name] = first["gateway"] / first[name]
        if load.words != LONG_WORDS and load.clients == 1:
            for row, name in ((WHOLE, "whole gateway"), (OWN_THREADS, "whole gateway, own threads")):
                pairs = zip(samples[name].rates, samples[BARE].rates, strict=True)
                ratio_of[row, BARE] = statistics.median(ours / bare for ours, bare in pairs)
    return ratio_of
