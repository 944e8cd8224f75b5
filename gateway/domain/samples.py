"""Estimates the next value from recent samples, some of which are only lower bounds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

QUANTILE = 0.95
"""Default quantile of an estimate: it holds for all but one in twenty."""
FEWEST = 5.0
"""Total weight of samples below which there is no estimate."""
HALF_LIFE_S = 300.0
"""Seconds after which a sample counts half: long enough for an estimate at one answer a minute, short enough
to forget a slow period without new samples."""
MAX_SAMPLES = 64
"""Most samples that are kept: a quantile of 0.95 needs twenty, and old ones weigh little."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class BoundedSample:
    """One value, or a lower bound of one that was interrupted."""

    value: float
    is_bound: bool
    age_s: float = 0.0

    @property
    def weight(self) -> float:
        """The weight of the sample: 1.0 when it is new, then less."""
        return math.pow(0.5, max(0.0, self.age_s) / HALF_LIFE_S)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The distribution of the latest values."""

    shares: tuple[tuple[float, float], ...]
    """(value, probability), ascending by value."""

    def quantile(self, share: float = QUANTILE) -> float:
        """Return the value that this share does not exceed."""
        above = 1.0
        for value, probability in self.shares:
            above -= probability
            if above <= 1.0 - share + _ROUNDING:
                return value
        return self.shares[-1][0]

    def mean(self, *, at_most: float, above: float = 0.0) -> float:
        """Return the mean of the values above a bound, each limited to `at_most`.

        If none is above it, the estimate is twice the bound.
        """
        found = [(min(value, at_most), share) for value, share in self.shares if value > above]
        total = sum(share for _, share in found)
        if total <= _ROUNDING:
            return min(2.0 * above, at_most)
        return sum(value * share for value, share in found) / total


def estimate(samples: Iterable[BoundedSample]) -> Estimate | None:
    """Return the distribution of values and lower bounds (Kaplan-Meier estimate); None for too few samples.

    The largest sample counts as the second largest, so that one outlier does not decide. The second largest
    counts as a value even if it is a bound, since nothing larger is known.
    """
    ordered = sorted(samples, key=lambda sample: (sample.value, sample.is_bound))
    at_risk = sum(sample.weight for sample in ordered)
    if at_risk < FEWEST - _ROUNDING:
        return None
    largest = _largest_but_one(ordered)
    shares: list[tuple[float, float]] = []
    above = 1.0
    for sample in ordered:
        if sample.value >= largest:
            break
        if not sample.is_bound:
            share = above * sample.weight / at_risk
            shares.append((sample.value, share))
            above -= share
        at_risk -= sample.weight
    return Estimate((*shares, (largest, above)))


def _largest_but_one(ordered: Sequence[BoundedSample]) -> float:
    """Return the largest value that the weight of one new sample does not outweigh."""
    passed = 0.0
    for sample in reversed(ordered):
        passed += sample.weight
        if passed > 1.0 + _ROUNDING:
            return sample.value
    raise ValueError("too few samples")
