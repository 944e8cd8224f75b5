"""How much a strong model is expected to gain over the edge model on a prompt."""

import math
from collections.abc import Sequence
from operator import mul

from gateway.scoring.features import PromptFeatures, prompt_features
from gateway.types import Message

BIAS = -3.2
"""Log-odds of an empty prompt."""
WEIGHTS = PromptFeatures(
    words=0.1,
    context=0.06,
    turns=0.1,
    reasoning=1.4,
    constraints=0.6,
    code=0.7,
    math=0.45,
    numbers=0.12,
    tasks=0.1,
    vocabulary=0.35,
    opening=0.8,
)
"""What one unit of each feature adds to the log-odds; set by hand."""


def score_complexity(messages: Sequence[Message]) -> float:
    """Return a number in [0, 1] that ranks prompts by what a strong model would gain; no probability."""
    return complexity_of(prompt_features(messages))


def complexity_of(features: Sequence[float]) -> float:
    """Return the same from what was counted, in the order of `PromptFeatures`."""
    log_odds = BIAS + sum(map(mul, WEIGHTS, features))
    return 1.0 / (1.0 + math.exp(-log_odds))
