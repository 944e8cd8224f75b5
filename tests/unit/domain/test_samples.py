"""Estimates from samples, of which some were cut."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.samples import FEWEST, HALF_LIFE_S, QUANTILE, BoundedSample, Estimate, estimate

VALUES = st.lists(st.integers(1, 1000).map(float), min_size=5, max_size=80)
BOUNDS = st.lists(st.integers(1, 1000).map(float), max_size=40)


def known(values: list[float], bounds: list[float] | None = None) -> Estimate:
    """Return the estimate of new samples."""
    samples = [BoundedSample(value, False) for value in values] + [
        BoundedSample(value, True) for value in bounds or []
    ]
    found = estimate(samples)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("values", "bounds", "quantile", "why"),
    [
        ([10.0] * 5, [], 10.0, "what all have"),
        ([10.0] * 4 + [1024.0], [], 10.0, "one outlier is nobody's estimate"),
        ([10.0] * 4 + [1000.0, 1024.0], [], 1000.0, "two are"),
        ([10.0] * 39 + [1000.0], [], 10.0, "less than one in twenty"),
        ([10.0] * 30 + [1000.0] * 10, [], 1000.0, "more than one in twenty"),
        ([10.0] * 5, [1024.0], 10.0, "one that was cut late is an outlier, too"),
        ([100.0] * 5, [5.0] * 50, 100.0, "what was cut early says nothing of what is longer"),
        ([], [5.0] * 10, 5.0, "of nothing but cut ones no more is known than what they had"),
        ([10.0] * 20, [20.0] * 10, 20.0, "a third is longer, by how much nobody knows"),
    ],
)
def test_quantile(values: list[float], bounds: list[float], quantile: float, why: str) -> None:
    """The estimate holds for all but one in twenty, and no single sample makes it."""
    assert known(values, bounds).quantile() == quantile, why


@given(values=VALUES)
def test_without_bounds_it_is_the_quantile_of_the_values(values: list[float]) -> None:
    """With none that was cut it is the value of that rank, at most the largest but one."""
    ordered = sorted(values)
    expected = min(ordered[math.ceil(QUANTILE * len(values)) - 1], ordered[-2])
    assert known(values).quantile() == expected
    mean = sum(min(value, ordered[-2]) for value in values) / len(values)
    assert known(values).mean(at_most=math.inf) == pytest.approx(mean)


@given(values=VALUES, bounds=BOUNDS, outlier=st.floats(1e4, 1e300), is_bound=st.booleans())
def test_one_more_outlier_does_not_own_the_estimate(
    values: list[float], bounds: list[float], outlier: float, is_bound: bool
) -> None:
    """However large one sample is, the estimate stays among the others."""
    extra = [outlier]
    found = known(values, bounds + extra) if is_bound else known(values + extra, bounds)
    assert found.quantile() <= max(values + bounds)


@given(values=VALUES, bounds=BOUNDS)
def test_shares_are_a_distribution(values: list[float], bounds: list[float]) -> None:
    """Probabilities are positive, and sum up to one."""
    shares = known(values, bounds).shares
    assert all(share >= 0.0 for _, share in shares)
    assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert [value for value, _ in shares] == sorted(value for value, _ in shares)


@given(values=VALUES, cut=st.integers(1, 1000).map(float))
def test_cutting_answers_makes_nothing_shorter(values: list[float], cut: float) -> None:
    """Where answers longer than a bound are cut there, the estimate is the same, up to the bound."""
    short = [value for value in values if value <= cut]
    whole, seen = known(values).quantile(), known(short, [cut] * (len(values) - len(short))).quantile()
    assert seen == (whole if whole <= cut else cut)


def test_too_few_and_too_old_say_nothing() -> None:
    """There is no estimate of a few samples, nor of many that are old."""
    assert estimate([]) is None
    assert estimate([BoundedSample(1.0, False)] * (int(FEWEST) - 1)) is None
    assert estimate([BoundedSample(1.0, False, 4 * HALF_LIFE_S)] * 64) is None
    assert estimate([BoundedSample(1.0, False, 2 * HALF_LIFE_S)] * 64) is not None


def test_what_is_old_gives_way() -> None:
    """A bad spell is outweighed by what is new, long before there are as many new samples."""
    old = [BoundedSample(1000.0, False, 4 * HALF_LIFE_S)] * 40
    found = estimate([*old, *([BoundedSample(10.0, False)] * 24)])
    assert found is not None
    assert found.mean(at_most=math.inf) < 120.0


def test_the_mean_of_what_is_left() -> None:
    """Of values above a bound, each cut at the limit; what passed all others is taken to double."""
    found = known([10.0, 20.0, 30.0, 40.0, 40.0])
    assert found.mean(at_most=math.inf, above=20.0) == pytest.approx(110 / 3)
    assert found.mean(at_most=35.0, above=20.0) == pytest.approx(100 / 3)
    assert found.mean(at_most=1000.0, above=40.0) == 80.0
    assert found.mean(at_most=50.0, above=40.0) == 50.0
