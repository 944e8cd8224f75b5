"""Computes the complexity score of a prompt from its features and a scorer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul

import numpy as np

from gateway.complexity.conversation import goes_on, head_log_odds
from gateway.complexity.features import PromptFeatures, last_of_user, prompt_features
from gateway.complexity.scorer_file import parse_scorer
from gateway.complexity.static_words import DIMENSIONS, Floats, mean_vector, word_table
from gateway.domain.conversation import Message
from gateway.domain.signals import NO_SIGNALS, ConversationSignals
from gateway.policy.complexity import Scorer

__all__ = [
    "FEATURES", "NUMERIC", "Scorer", "complexity_of", "features_of", "score_complexity", "shipped_scorer",
]  # fmt: skip

NUMERIC = len(PromptFeatures._fields)
FEATURES = NUMERIC + DIMENSIONS
"""The number of features, so of weights of a scorer."""
DIGITS = 5
"""Decimals to which features are rounded, so that records keep them exactly, and short."""
_MAX_DEVIATIONS = 4.0
"""Counts are clipped to this many standard deviations."""


@dataclass(frozen=True, slots=True)
class _Norm:
    means: Floats
    factors: Floats
    limit: float


@cache
def _norm() -> _Norm:
    table = word_table()
    share = 1.0 / math.sqrt(NUMERIC)  # So that all counts together weigh as much as the word vector.
    return _Norm(table.numeric_mean, share / table.numeric_scale, _MAX_DEVIATIONS * share)


def features_of(messages: Sequence[Message]) -> tuple[float, ...]:
    """Return the features of a prompt: the normalised counts of `PromptFeatures`, then the mean word vector.

    They are rounded, so that recorded features give the same score.
    """
    norm = _norm()
    last = last_of_user(messages)
    counts = (np.array(prompt_features(messages)) - norm.means) * norm.factors
    limited = np.minimum(np.maximum(counts, -norm.limit), norm.limit)
    features = np.concatenate((limited, mean_vector(messages[last].text if last >= 0 else "")))
    rounded: list[float] = features.round(DIGITS).tolist()
    return tuple(rounded)


@cache
def shipped_scorer() -> Scorer:
    """Return the packaged scorer, which was trained on public outcomes of other models."""
    return parse_scorer(files("gateway.complexity").joinpath("shipped", "scorer.json").read_text("utf-8"))


def complexity_of(
    features: Sequence[float], scorer: Scorer | None = None, signals: ConversationSignals = NO_SIGNALS
) -> float:
    """Return the complexity score in [0, 1] of `features_of` a prompt.

    It ranks prompts; it is a probability only if the scorer was calibrated on the deployment's own traffic.
    A conversation that goes on is scored by the scorer's second head, if it has one.
    """
    scorer = scorer or shipped_scorer()
    gain = sum(map(mul, scorer.weights, features))
    if scorer.conversation is not None and goes_on(signals):
        log_odds = head_log_odds(scorer.conversation, gain, signals)
    else:
        log_odds = scorer.intercept + scorer.slope * gain
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700.0 else 0.0


def score_complexity(messages: Sequence[Message], scorer: Scorer | None = None) -> float:
    """Return the complexity score of a conversation."""
    return complexity_of(features_of(messages), scorer)
