"""How large or slow the next thing will be, by the latest ones; some were cut, and are only lower bounds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

QUANTILE = 0.95
"""An estimate holds for all but one in twenty: what is let through by it shall finish."""
FEWEST = 5.0
"""Samples, each by its weight, below which there is no estimate: one or two say nothing of the next."""
HALF_LIFE_S = 300.0
"""A sample counts half as much after this many seconds: long enough for a model that answers once a minute to
have an estimate, short enough to forget a bad spell without new samples."""
KEPT = 64
"""Samples that are remembered: a quantile of 0.95 needs twenty, and old ones weigh little."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class BoundedSample:
    """One value, or a bound that it would have passed if nothing had cut it."""

    value: float
    is_bound: bool
    age_s: float = 0.0

    @property
    def weight(self) -> float:
        """How much it counts, from 1.0 when it is new."""
        return math.pow(0.5, max(0.0, self.age_s) / HALF_LIFE_S)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The distribution of the latest values."""

    shares: tuple[tuple[float, float], ...]
    """(value, probability), ascending by value."""

    def quantile(self, share: float = QUANTILE) -> float:
        """Return what this share of them are at most."""
        above = 1.0
        for value, probability in self.shares:
            above -= probability
            if above <= 1.0 - share + _ROUNDING:
                return value
        return self.shares[-1][0]

    def mean(self, *, at_most: float, above: float = 0.0) -> float:
        """Return the mean of values that are above a bound, each cut at `at_most`.

        Where none was above it, a value is taken to become twice as large as it is already.
        """
        found = [(min(value, at_most), share) for value, share in self.shares if value > above]
        total = sum(share for _, share in found)
        if total <= _ROUNDING:
            return min(2.0 * above, at_most)
        return sum(value * share for value, share in found) / total


def estimate(samples: Iterable[BoundedSample]) -> Estimate | None:
    """Return the distribution that values and bounds suggest (Kaplan and Meier); None of too few samples.

    A bound counts among those that pass every value below it, and says nothing of what is above it. The
    largest sample counts as the one below it, so that one outlier makes no estimate; that one stands for
    itself, even if it is a bound: of larger ones nothing is known.
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
