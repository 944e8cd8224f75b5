"""Which budgets a request counts against: a pure step from the policy to the rows of a ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.errors import BudgetExhausted
from gateway.ledger.money import nanos_of_usd
from gateway.policy.model import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One budget of one subject in one window of time; what a reservation is made against."""

    key: str
    """Budget, subject and start of the window: the same in every process that shares a ledger."""
    budget: str
    """The budget's name in the policy."""
    limit_usd_nanos: int
    resets_at_unix_s: float
    """The end of the window, when the account begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a ledger holds over all accounts and windows, for operators."""

    settled_usd_nanos: int
    """Charged by the usage that models reported."""
    unknown_usd_nanos: int
    """Charged in full because nobody knows what was billed."""
    held_usd_nanos: int
    """Reserved by calls that are not over."""


def accounts_for(budgets: Sequence[Budget], *, tenant: str, model: str, unix_s: float) -> tuple[Account, ...]:
    """Return the accounts that a call of `tenant` to `model` counts against at `unix_s`."""
    subjects = {"tenant": tenant, "model": model, "all": "*"}
    accounts = []
    for budget in budgets:
        start, end = _window(budget.window, datetime.fromtimestamp(unix_s, UTC))
        accounts.append(
            Account(
                key=f"{budget.name}/{budget.per}:{subjects[budget.per]}/{budget.window}:{start:%Y-%m-%dT%H:%MZ}",
                budget=budget.name,
                limit_usd_nanos=nanos_of_usd(budget.limit_usd),
                resets_at_unix_s=end.timestamp(),
            )
        )
    return tuple(accounts)


def check_room(
    accounts: Sequence[Account],
    charged_usd_nanos: Sequence[int],
    *,
    model: str,
    amount_usd_nanos: int,
    unix_s: float,
) -> None:
    """Raise BudgetExhausted, with the seconds until the last of them resets, if any account lacks room."""
    full = [
        account
        for account, charged in zip(accounts, charged_usd_nanos, strict=True)
        if charged + amount_usd_nanos > account.limit_usd_nanos
    ]
    if full:
        last = max(full, key=lambda account: account.resets_at_unix_s)
        raise BudgetExhausted(
            model, budget=last.budget, retry_after_s=max(0.0, last.resets_at_unix_s - unix_s)
        )


def _window(kind: str, moment: datetime) -> tuple[datetime, datetime]:
    minute = moment.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    day = hour.replace(hour=0)
    month = day.replace(day=1)
    match kind:
        case "minute":
            return minute, minute + timedelta(minutes=1)
        case "hour":
            return hour, hour + timedelta(hours=1)
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(weeks=1)
        case "month":
            # Day 32 of any month lies in the next one.
            return month, (month + timedelta(days=31)).replace(day=1)
    raise ValueError(f"window {kind!r} is none of minute, hour, day, week, month")
