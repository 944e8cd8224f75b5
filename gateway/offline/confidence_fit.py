"""Fits the confidence calibration of a model on answers that are known to be right or wrong.

Logistic regression with a ridge penalty on standardised signals, fitted by Newton's method (iteratively
reweighted least squares; Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2009, section
4.4.1). The strength is the one that predicts best on held-out folds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.backends.confidence import Signals

Matrix = NDArray[np.float64]

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Ridge penalties to choose from, on standardised signals."""
FOLDS = 5
LEAST_OF_EACH = 10
"""The fewest right answers, and the fewest wrong ones, for a fit."""
_STEPS = 25
_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceOutcome:
    """The signals of one answer, and whether it was right."""

    signals: Signals
    is_right: bool
    agreement: float | None = None
    """The share of samples that come to the same, where some were drawn."""
    sample_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalComparison:
    """AUROC of right answers on held-out ones, by the logits, by the agreement of samples, and by both."""

    answers: int
    logits: float
    agreement: float
    both: float
    sample_tokens: float
    """Of an answer, on average."""


def compare_signals(outcomes: Sequence[ConfidenceOutcome]) -> SignalComparison | None:
    """Return what samples add to the logits; None where none were drawn, or too few answers are of a kind."""
    compared = [outcome for outcome in outcomes if outcome.agreement is not None]
    right = np.array([outcome.is_right for outcome in compared], dtype=np.float64)
    if min(right.sum(), len(right) - right.sum()) < LEAST_OF_EACH:
        return None
    agreed = np.array([[outcome.agreement] for outcome in compared], dtype=np.float64)
    logits = np.array([list(asdict(outcome.signals).values()) for outcome in compared])
    return SignalComparison(
        answers=len(compared),
        logits=auroc(_best_held_out(logits, right), right),
        agreement=auroc(agreed[:, 0], right),
        both=auroc(_best_held_out(np.column_stack([logits, agreed]), right), right),
        sample_tokens=float(np.mean([outcome.sample_tokens for outcome in compared])),
    )


def _best_held_out(raw: Matrix, right: Matrix) -> Matrix:
    """Return the probability of each answer by a fit without it, at the best strength."""
    scale = raw.std(axis=0)
    scale[scale == 0.0] = 1.0
    signals = (raw - raw.mean(axis=0)) / scale
    found = [_held_out(signals, right, strength) for strength in STRENGTHS]
    return min(found, key=lambda each: _log_loss(each, right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Coefficients on unscaled signals, and the quality of the fit on held-out answers."""

    intercept: float
    mean_logprob: float
    least_margin: float
    prompt_entropy: float
    prompt_margin: float
    auroc: float
    """The share of pairs of a right and a wrong answer in which the right one has more confidence."""
    auroc_uncalibrated: float
    """The same for the mean log probability of the tokens alone."""
    calibration_error: float
    """Expected calibration error over ten bins of equal size."""


def fit(outcomes: Sequence[ConfidenceOutcome]) -> Fit:
    """Return the calibration for the outcomes; raises ValueError where there are too few of either kind."""
    right = np.array([outcome.is_right for outcome in outcomes], dtype=np.float64)
    for count, kind in ((int(right.sum()), "right"), (int((1 - right).sum()), "wrong")):
        if count < LEAST_OF_EACH:
            raise ValueError(f"{count} {kind} answers are too few; {LEAST_OF_EACH} of each kind are needed")
    raw = np.array([list(asdict(outcome.signals).values()) for outcome in outcomes])
    mean, scale = raw.mean(axis=0), raw.std(axis=0)
    scale[scale == 0.0] = 1.0
    signals = (raw - mean) / scale
    held_out = {strength: _held_out(signals, right, strength) for strength in STRENGTHS}
    best = min(STRENGTHS, key=lambda strength: _log_loss(held_out[strength], right))
    weights = _newton(signals, right, best)
    coefficients = weights[1:] / scale
    return Fit(
        intercept=float(weights[0] - (coefficients * mean).sum()),
        **dict(zip(asdict(outcomes[0].signals), map(float, coefficients), strict=True)),
        auroc=auroc(held_out[best], right),
        auroc_uncalibrated=auroc(raw[:, 0], right),
        calibration_error=calibration_error(held_out[best], right),
    )


def auroc(scores: Matrix, right: Matrix) -> float:
    """Return the area under the ROC curve, computed from ranks; equal scores share their mean rank."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    positives = right.sum()
    negatives = len(right) - positives
    return float((ranks[right > 0].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(probabilities: Matrix, right: Matrix) -> float:
    """Return the mean gap between predicted and true share of right answers, over bins of equal size."""
    order = np.argsort(probabilities, kind="stable")
    bins = [each for each in np.array_split(order, _BINS) if len(each)]
    gaps = [len(each) * abs(probabilities[each].mean() - right[each].mean()) for each in bins]
    return float(sum(gaps) / len(right))


def _held_out(signals: Matrix, right: Matrix, strength: float) -> Matrix:
    """Return for each answer its probability by a fit on the other folds; folds are by position."""
    folds = np.arange(len(right)) % FOLDS
    found = np.empty(len(right))
    for fold in range(FOLDS):
        weights = _newton(signals[folds != fold], right[folds != fold], strength)
        found[folds == fold] = _probabilities(signals[folds == fold], weights)
    return found


def _probabilities(signals: Matrix, weights: Matrix) -> Matrix:
    logits: Matrix = np.clip(weights[0] + signals @ weights[1:], -30.0, 30.0)
    probabilities: Matrix = 1.0 / (1.0 + np.exp(-logits))
    return probabilities


def _log_loss(probabilities: Matrix, right: Matrix) -> float:
    return float(-np.log(np.where(right > 0, probabilities, 1.0 - probabilities)).mean())


def _newton(signals: Matrix, right: Matrix, strength: float) -> Matrix:
    """Return intercept and weights; the intercept has no penalty."""
    design = np.column_stack([np.ones(len(right)), signals])
    penalty = np.diag([1e-9] + [strength] * signals.shape[1])
    weights: Matrix = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probabilities = _probabilities(signals, weights)
        gradient = design.T @ (right - probabilities) - penalty @ weights
        curvature = (design * (probabilities * (1.0 - probabilities))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights
