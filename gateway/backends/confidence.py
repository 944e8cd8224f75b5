"""How sure a model is of an answer that it has only begun: pure, from what its own logits said.

The signals are those that a gateway without an engine of its own cannot see: how spread out the next token
was at the end of the prompt, and how likely the first tokens of the answer were to the model that said them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.answer import TokenConfidence
from gateway.policy.escalation import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What the first tokens of an answer say about it; natural logarithms."""

    mean_logprob: float
    least_margin: float
    prompt_entropy: float
    """At the end of the prompt: where the first token was picked."""
    prompt_margin: float


def signals_of(certainties: Sequence[TokenConfidence]) -> Signals:
    """Return the signals of the first tokens, of which there is at least one."""
    first = certainties[0]
    return Signals(
        mean_logprob=sum(each.logprob for each in certainties) / len(certainties),
        least_margin=min(each.margin for each in certainties),
        prompt_entropy=first.entropy,
        prompt_margin=first.margin,
    )


def confidence(signals: Signals, calibration: Calibration | None) -> float:
    """Return how sure the model is, in [0, 1]: a probability only where it was calibrated."""
    if calibration is None:
        return math.exp(min(0.0, signals.mean_logprob))
    logit = (
        calibration.intercept
        + calibration.mean_logprob * signals.mean_logprob
        + calibration.least_margin * signals.least_margin
        + calibration.prompt_entropy * signals.prompt_entropy
        + calibration.prompt_margin * signals.prompt_margin
    )
    return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, logit))))
