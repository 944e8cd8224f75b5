"""Learns a complexity scorer from outcomes of traffic: a ridge regression towards the present scorer.

Each candidate is a ridge regression of the gain on the features, centred at the weights of the present
scorer. Candidates differ in strength, and in how far numeric and subject features may move. One
decomposition gives the leave-one-out error of each (closed form: Hastie et al., The Elements of Statistical
Learning, section 7.10). The result is the average of the candidates, weighted by that likelihood. The
present scorer is one of them, so it stays where the data show no difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import FEATURES, NUMERIC, Scorer
from gateway.complexity.scorer_file import write_scorer
from gateway.offline.outcome_groups import OutcomeGroups, grouped
from gateway.offline.ranking import apgr, calibration_error, interval
from gateway.offline.tenant_shares import TenantShare, counts_of, fold_of_each, shares_of
from gateway.policy.complexity import ConversationHead

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

FEWEST = 20
"""The fewest outcomes to learn from."""
FOLDS = 5
SEED = 20_261_125
_MIXES = ((1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (1.0, 2.0), (0.3, 1.0))
"""Pairs of scales of numeric and subject features: a larger scale lets the weights move further."""
_SPREAD = 10.0
_HALFWAY = 100 / FEATURES
"""Number of outcomes for each weight with which the weights move half of the fitted distance; damps small
samples."""
_STRENGTHS = np.geomspace(3000.0, 1.0, 9)
CHANCE = 0.5
"""The APGR of a random router."""


class TooFewOutcomes(ValueError):
    """There are too few outcomes, or they are all alike; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The learned scorer, and the quality of the old and the new one on held-out folds."""

    weights: Floats
    intercept: float
    slope: float
    is_moved: bool
    """False where held-out folds are worse with the new weights: only the calibration is new."""
    rows: int
    before: tuple[float, float, float]
    """APGR of the old scorer on held-out folds, with its interval."""
    after: tuple[float, float, float]
    calibration_error: float
    """Gap on held-out folds between the score and the share of prompts that the strong model answers
    better."""
    fold_of_row: Rows
    fold_weights: tuple[Floats, ...]
    """The weights by which the rows of a fold are predicted: they never saw them."""
    tenants: tuple[TenantShare, ...] = ()
    """Influence and result of each tenant; those with most outcomes first."""

    @property
    def is_chance(self) -> bool:
        """Return whether the new scorer is no better than a random router on held-out folds."""
        return not self.after[1] > CHANCE  # Also without a gap, when there is no interval.


def learn(
    features: Floats,
    gains: Floats,
    base: Scorer,
    *,
    tenants: Sequence[str] = (),
    groups: Sequence[int] = (),
) -> Learned:
    """Learn from rows of features and gains; a gain, from -1 to 1, is how much better the strong answer was.

    `tenants` names the tenant of each row; default: one for all. A tenant has the weight of the square root
    of its number of outcomes. Rows of one of `groups` share an outcome, and count as one together; default:
    each row has its own.
    """
    rows = len(gains)
    names, each = np.array(tenants or [""] * rows), grouped(groups or range(rows))
    _refuse_too_few(each.total, gains)
    counts, alone = each.spread(counts_of(names[each.first])), each.total / rows
    prior = np.array(base.weights)
    folds = fold_of_each(names[each.first], FOLDS, np.random.default_rng(SEED))[each.of_row]
    held, old, fitted = np.zeros(rows), np.zeros(rows), []
    for fold in range(FOLDS):
        seen, held_out = folds != fold, folds == fold
        moved, level = refit(features[seen], gains[seen], prior, counts[seen], alone=alone)
        fitted.append(moved)
        held[held_out] = features[held_out] @ moved + level
        rest = gains[seen] - features[seen] @ prior
        old[held_out] = features[held_out] @ prior + np.average(rest, weights=counts[seen])
    better = counts * ((gains - old) ** 2 - (gains - held) ** 2)
    is_moved = bool(
        better.mean() > -better.std() / np.sqrt(each.total)
    )  # Not worse by more than its standard error.
    weights = refit(features, gains, prior, counts, alone=alone)[0] if is_moved else prior
    predicted = held if is_moved else old
    truths = np.maximum(gains, 0.0)
    scores = _held_out_scores(predicted, truths, counts, folds)
    intercept, slope = logistic(predicted, truths, counts)
    level = float(
        np.average(gains - features @ weights, weights=counts)
    )  # Predictions on held-out folds include it.

    def without(left_out: NDArray[np.bool_]) -> Floats:
        """Return how far the scores of all rows move when some rows are left out."""
        left = ~left_out
        if left.sum() < 2 or float(gains[left].std()) < 1e-9:
            return np.zeros(rows)
        moved = refit(features[left], gains[left], prior, counts[left], alone=alone)[0] - prior
        return np.asarray(features @ moved, dtype=np.float64)

    return Learned(
        weights=weights, intercept=intercept + slope * level, slope=slope, is_moved=is_moved,
        rows=each.total,
        before=_measured(old, gains, counts, each), after=_measured(predicted, gains, counts, each),
        calibration_error=calibration_error(scores, truths), fold_of_row=folds,
        fold_weights=tuple(fitted) if is_moved else (prior,) * FOLDS,
        tenants=shares_of(
            names, gains, counts, old=old, new=predicted,
            move=features @ (weights - prior), move_without=without,
        ),
    )  # fmt: skip


def _refuse_too_few(total: int, gains: Floats) -> None:
    if total < FEWEST:
        raise TooFewOutcomes(f"{total} outcome{'' if total == 1 else 's'}; at least {FEWEST} are needed")
    if float(gains.std()) < 1e-9:
        raise TooFewOutcomes("all outcomes are alike, so nothing can be learned from them")


def _held_out_scores(predicted: Floats, truths: Floats, counts: Floats, folds: Rows) -> Floats:
    """Return the score of each row by a logistic curve that was fitted without its fold."""
    scores = np.zeros(len(truths))
    for fold in range(FOLDS):
        seen, held_out = folds != fold, folds == fold
        intercept, slope = logistic(predicted[seen], truths[seen], counts[seen])
        scores[held_out] = _sigmoid(intercept + slope * predicted[held_out])
    return scores


def _measured(
    scores: Floats, gains: Floats, counts: Floats, groups: OutcomeGroups
) -> tuple[float, float, float]:
    """Return the APGR with its interval over groups."""
    members = groups.members()

    def measure(drawn: Rows) -> float:
        rows = np.concatenate([members[group] for group in drawn])
        return apgr(scores[rows], gains[rows], counts[rows])

    return apgr(scores, gains, counts), *interval(measure, groups.total)


def refit(
    features: Floats, gains: Floats, prior: Floats, counts: Floats | None = None, *, alone: float = 1.0
) -> tuple[Floats, float]:
    """Return weights that predict the gains, shrunk towards the prior, and the level to add.

    `counts` is the weight of each row; default 1. `alone` is how many outcomes there are for each row, at
    most 1: rows that share one tell less than as many of their own.
    """
    counts = np.ones(len(gains)) if counts is None else counts * (len(counts) / counts.sum())
    effective = alone * float(len(gains) ** 2 / (counts**2).sum())  # Effective sample size (Kish 1965).
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
    move = (shares / shares.sum()) @ np.array(moves) * (effective / (effective + _HALFWAY * len(prior)))
    return prior + move, level - float(centre @ move)


def _ridges(x: Floats, y: Floats, counts: Floats, effective: float) -> list[tuple[float, Floats]]:
    """Return for each strength the leave-one-out cost, in nats, and the weights."""
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    squares, along = singular**2, left.T @ y
    found = []
    for strength in _STRENGTHS:
        shrunk = squares / (squares + strength)
        residual = y - left @ (shrunk * along)
        leverage = (left**2) @ shrunk + counts / len(y)  # The level is a fitted parameter.
        alone = residual / np.maximum(1.0 - leverage, 1e-6)
        weights = right.T @ (singular / (squares + strength) * along)
        found.append((float(0.5 * effective * np.log(np.mean(alone**2))), weights))
    return found


def logistic(values: Floats, truths: Floats, counts: Floats | None = None) -> tuple[float, float]:
    """Return intercept and slope of the logistic curve from values to truths in [0, 1]; the slope is above 0.

    Platt (1999), by Newton's method, with targets inside (0, 1). `counts` as in `refit`.
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
    """Return the reasons not to use a learned scorer."""
    objections = []
    if learned.is_chance:
        objections.append(
            f"on held-out outcomes it is no better than chance (APGR {interval_text(learned.after)})"
        )
    for each in learned.tenants:
        if each.is_worse:
            low, high = each.difference
            objections.append(
                f"for tenant {each.tenant or 'without a name'} it is worse than the old scorer"
                f" (APGR {each.after:.3f} instead of {each.before:.3f}, 95 %: {low:+.3f} to {high:+.3f})"
            )
    return objections


def interval_text(value: tuple[float, float, float]) -> str:
    """Return a measure with its interval as text."""
    return f"{value[0]:.3f}, 95 %: {value[1]:.3f} to {value[2]:.3f}"


def measured(learned: Learned) -> dict[str, object]:
    """Return the measurements, for JSON and for the notes of a scorer file."""
    return {
        "outcomes": learned.rows,
        "weights": "moved" if learned.is_moved else "kept",
        "apgr_before": [round(value, 4) for value in learned.before],
        "apgr_after": [round(value, 4) for value in learned.after],
        "calibration_error": round(learned.calibration_error, 4),
    }


def scorer_text(
    learned: Learned,
    base: Scorer,
    conversation: ConversationHead | None = None,
    notes: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Return the content of the file of a scorer that was learned from `base`, perhaps with a second head."""
    return write_scorer(
        weights=tuple(learned.weights.tolist()), intercept=learned.intercept, slope=learned.slope,
        is_calibrated=True,
        notes={"made_by": "gateway learn", "base_sha256": base.sha256, **measured(learned), **notes},
        conversation=conversation,
    )  # fmt: skip
