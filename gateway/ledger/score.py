"""The scores `budget` and `budget.plan`: the spent share of the tightest budget, and how far it is ahead."""

from collections.abc import Iterable, Sequence

from gateway.ledger.accounts import Account


def score_accounts(
    accounts: Sequence[Account], spent_and_limits: Sequence[tuple[int, int]], *, unix_s: float
) -> tuple[float, float]:
    """Return `budget` and `budget.plan` at `unix_s`, by what is gone of each account."""
    plan = score_plan(
        (*each, account.passed(unix_s)) for each, account in zip(spent_and_limits, accounts, strict=True)
    )
    return score_budget(spent_and_limits), plan


def score_budget(spent_and_limits: Iterable[tuple[int, int]]) -> float:
    """Return the largest share that is spent or reserved, in [0, 1], of budgets in nano-dollars.

    Each pair is (spent and reserved, limit) of one budget that applies. A limit of 0 counts as spent (1.0);
    without a budget the score is 0.0.
    """
    return max((_share(spent, limit) for spent, limit in spent_and_limits), default=0.0)


def score_plan(spent_limits_and_passed: Iterable[tuple[int, int, float]]) -> float:
    """Return how far spend is ahead of even spending, in [-1, 1], for the budget that is furthest ahead.

    Each triple is (spent and reserved, limit) in nano-dollars and the share of the window that has passed.
    Above 0 the budget would be exhausted before its window ends, below 0 some would be left. Without a
    budget the score is 0.0.
    """
    return max(
        (
            _share(spent, limit) - min(1.0, max(0.0, passed))
            for spent, limit, passed in spent_limits_and_passed
        ),
        default=0.0,
    )


def _share(spent_usd_nanos: int, limit_usd_nanos: int) -> float:
    if limit_usd_nanos <= 0 or spent_usd_nanos >= limit_usd_nanos:
        return 1.0
    return max(0.0, spent_usd_nanos / limit_usd_nanos)
