"""Learning a scorer from outcomes of one's own traffic: a ridge towards the scorer that is there.

Every candidate is a ridge of the gain on the features, with the scorer's own weights as its centre: some let
the counts move freely, others the map of subjects, each at several strengths. How well a candidate foretells
outcomes that it has not seen follows from one decomposition (leave-one-out in closed form: Hastie et al., The
Elements of Statistical Learning, section 7.10). The candidates are averaged by that likelihood, the unmoved
scorer among them: where the data do not speak, it stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import NUMERIC, Scorer
from gateway.complexity.scorer_file import write_scorer
from gateway.offline.ranking import apgr, calibration_error, interval
from gateway.offline.tenant_shares import TenantShare, counts_of, fold_of_each, shares_of

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
CHANCE = 0.5
"""The APGR of a router that throws dice."""


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
    tenants: tuple[TenantShare, ...] = ()
    """What the outcomes of each tenant did, and what became of its own; those with most outcomes first."""

    @property
    def is_chance(self) -> bool:
        """Say whether the new scorer cannot be told from dice on held folds."""
        return not self.after[1] > CHANCE  # Also where there is no gap, and so no interval.


def learn(features: Floats, gains: Floats, base: Scorer, *, tenants: Sequence[str] = ()) -> Learned:
    """Learn from rows of features and of what the strong model's answer was better by, -1 to 1.

    `tenants` says whose each row is; without it all are one's. A tenant counts by the root of its outcomes.
    """
    rows = len(gains)
    if rows < FEWEST:
        raise TooFewOutcomes(f"{rows} outcome{'' if rows == 1 else 's'}; at least {FEWEST} are needed")
    if float(gains.std()) < 1e-9:
        raise TooFewOutcomes("all outcomes are alike, so that nothing can be told from them")
    names = np.array(tenants or [""] * rows)
    counts = counts_of(names)
    prior = np.array(base.weights)
    folds = fold_of_each(names, FOLDS, np.random.default_rng(SEED))
    held, old = np.zeros(rows), np.zeros(rows)
    for fold in range(FOLDS):
        seen, kept = folds != fold, folds == fold
        moved, level = refit(features[seen], gains[seen], prior, counts[seen])
        held[kept] = features[kept] @ moved + level
        rest = gains[seen] - features[seen] @ prior
        old[kept] = features[kept] @ prior + np.average(rest, weights=counts[seen])
    better = counts * ((gains - old) ** 2 - (gains - held) ** 2)
    is_moved = bool(better.mean() > -better.std() / np.sqrt(rows))  # Not worse by more than its own error.
    weights = refit(features, gains, prior, counts)[0] if is_moved else prior
    foretold = held if is_moved else old
    truths = np.maximum(gains, 0.0)
    scores = np.zeros(rows)
    for fold in range(FOLDS):
        seen, kept = folds != fold, folds == fold
        intercept, slope = logistic(foretold[seen], truths[seen], counts[seen])
        scores[kept] = _sigmoid(intercept + slope * foretold[kept])
    intercept, slope = logistic(foretold, truths, counts)
    level = float(np.average(gains - features @ weights, weights=counts))  # Held folds had theirs added.

    def without(left_out: NDArray[np.bool_]) -> Floats:
        """Return how far the scores of all rows would move without some, for who moved the scorer."""
        left = ~left_out
        if left.sum() < 2 or float(gains[left].std()) < 1e-9:
            return np.zeros(rows)
        moved = refit(features[left], gains[left], prior, counts[left])[0] - prior
        return np.asarray(features @ moved, dtype=np.float64)

    return Learned(
        weights=weights, intercept=intercept + slope * level, slope=slope, is_moved=is_moved, rows=rows,
        before=_measured(old, gains, counts), after=_measured(foretold, gains, counts),
        calibration_error=calibration_error(scores, truths),
        tenants=shares_of(
            names, gains, counts, old=old, new=foretold,
            move=features @ (weights - prior), move_without=without,
        ),
    )  # fmt: skip


def _measured(scores: Floats, gains: Floats, counts: Floats) -> tuple[float, float, float]:
    low, high = interval(lambda rows: apgr(scores[rows], gains[rows], counts[rows]), len(gains))
    return apgr(scores, gains, counts), low, high


def refit(
    features: Floats, gains: Floats, prior: Floats, counts: Floats | None = None
) -> tuple[Floats, float]:
    """Return weights that foretell the gains, drawn towards the prior's, and the level to add.

    `counts` says for how many rows each one stands; default 1.
    """
    counts = np.ones(len(gains)) if counts is None else counts * (len(counts) / counts.sum())
    effective = float(
        len(gains) ** 2 / (counts**2).sum()
    )  # Kish (1965): rows of equal count that say as much.
    rest = gains - features @ prior
    level = float(np.average(rest, weights=counts))
    centre = np.average(features, axis=0, weights=counts)
    roots = np.sqrt(counts)
    left = (rest - level) * roots
    costs, moves = [0.5 * effective * np.log(np.mean(left**2))], [np.zeros_like(prior)]
    for free, subjects in _MIXES:
        scale = np.full(features.shape[1], subjects)
        scale[:NUMERIC] = free
        scale *= np.sqrt(_SPREAD)
        x = (features - centre) * scale * roots[:, None]
        found = _ridges(x, left, counts, effective)
        costs += [cost for cost, _ in found]
        moves += [move * scale for _, move in found]
    shares = np.exp(np.min(costs) - np.array(costs))
    move = (shares / shares.sum()) @ np.array(moves) * (effective / (effective + _HALFWAY))
    return prior + move, level - float(centre @ move)


def _ridges(x: Floats, y: Floats, counts: Floats, effective: float) -> list[tuple[float, Floats]]:
    """Return for each strength the cost by leave-one-out, in nats, and the weights."""
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    squares, along = singular**2, left.T @ y
    found = []
    for strength in _STRENGTHS:
        shrunk = squares / (squares + strength)
        residual = y - left @ (shrunk * along)
        leverage = (left**2) @ shrunk + counts / len(y)  # The level is fitted, too.
        alone = residual / np.maximum(1.0 - leverage, 1e-6)
        weights = right.T @ (singular / (squares + strength) * along)
        found.append((float(0.5 * effective * np.log(np.mean(alone**2))), weights))
    return found


def logistic(values: Floats, truths: Floats, counts: Floats | None = None) -> tuple[float, float]:
    """Return intercept and slope of the logistic curve from values to truths in [0, 1]; the slope is above 0.

    Platt (1999), by Newton's method, with his targets that are never quite 0 or 1. `counts` as in `refit`.
    """
    counts = np.ones(len(truths)) if counts is None else counts * (len(counts) / counts.sum())
    spread = float(values.std()) or 1.0
    x = np.column_stack([np.ones_like(values), (values - values.mean()) / spread])
    total = float((truths * counts).sum())
    high, low = (total + 1.0) / (total + 2.0), 1.0 / (len(truths) - total + 2.0)
    y = low + truths * (high - low)
    share = float(np.average(y, weights=counts))
    found = np.array([np.log(share / (1.0 - share)), 0.1])
    for _ in range(50):
        p = _sigmoid(x @ found)
        gradient = x.T @ (counts * (y - p)) - np.array([0.0, 1e-3]) * found
        curvature = (x * (counts * p * (1.0 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -2.0, 2.0)
        if float(abs(step).max()) < 1e-9:
            break
    slope = max(float(found[1]), 1e-3) / spread
    return float(found[0]) - slope * float(values.mean()), slope


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


def objections_to(learned: Learned) -> list[str]:
    """Return why a scorer should not be used."""
    said = []
    if learned.is_chance:
        said.append(f"on held outcomes it is no better than chance (APGR {interval_text(learned.after)})")
    for each in learned.tenants:
        if each.is_worse:
            low, high = each.difference
            said.append(
                f"for tenant {each.tenant or 'without a name'} it is worse than the scorer that was there"
                f" (APGR {each.after:.3f} in place of {each.before:.3f}, 95 %: {low:+.3f} to {high:+.3f})"
            )
    return said


def interval_text(value: tuple[float, float, float]) -> str:
    """Return a measure with its interval, for a person."""
    return f"{value[0]:.3f}, 95 %: {value[1]:.3f} to {value[2]:.3f}"


def measured(learned: Learned) -> dict[str, object]:
    """Return what was measured, for JSON and for the notes of a scorer's file."""
    return {
        "outcomes": learned.rows,
        "weights": "moved" if learned.is_moved else "kept",
        "apgr_before": [round(value, 4) for value in learned.before],
        "apgr_after": [round(value, 4) for value in learned.after],
        "calibration_error": round(learned.calibration_error, 4),
    }


def scorer_text(learned: Learned, base: Scorer) -> str:
    """Return the file of the scorer that was learned, which began as `base`."""
    return write_scorer(
        weights=tuple(learned.weights.tolist()), intercept=learned.intercept, slope=learned.slope,
        is_calibrated=True,
        notes={"made_by": "gateway learn", "base_sha256": base.sha256, **measured(learned)},
    )  # fmt: skip
