"""How much a strong model is expected to gain over the edge model on a prompt."""

import math
from collections.abc import Sequence

from gateway.scoring.features import PromptFeatures, prompt_features
from gateway.types import Message

BIAS = -3.3
WEIGHTS = PromptFeatures(
    words=0.35,
    context=0.06,
    turns=0.10,
    reasoning=1.6,
    constraints=0.35,
    code=0.55,
    math=0.40,
    numbers=0.10,
    tasks=0.30,
    vocabulary=0.15,
    is_lookup=-0.9,
)
"""What one unit of each feature adds to the log-odds; chosen by hand."""


def score_complexity(messages: Sequence[Message]) -> float:
    """Return a number in (0, 1) that ranks prompts by what a strong model would gain; it is no probability."""
    features = prompt_features(messages)
    log_odds = BIAS + sum(
        getattr(WEIGHTS, name) * getattr(features, name) for name in PromptFeatures.__dataclass_fields__
    )
    return 1.0 / (1.0 + math.exp(-log_odds))
