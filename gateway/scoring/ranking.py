"""How well a score ranks prompts, and how well it is a probability."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def apgr(scores: Floats, gains: Floats) -> float:
    """Return the average performance gap recovered: 0.5 is a random router, more is better; NaN with no gap.

    RouteLLM's measure (arXiv 2406.18665, section 3), here on every cut of the ranking, ties averaged:
    `gains` are what the strong model's answer is better by.
    """
    total = gains.sum()
    if len(gains) == 0 or abs(total) < 1e-12:
        return float("nan")
    _, place, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    averaged = (np.bincount(place, weights=gains) / counts)[np.sort(place)]
    curve = np.concatenate([[0.0], np.cumsum(averaged)])
    return float((curve[1:] + curve[:-1]).sum() / (2 * len(gains) * total))


def calibration_error(scores: Floats, truths: Floats, *, bins: int = 10) -> float:
    """Return by how much scores and truths differ on average, in bins of equally many scores."""
    groups = np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)))
    return float(sum(abs(scores[g].mean() - truths[g].mean()) * len(g) for g in groups) / len(scores))


def interval(
    measure: Callable[[NDArray[np.intp]], float], rows: int, *, draws: int = 400, seed: int = 0
) -> tuple[float, float]:
    """Return the middle 95 % of a measure of rows drawn with replacement."""
    dice = np.random.default_rng(seed)
    values = [measure(dice.integers(0, rows, rows)) for _ in range(draws)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
