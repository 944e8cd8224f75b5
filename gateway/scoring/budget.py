"""How much of the tightest budget is gone, as the number that rules see as `budget`."""

from collections.abc import Iterable


def score_budget(spent_and_limits: Iterable[tuple[int, int]]) -> float:
    """Return the largest share that is spent or reserved, in [0, 1], of budgets in nano-dollars.

    Each pair is (spent and reserved, limit) of one budget that applies. A limit of 0 leaves nothing (1.0);
    where no budget applies nothing is gone (0.0).
    """
    return max((_share(spent, limit) for spent, limit in spent_and_limits), default=0.0)


def _share(spent_usd_nanos: int, limit_usd_nanos: int) -> float:
    if limit_usd_nanos <= 0 or spent_usd_nanos >= limit_usd_nanos:
        return 1.0
    return max(0.0, spent_usd_nanos / limit_usd_nanos)
