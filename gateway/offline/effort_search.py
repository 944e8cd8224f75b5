"""Searches for the complexity up to which less reasoning is rated no worse. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.offline.condition_search import TooFewRated
from gateway.offline.rated_answers import RatedAnswer

LOW = frozenset(("none", "minimal", "low"))
FEWEST_OF_EACH = 30
"""The fewest rated answers with little reasoning, and with more."""
TOLERATED = 0.05
"""How much worse little reasoning may be, at most, by the lower end of the 95 % interval."""
_CUTS = (0.25, 0.5, 0.75, 1.0)
"""The shares of the answers that are tried, those of least complexity first."""
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class EffortProposal:
    """A threshold below which effort may be low, and what was rated there."""

    below: float
    """Of complexity; above 1 it is all."""
    answers: int
    low_score: float
    usual_score: float
    low_end: float
    high_end: float
    """The 95 % interval of the difference."""
    low_tokens: float
    usual_tokens: float
    """Reasoning tokens of an answer, on average."""

    @property
    def pays(self) -> bool:
        """Whether less is thought, and it is surely hardly worse."""
        return self.low_end > -TOLERATED and self.low_tokens < self.usual_tokens


def effort_proposal(answers: Sequence[RatedAnswer]) -> EffortProposal:
    """Return the highest threshold at which low effort pays, else the lowest one; raises TooFewRated."""
    reasoned = [each for each in answers if each.effort in LOW or each.reasoning_tokens or each.effort]
    low = sum(each.effort in LOW for each in reasoned)
    if min(low, len(reasoned) - low) < FEWEST_OF_EACH:
        raise TooFewRated(
            f"{low} rated answers with little reasoning and {len(reasoned) - low} with more are too few"
            f" to compare; {FEWEST_OF_EACH} of each are needed"
        )
    scores = np.array([each.record.routing_input.complexity for each in reasoned])
    cuts = [1.1 if share == 1.0 else round(float(np.quantile(scores, share)), 3) for share in _CUTS]
    found = [one for cut in cuts if (one := _compared(reasoned, scores, cut)) is not None]
    return next((each for each in reversed(found) if each.pays), found[0])


def _compared(
    answers: Sequence[RatedAnswer], scores: NDArray[np.float64], below: float
) -> EffortProposal | None:
    own = [each for each, score in zip(answers, scores, strict=True) if score < below]
    low, usual = (
        [each for each in own if each.effort in LOW],
        [each for each in own if each.effort not in LOW],
    )
    if min(len(low), len(usual)) < FEWEST_OF_EACH:
        return None
    a, b = np.array([each.score for each in low]), np.array([each.score for each in usual])
    margin = _Z * float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    difference = float(a.mean() - b.mean())
    return EffortProposal(
        below=below, answers=len(own), low_score=float(a.mean()), usual_score=float(b.mean()),
        low_end=difference - margin, high_end=difference + margin,
        low_tokens=float(np.mean([each.reasoning_tokens for each in low])),
        usual_tokens=float(np.mean([each.reasoning_tokens for each in usual])),
    )  # fmt: skip
