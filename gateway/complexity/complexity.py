"""How much a strong model is expected to gain over the edge model on a prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul

from gateway.complexity.features import PromptFeatures, last_of_user, prompt_features
from gateway.complexity.scorer_file import parse_scorer
from gateway.complexity.static_words import DIGITS, DIMENSIONS, mean_vector, word_table
from gateway.policy.complexity import Scorer
from gateway.types import Message

__all__ = [
    "FEATURES", "NUMERIC", "Scorer", "complexity_of", "features_of", "score_complexity", "shipped_scorer",
]  # fmt: skip

NUMERIC = len(PromptFeatures._fields)
FEATURES = NUMERIC + DIMENSIONS
"""How many numbers a scorer weighs."""
_MAX_DEVIATIONS = 4.0
"""Standard deviations; what is farther out counts as this far."""


@dataclass(frozen=True, slots=True)
class _Norm:
    means: tuple[float, ...]
    factors: tuple[float, ...]
    limit: float


@cache
def _norm() -> _Norm:
    table = word_table()
    share = 1.0 / math.sqrt(NUMERIC)  # So that all counts together weigh as much as the map of subjects.
    factors = tuple((share / table.numeric_scale).tolist())
    return _Norm(tuple(table.numeric_mean.tolist()), factors, _MAX_DEVIATIONS * share)


def features_of(messages: Sequence[Message]) -> tuple[float, ...]:
    """Return what every scorer weighs: the counts of `PromptFeatures`, normed, then the mean word vector.

    They are rounded, so that what a record keeps gives the very same score.
    """
    norm = _norm()
    low, high = -norm.limit, norm.limit
    last = last_of_user(messages)
    counts = [
        round(min(high, max(low, (count - mean) * factor)), DIGITS)
        for count, mean, factor in zip(prompt_features(messages), norm.means, norm.factors, strict=True)
    ]
    return (*counts, *mean_vector(messages[last].content if last >= 0 else ""))


@cache
def shipped_scorer() -> Scorer:
    """Return the scorer of the package, which was trained on public outcomes of other models."""
    return parse_scorer(files("gateway.complexity").joinpath("shipped", "scorer.json").read_text("utf-8"))


def complexity_of(features: Sequence[float], scorer: Scorer | None = None) -> float:
    """Return a number in [0, 1] that ranks prompts by what a strong model would gain, from `features_of`.

    It is a probability only by a scorer that was calibrated on the deployment's own traffic.
    """
    scorer = scorer or shipped_scorer()
    log_odds = scorer.intercept + scorer.slope * sum(map(mul, scorer.weights, features))
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700.0 else 0.0


def score_complexity(messages: Sequence[Message], scorer: Scorer | None = None) -> float:
    """Return the same from the messages."""
    return complexity_of(features_of(messages), scorer)
