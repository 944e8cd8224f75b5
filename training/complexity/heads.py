"""The head of the shipped scorer: three linear heads, standardised and added, so that it is one again.

* set by hand: what each count was thought to add (`BY_HAND`);
* counts: a ridge of the gain on the counts, so strong that it is nearly the correlation of each;
* subjects: a ridge on the mean word vector, at half weight, for it transfers least.

The gain is centred in each bench: benches differ in their models, and a scorer that learns which bench a
prompt is from ranks nothing within one.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import NUMERIC
from gateway.complexity.features import PromptFeatures

Floats = NDArray[np.float64]

BY_HAND = {
    "words": 0.1, "context": 0.06, "turns": 0.1, "reasoning": 1.4, "constraints": 0.6, "code": 0.7, "math":
    0.45,
    "numbers": 0.12, "tasks": 0.1, "vocabulary": 0.35, "opening": 0.8,
}  # fmt: skip
BY_HAND_BIAS = -3.2
COUNTS_RIDGE, SUBJECTS_RIDGE = 100.0, 1.0
"""Strengths for features times `_UNIT`."""
SUBJECTS_SHARE = 0.5
_UNIT = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear head in units of quality gained, and the link that gives the score."""

    weights: Floats
    intercept: float
    slope: float


def centred(values: Floats, groups: NDArray[np.str_]) -> Floats:
    """Return values less the mean of their group."""
    out = values.copy()
    for group in np.unique(groups):
        out[groups == group] -= values[groups == group].mean()
    return out


def _ridge(x: Floats, y: Floats, row_weights: Floats, strength: float) -> Floats:
    scaled = (x - np.average(x, axis=0, weights=row_weights)) * _UNIT
    weighted = scaled * row_weights[:, None]
    curvature = weighted.T @ scaled + strength * len(x) * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(curvature, weighted.T @ y) * _UNIT, dtype=np.float64)


def by_hand(numeric_mean: Floats, numeric_scale: Floats) -> tuple[Floats, float]:
    """Return the weights by hand for normed counts, and the log-odds where all of them are average."""
    raw = np.array([BY_HAND.get(name, 0.0) for name in PromptFeatures._fields])
    return raw * numeric_scale * math.sqrt(NUMERIC), float(BY_HAND_BIAS + raw @ numeric_mean)


def fit(features: Floats, gains: Floats, benches: NDArray[np.str_], hand: tuple[Floats, float]) -> Head:
    """Fit the three heads to outcomes, and add them; each bench has a say by the root of its size."""
    sizes = {bench: (benches == bench).sum() for bench in np.unique(benches)}
    row_weights = np.array([sizes[bench] ** -0.5 for bench in benches])
    row_weights /= row_weights.mean()
    y = centred(gains, benches)
    counts, subjects = features[:, :NUMERIC], features[:, NUMERIC:]
    hand_weights, hand_bias = hand
    blocks = [
        (counts, hand_weights, 0, 1.0),
        (counts, _ridge(counts, y, row_weights, COUNTS_RIDGE), 0, 1.0),
        (subjects, _ridge(subjects, y, row_weights, SUBJECTS_RIDGE), NUMERIC, SUBJECTS_SHARE),
    ]
    weights = np.zeros(features.shape[1])
    for block, found, start, share in blocks:
        weights[start : start + len(found)] += share * found / (block @ found).std()
    predicted = features @ weights
    weights /= float(predicted.std())
    ranked = centred(features @ weights, benches)
    gain_a_unit = float(ranked @ y / (ranked @ ranked))
    by_hand_odds = counts @ hand_weights + hand_bias
    middle, spread = float(by_hand_odds.mean()), float(by_hand_odds.std())
    shift = float((features @ weights).mean())
    return Head(weights=weights * gain_a_unit, slope=spread / gain_a_unit, intercept=middle - spread * shift)
