"""The share of the tightest budget that is gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.score import score_budget, score_plan


@pytest.mark.parametrize(
    ("budgets", "score", "why"),
    [
        ([], 0.0, "no budget applies"),
        ([(0, 100)], 0.0, "nothing is spent"),
        ([(25, 100)], 0.25, "a quarter is gone"),
        ([(10, 100), (90, 100), (50, 100)], 0.9, "the tightest counts"),
        ([(100, 100)], 1.0, "all is gone"),
        ([(170, 100)], 1.0, "an overshoot is clamped"),
        ([(0, 0)], 1.0, "a limit of nothing leaves nothing"),
        ([(0, 0), (1, 100)], 1.0, "a limit of nothing is the tightest"),
        ([(-5, 100)], 0.0, "a refund is clamped"),
        ([(5 * 10**9, 10**10)], 0.5, "five of ten dollars in nano-dollars"),
    ],
)
def test_score_is_the_share_of_the_tightest_budget(
    budgets: list[tuple[int, int]], score: float, why: str
) -> None:
    """The score is the largest share that is spent or reserved, clamped to [0, 1]."""
    assert score_budget(budgets) == score, why


@given(st.lists(st.tuples(st.integers(0, 10**18), st.integers(0, 10**18))), st.integers(0, 10**18))
def test_score_never_falls_when_more_is_spent(budgets: list[tuple[int, int]], more: int) -> None:
    """The score stays in [0, 1] and never falls when each budget has spent more."""
    before = score_budget(budgets)
    after = score_budget((spent + more, limit) for spent, limit in budgets)
    assert 0.0 <= before <= after <= 1.0


@pytest.mark.parametrize(
    ("budgets", "plan", "why"),
    [
        ([], 0.0, "no budget applies"),
        ([(25, 100, 0.25)], 0.0, "on plan"),
        ([(75, 100, 0.25)], 0.5, "ahead of the plan"),
        ([(25, 100, 0.75)], -0.5, "behind the plan"),
        ([(25, 100, 0.75), (50, 100, 0.25)], 0.25, "the one that is furthest ahead counts"),
        ([(0, 0, 0.25)], 0.75, "a limit of nothing is all gone"),
        ([(50, 100, 1.5)], -0.5, "a clock that is late does not pass the end of the window"),
    ],
)
def test_plan_is_spent_share_less_passed_share(
    budgets: list[tuple[int, int, float]], plan: float, why: str
) -> None:
    """The plan is to spend evenly over the window."""
    assert score_plan(budgets) == pytest.approx(plan), why
