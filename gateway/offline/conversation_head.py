"""Learns the second head of a scorer, for conversations that go on, from their outcomes.

Its one prior is the first head: the gain that this one expects has weight 1 at first, and the signals of the
conversation weigh nothing. All turns of a conversation share its outcome, and count as one together. The gain
of a turn is that of weights which never saw its outcome (stacked generalisation: Wolpert 1992), else the
second head would trust the first one too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.conversation import ConversationFeatures, conversation_features, goes_on
from gateway.offline.learning import Learned, learn, measured, objections_to
from gateway.offline.outcomes import QualityOutcome
from gateway.policy.complexity import ConversationHead, Scorer

Floats = NDArray[np.float64]

_SHARE = 1.0 / np.sqrt(len(ConversationFeatures._fields))
"""So that all signals together weigh as much as one feature of variance 1."""
_FIRST_HEAD = (1.0, *(0.0,) * len(ConversationFeatures._fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstHead:
    """The weights by which the gain of each outcome is expected: they never saw it."""

    weights: Sequence[Floats]
    which: Sequence[int]
    """For each outcome the number of its weights."""

    @classmethod
    def of(cls, scorer: Scorer, outcomes: int) -> "FirstHead":
        """Return those of a scorer that saw none of the outcomes."""
        return cls(weights=(np.array(scorer.weights),), which=(0,) * outcomes)

    def gain(self, outcome: int, features: Sequence[float]) -> float:
        """Return the gain that is expected for features of an outcome."""
        return float(np.array(features) @ self.weights[self.which[outcome]])


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedHead:
    """A second head, and what was measured of it; `learned.before` is the first head, on the same turns."""

    head: ConversationHead
    learned: Learned
    turns: int

    @property
    def objections(self) -> list[str]:
        """The reasons to leave it out: it has to beat the first head on held-out conversations."""
        found = objections_to(self.learned)
        if not (self.learned.is_moved and self.learned.after[0] > self.learned.before[0]):
            found.insert(0, "on held-out conversations it is no better than the first head")
        return found

    def fields(self) -> dict[str, object]:
        """Return the measurements, for JSON and for the notes of a scorer file."""
        return {**measured(self.learned), "turns": self.turns, "is_kept": not self.objections}


def learn_head(outcomes: Sequence[QualityOutcome], gains: Floats, first: FirstHead) -> LearnedHead:
    """Learn from the turns that go on; raises TooFewOutcomes."""
    turns = [
        (row, features, conversation_features(signals))
        for row, outcome in enumerate(outcomes)
        for features, signals in outcome.moments
        if goes_on(signals)
    ]
    rows = [row for row, _, _ in turns]
    signals = np.array([seen for _, _, seen in turns]).reshape(len(turns), len(ConversationFeatures._fields))
    expected = [first.gain(row, features) for row, features, _ in turns]
    means = signals.mean(axis=0) if turns else np.zeros(signals.shape[1])
    deviations = signals.std(axis=0) if turns else means
    factors = np.divide(_SHARE, deviations, out=np.zeros_like(deviations), where=deviations > 1e-9)
    learned = learn(
        np.column_stack([np.array(expected), (signals - means) * factors]),
        gains[rows],
        Scorer(weights=_FIRST_HEAD, intercept=0.0, slope=1.0, sha256=""),
        tenants=[outcomes[row].tenant for row in rows],
        groups=rows,
    )
    weights = learned.weights * np.array([1.0, *factors])
    head = ConversationHead(
        weights=tuple(weights.tolist()),
        intercept=learned.intercept - learned.slope * float(weights[1:] @ means),
        slope=learned.slope,
    )
    return LearnedHead(head=head, learned=learned, turns=len(turns))
