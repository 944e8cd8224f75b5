"""Measures how well a score ranks prompts, and how well it is calibrated."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def apgr(scores: Floats, gains: Floats, counts: Floats | None = None) -> float:
    """Return the average performance gap recovered: 0.5 for a random router, more is better; NaN with no gap.

    RouteLLM's measure (arXiv 2406.18665, section 3), here over every threshold of the ranking, ties averaged.
    `gains` is how much better the strong model's answer is; `counts` is the weight of each row.
    """
    counts = np.ones(len(gains)) if counts is None else counts
    total = (gains * counts).sum()
    if len(gains) == 0 or abs(total) < 1e-12:
        return float("nan")
    _, rank = np.unique(-scores, return_inverse=True)
    widths, heights = np.bincount(rank, weights=counts), np.bincount(rank, weights=gains * counts)
    ends = np.cumsum(heights)
    return float(((ends - heights / 2) * widths).sum() / (widths.sum() * total))


def calibration_error(scores: Floats, truths: Floats, *, bins: int = 10) -> float:
    """Return the mean gap between scores and truths, over bins of equal size."""
    groups = np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)))
    return float(sum(abs(scores[g].mean() - truths[g].mean()) * len(g) for g in groups) / len(scores))


def interval(
    measure: Callable[[NDArray[np.intp]], float], rows: int, *, draws: int = 400, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a measure of rows."""
    rng = np.random.default_rng(seed)
    values = [measure(rng.integers(0, rows, rows)) for _ in range(draws)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
