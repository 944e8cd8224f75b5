"""Searches for conditions of rules that pay: where the cloud gains more than elsewhere. Pure.

For each signal the best comparison with one number is chosen on four fifths of the rated answers, and
measured on the fifth that it never saw. What is said of a condition comes from those fifths alone; the number
that is proposed is the best one of all answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gateway.offline.rated_answers import Value

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST = 100
"""The fewest rated answers to search in."""
FEWEST_OF_EACH = 15
"""The fewest answers on either side of a condition."""
FOLDS = 5
SEED = 20_261_129
_CANDIDATES = 24
"""Numbers that are tried for each signal, at equal shares of the answers."""
_CERTAINTY = 0.95
"""That no signal which says nothing is proposed, over all of them together."""


class TooFewRated(ValueError):
    """There are too few rated answers, or they are all alike; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A condition, and what the cloud gains where it holds and elsewhere, on answers held out."""

    when: str
    holds: float
    """The share of all rated answers for which it holds."""
    gain: float
    gain_elsewhere: float
    low: float
    high: float
    """The interval of the difference of both."""

    @property
    def pays(self) -> bool:
        """Whether the cloud surely gains more where it holds."""
        return self.low > 0.0


def search(values: Sequence[Mapping[str, Value]], gains: Sequence[float]) -> list[Proposal]:
    """Return the best condition of each signal that differs between answers; those that pay most first.

    Raises TooFewRated.
    """
    rows, gained = len(gains), np.array(gains)
    if rows < FEWEST:
        raise TooFewRated(f"{rows} rated answers are too few to search in; {FEWEST} are needed")
    if float(gained.std()) < 1e-9:
        raise TooFewRated("all rated answers are alike, so that no condition can tell them apart")
    tests = {name: list(_tests(name, [each[name] for each in values])) for name in values[0]}
    tests = {name: found for name, found in tests.items() if found}
    if not tests:
        raise TooFewRated("no signal differs between enough of the rated answers")
    z = NormalDist().inv_cdf(1.0 - (1.0 - _CERTAINTY) / 2 / len(tests))
    folds = np.random.default_rng(SEED).permutation(np.arange(rows) % FOLDS)
    found = [each for options in tests.values() if (each := _proposal(options, gained, folds, z))]
    return sorted(found, key=lambda each: -each.low)


def _tests(name: str, values: Sequence[Value]) -> Iterator[tuple[str, Flags]]:
    """Yield the conditions of a signal, and for which answers each holds."""
    if isinstance(values[0], bool):
        flags = np.array(values, dtype=np.bool_)
        options = [(name, flags), (f"!{name}", ~flags)]
    elif isinstance(values[0], str):
        words = np.array(values)
        options = [(f'{name} == "{word}"', words == word) for word in np.unique(words)]
    else:
        numbers = np.array(values, dtype=np.float64)
        options = []
        for cut in np.unique(np.quantile(numbers, np.linspace(0.05, 0.95, _CANDIDATES), method="higher")):
            number = _number(float(cut), is_whole=isinstance(values[0], int))
            over = numbers >= float(number)
            options += [(f"{name} >= {number}", over), (f"{name} < {number}", ~over)]
    for when, holds in options:
        if FEWEST_OF_EACH <= holds.sum() <= len(holds) - FEWEST_OF_EACH:
            yield when, holds


def _number(value: float, *, is_whole: bool) -> str:
    """Return a number as CEL writes it for the type of the signal."""
    return str(int(value)) if is_whole else f"{value:.3f}"


def _proposal(
    options: Sequence[tuple[str, Flags]], gains: Floats, folds: NDArray[np.intp], z: float
) -> Proposal | None:
    holds = np.zeros(len(gains), dtype=np.bool_)
    for fold in range(FOLDS):
        best = max(options, key=lambda option: _lift(option[1][folds != fold], gains[folds != fold]))
        holds[folds == fold] = best[1][folds == fold]
    inside, outside = gains[holds], gains[~holds]
    if min(len(inside), len(outside)) < 2:
        return None
    difference = float(inside.mean() - outside.mean())
    margin = z * float(np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)))
    when, flags = max(options, key=lambda option: _lift(option[1], gains))
    return Proposal(
        when=when, holds=float(flags.mean()), gain=float(inside.mean()), gain_elsewhere=float(outside.mean()),
        low=difference - margin, high=difference + margin,
    )  # fmt: skip


def _lift(holds: Flags, gains: Floats) -> float:
    """Return how much more is gained by a condition than by as many answers at random, for each of all."""
    return float(((gains - gains.mean()) * holds).mean())
