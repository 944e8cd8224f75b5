"""Cuts of traffic: each says what a threshold there would mean, held against counting one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.offline.thresholds import (
    SideOutcome,
    SideOutcomes,
    ThresholdOption,
    nearest,
    pick,
    threshold_options,
)

SCORES = st.sampled_from([0.0, 1e-7, 0.1, 0.25, 0.25000000000000006, 0.5, 0.9, 0.9999999, 1.0]) | st.floats(
    0.0, 1.0
)
FATE = st.builds(SideOutcome, is_cloud=st.booleans(), cost_usd_nanos=st.integers(0, 9))
TRAFFIC = st.lists(
    st.builds(SideOutcomes, complexity=SCORES, above=FATE, below=FATE), min_size=1, max_size=25
)


def is_above(score: float, operator: str, value: float) -> bool:
    """Say which side a score is on, as the condition does."""
    return {">=": score >= value, ">": score > value, "<": not score < value, "<=": not score <= value}[
        operator
    ]


@given(traffic=TRAFFIC, operator=st.sampled_from([">=", ">", "<", "<="]))
def test_every_cut_is_true_of_its_number(traffic: list[SideOutcomes], operator: str) -> None:
    """The written number parts the requests exactly so, for each operator, ties and neighbours included."""
    for option in threshold_options(traffic):
        value = float(option.number(operator))
        got = [each.above if is_above(each.complexity, operator, value) else each.below for each in traffic]
        assert sum(each.is_cloud for each in got) == option.cloud
        assert sum(each.cost_usd_nanos for each in got) == option.cost_usd_nanos


@given(traffic=TRAFFIC, value=st.floats(-0.5, 1.5))
def test_no_threshold_is_missing(traffic: list[SideOutcomes], value: float) -> None:
    """Whatever number is tried, there is an option that does the same."""
    got = [each.above if each.complexity >= value else each.below for each in traffic]
    seen = (sum(each.is_cloud for each in got), sum(each.cost_usd_nanos for each in got))
    assert seen in {(option.cloud, option.cost_usd_nanos) for option in threshold_options(traffic)}


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [
        (0.5, 0.7, "0.6"),
        (0.31, 0.33, "0.32"),
        (0.3141, 0.3249, "0.32"),
        (0.0, 1.0, "0.5"),
        (0.00001, 0.00003, "0.00002"),
        (None, 0.2, "0.0"),
        (0.2, None, "1.1"),
    ],
)
def test_a_number_has_as_few_digits_as_it_can(low: float | None, high: float | None, number: str) -> None:
    """The middle of two scores, or one that no score reaches."""
    assert ThresholdOption(low=low, high=high, cloud=0, cost_usd_nanos=0).number(">=") == number


CURVE = [
    ThresholdOption(low=None, high=0.2, cloud=10, cost_usd_nanos=100),
    ThresholdOption(low=0.2, high=0.4, cloud=6, cost_usd_nanos=50),
    ThresholdOption(low=0.4, high=0.6, cloud=4, cost_usd_nanos=40),
    ThresholdOption(low=0.6, high=None, cloud=1, cost_usd_nanos=10),
]


@pytest.mark.parametrize(
    ("cloud", "most", "picked", "bound_by"),
    [
        (6, None, 6, "share"),
        (7, None, 6, "share"),
        (5, None, 4, "share"),  # Both are as near: the cheaper one.
        (0, None, 1, "share"),
        (99, None, 10, "share"),
        (None, 49, 4, "spend"),
        (None, 50, 6, "spend"),
        (None, 1e9, 10, "spend"),
        (6, 49, 4, "spend"),
        (4, 49, 4, "share"),
        (10, 50, 6, "spend"),
        (1, 50, 1, "share"),
    ],
)
def test_the_smaller_target_binds(
    cloud: float | None, most: float | None, picked: int, bound_by: str
) -> None:
    """A share is met as nearly as it can be, a spend is not passed, and it is said which one decided."""
    found = pick(CURVE, cloud=cloud, most_usd_nanos=most)
    assert found is not None
    assert (found.option.cloud, found.bound_by) == (picked, bound_by)


def test_what_costs_too_much_anyway_has_no_cut() -> None:
    """With and without a share."""
    assert pick(CURVE, cloud=None, most_usd_nanos=9) is None
    assert pick(CURVE, cloud=10, most_usd_nanos=9) is None
    assert nearest(CURVE, 9).cloud == 10
