"""Learning a scorer from outcomes of one's own traffic: a ridge towards the scorer that is there.

Every candidate is a ridge of the gain on the features, with the scorer's own weights as its centre: some let
the counts move freely, others the map of subjects, each at several strengths. How well a candidate foretells
outcomes that it has not seen follows from one decomposition (leave-one-out in closed form: Hastie et al., The
Elements of Statistical Learning, section 7.10). The candidates are averaged by that likelihood, the unmoved
scorer among them: where the data do not speak, it stays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.scoring.complexity import NUMERIC, Scorer
from gateway.scoring.ranking import apgr, calibration_error, interval

Floats = NDArray[np.float64]

FEWEST = 20
"""Outcomes; from fewer nothing is learned."""
FOLDS = 5
SEED = 20_261_125
_MIXES = ((1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (1.0, 2.0), (0.3, 1.0))
"""How freely counts and subjects may move, against each other."""
_SPREAD = 10.0
_HALFWAY = 100
"""Outcomes after which a scorer goes half the way that they point: with few the average is rash."""
_STRENGTHS = np.geomspace(3000.0, 1.0, 9)


class TooFewOutcomes(ValueError):
    """There is not enough to learn from; says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A scorer's new numbers, and what held folds say of the old and the new one."""

    weights: Floats
    intercept: float
    slope: float
    is_moved: bool
    """False where held folds speak against the new weights: only the calibration is new."""
    rows: int
    before: tuple[float, float, float]
    """APGR on held folds of the scorer that was there, with its interval."""
    after: tuple[float, float, float]
    calibration_error: float
    """On held folds: by how much the score and the share of prompts that the strong model does better
    differ."""


def learn(features: Floats, gains: Floats, base: Scorer) -> Learned:
    """Learn from rows of features and of what the strong model's answer was better by, -1 to 1."""
    rows = len(gains)
    if rows < FEWEST:
        raise TooFewOutcomes(f"{rows} outcomes; at least {FEWEST} are needed")
    if float(gains.std()) < 1e-9:
        raise TooFewOutcomes("all outcomes are alike, so that nothing can be told from them")
    prior = np.array(base.weights)
    folds = np.random.default_rng(SEED).permutation(rows) % FOLDS
    held, old = np.zeros(rows), np.zeros(rows)
    for fold in range(FOLDS):
        seen, kept = folds != fold, folds == fold
        moved, level = refit(features[seen], gains[seen], prior)
        held[kept] = features[kept] @ moved + level
        old[kept] = features[kept] @ prior + (gains[seen] - features[seen] @ prior).mean()
    better = (gains - old) ** 2 - (gains - held) ** 2
    is_moved = bool(better.mean() > -better.std() / np.sqrt(rows))  # Not worse by more than its own error.
    weights = refit(features, gains, prior)[0] if is_moved else prior
    foretold = held if is_moved else old
    truths = np.maximum(gains, 0.0)
    scores = np.zeros(rows)
    for fold in range(FOLDS):
        seen, kept = folds != fold, folds == fold
        intercept, slope = logistic(foretold[seen], truths[seen])
        scores[kept] = _sigmoid(intercept + slope * foretold[kept])
    intercept, slope = logistic(foretold, truths)
    level = float((gains - features @ weights).mean())  # Predictions on held folds had their level added.
    return Learned(
        weights=weights, intercept=intercept + slope * level, slope=slope, is_moved=is_moved, rows=rows,
        before=_measured(old, gains), after=_measured(foretold, gains),
        calibration_error=calibration_error(scores, truths),
    )  # fmt: skip


def _measured(scores: Floats, gains: Floats) -> tuple[float, float, float]:
    low, high = interval(lambda rows: apgr(scores[rows], gains[rows]), len(gains))
    return apgr(scores, gains), low, high


def refit(features: Floats, gains: Floats, prior: Floats) -> tuple[Floats, float]:
    """Return weights that foretell the gains, drawn towards the prior's, and the level to add."""
    rest = gains - features @ prior
    level = float(rest.mean())
    centre = features.mean(axis=0)
    left = rest - level
    costs, moves = [0.5 * len(left) * np.log(np.mean(left**2))], [np.zeros_like(prior)]
    for counts, subjects in _MIXES:
        scale = np.full(features.shape[1], subjects)
        scale[:NUMERIC] = counts
        scale *= np.sqrt(_SPREAD)
        x = (features - centre) * scale
        found = _ridges(x, left)
        costs += [cost for cost, _ in found]
        moves += [move * scale for _, move in found]
    shares = np.exp(np.min(costs) - np.array(costs))
    move = (shares / shares.sum()) @ np.array(moves) * (len(gains) / (len(gains) + _HALFWAY))
    return prior + move, level - float(centre @ move)


def _ridges(x: Floats, y: Floats) -> list[tuple[float, Floats]]:
    """Return for each strength the cost by leave-one-out, in nats, and the weights."""
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    squares, along = singular**2, left.T @ y
    found = []
    for strength in _STRENGTHS:
        shrunk = squares / (squares + strength)
        residual = y - left @ (shrunk * along)
        leverage = (left**2) @ shrunk + 1.0 / len(y)  # The level is fitted, too.
        alone = residual / np.maximum(1.0 - leverage, 1e-6)
        weights = right.T @ (singular / (squares + strength) * along)
        found.append((float(0.5 * len(y) * np.log(np.mean(alone**2))), weights))
    return found


def logistic(values: Floats, truths: Floats) -> tuple[float, float]:
    """Return intercept and slope of the logistic curve from values to truths in [0, 1]; the slope is above 0.

    Platt (1999), by Newton's method, with his targets that are never quite 0 or 1.
    """
    spread = float(values.std()) or 1.0
    x = np.column_stack([np.ones_like(values), (values - values.mean()) / spread])
    total = float(truths.sum())
    high, low = (total + 1.0) / (total + 2.0), 1.0 / (len(truths) - total + 2.0)
    y = low + truths * (high - low)
    found = np.array([np.log(y.mean() / (1.0 - y.mean())), 0.1])
    for _ in range(50):
        p = _sigmoid(x @ found)
        gradient = x.T @ (y - p) - np.array([0.0, 1e-3]) * found
        curvature = (x * (p * (1.0 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -2.0, 2.0)
        if float(abs(step).max()) < 1e-9:
            break
    slope = max(float(found[1]), 1e-3) / spread
    return float(found[0]) - slope * float(values.mean()), slope


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))
