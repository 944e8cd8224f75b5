"""The accounts of the ledger that a request counts against, from the budgets of the policy; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypedDict
from zoneinfo import ZoneInfo

from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request
from gateway.errors import BudgetExhausted
from gateway.ledger.money import nanos_of_usd
from gateway.ledger.states import RETENTION_S
from gateway.policy.model import Budget, Policy

RETENTION_WINDOWS = 7
"""For how many window lengths an account is kept after its window; at least RETENTION_S."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One budget of one subject in one window of time; a reservation names one or more."""

    key: str
    """Budget, subject and start of the window: the same in every process that shares a ledger."""
    budget: str
    """The budget's name in the policy."""
    limit_usd_nanos: int
    begins_at_unix_s: float
    """The start of the window."""
    resets_at_unix_s: float
    """The end of the window; the next window is another account."""
    scope: str = ""
    """The kind of its subject; see `scope_of`."""
    subject: str = ""
    """The subject, for operators: a tenant, TENANT/KEY, TENANT/LABEL=VALUE, a model, or `*`."""
    soft_limit_usd_nanos: int | None = None
    """The limit that routing uses, if the policy sets one; it refuses no reservation."""

    @property
    def forget_at_unix_s(self) -> float:
        """When it may be deleted: long after its window, because a clock may be wrong by days."""
        window_s = self.resets_at_unix_s - self.begins_at_unix_s
        return self.resets_at_unix_s + max(RETENTION_S, RETENTION_WINDOWS * window_s)

    @property
    def scored_limit_usd_nanos(self) -> int:
        """What routing takes for the limit."""
        soft = self.soft_limit_usd_nanos
        return self.limit_usd_nanos if soft is None else soft

    def passed(self, unix_s: float) -> float:
        """Return the share of the window that has passed at `unix_s`."""
        return (unix_s - self.begins_at_unix_s) / (self.resets_at_unix_s - self.begins_at_unix_s)


class Reservation(TypedDict):
    """What a store is told of a call that may cost as much as the amount."""

    reservation_id: str
    model: str
    accounts: Sequence[Account]
    amount_usd_nanos: int
    expires_unix_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a ledger holds over all accounts and windows, for operators."""

    settled_usd_nanos: int
    """Charged by reported usage."""
    unknown_usd_nanos: int
    """Charged in full, because the bill is unknown."""
    held_usd_nanos: int
    """Reserved by calls in flight."""


def accounts_of(policy: Policy, request: Request, *, unix_s: float) -> tuple[Account, ...]:
    """Return the accounts that a request may count against, whichever priced model answers it."""
    found = {
        account.key: account
        for name, spec in policy.models.items()
        if spec.token_price is not None
        for account in accounts_for(
            policy.budgets,
            tenant=request.tenant,
            key_name=request.key_name,
            labels=request.labels,
            model=name,
            unix_s=unix_s,
        )
    }
    return tuple(found.values())


def accounts_for(
    budgets: Sequence[Budget],
    *,
    tenant: str,
    key_name: str = "",
    labels: Mapping[str, str],
    model: str,
    unix_s: float,
) -> tuple[Account, ...]:
    """Return the accounts that a call of `tenant`, with `labels`, to `model` counts against at `unix_s`.

    A label is a claim of the caller, so a budget per label applies inside the tenant only. Calls without the
    label share one account, so that omitting it does not avoid the cap. A budget per key likewise, unless it
    is for the keys of one name.
    """
    subjects = {"tenant": tenant, "key": f"{tenant}/{key_name}", "model": model, "all": "*"}
    return tuple(
        account_of(
            budget,
            subjects.get(budget.per) or f"{tenant}/{budget.label}={labels.get(budget.label or '', '')}",
            unix_s=unix_s,
        )
        for budget in budgets
        if budget.key in (None, key_name)
    )


def account_of(budget: Budget, subject: str, *, unix_s: float) -> Account:
    """Return the account of one subject of a budget at `unix_s`."""
    begins_s, ends_s, begins = _window_in_minute(budget.window, budget.time_zone, int(unix_s // 60))
    soft = budget.soft_limit_usd
    return Account(
        key=f"{budget.name}/{budget.per}:{subject}/{budget.window}:{begins}",
        budget=budget.name,
        scope=scope_of(budget),
        subject=subject,
        limit_usd_nanos=nanos_of_usd(budget.limit_usd),
        soft_limit_usd_nanos=None if soft is None else nanos_of_usd(soft),
        begins_at_unix_s=begins_s,
        resets_at_unix_s=ends_s,
    )


def scope_of(budget: Budget) -> str:
    """Return the kind of subject that has its own cap in a budget."""
    return f"{budget.per}:{budget.key or budget.label or ''}"


def check_limits(
    accounts: Sequence[Account],
    charged_usd_nanos: Sequence[int],
    *,
    model: str,
    amount_usd_nanos: int,
    unix_s: float,
) -> None:
    """Raise BudgetExhausted if any account lacks room for the amount."""
    full = [
        account
        for account, charged in zip(accounts, charged_usd_nanos, strict=True)
        if charged + amount_usd_nanos > account.limit_usd_nanos
    ]
    if full:
        raise exhausted_error(full, model=model, unix_s=unix_s)


def exhausted_error(full: Sequence[Account], *, model: str, unix_s: float) -> BudgetExhausted:
    """Return the error for exhausted accounts; it names the one whose window ends last."""
    last = max(full, key=lambda account: account.resets_at_unix_s)
    return BudgetExhausted(model, budget=last.budget, retry_after_s=max(0.0, last.resets_at_unix_s - unix_s))


@lru_cache(maxsize=256)
def _window_in_minute(kind: str, time_zone: str, minute: int) -> tuple[float, float, str]:
    """Return the window around a minute since 1970, and its start as text for keys.

    All windows and changes of clocks begin at a full minute, so one result holds for the whole minute.
    """
    begins_s, ends_s = _window(kind, datetime.fromtimestamp(minute * 60, ZoneInfo(time_zone)))
    return begins_s, ends_s, f"{datetime.fromtimestamp(begins_s, UTC):%Y-%m-%dT%H:%MZ}"


def _window(kind: str, moment: datetime) -> tuple[float, float]:
    """Return start and end, in seconds since 1970, of the window around a moment in its time zone.

    Minutes and hours have a fixed length. Days and longer windows go from midnight to midnight, so a change
    of clocks makes one shorter or longer. A midnight that such a change skips is the moment of the change.
    """
    second_s = moment.timestamp() - moment.second - moment.microsecond / 1e6
    if kind == "minute":
        return second_s, second_s + 60
    if kind == "hour":
        return second_s - moment.minute * 60, second_s - moment.minute * 60 + 3600
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    first, days = {
        "day": (midnight, 1),
        "week": (midnight - timedelta(days=midnight.weekday()), 7),
        # Day 32 of any month lies in the next one.
        "month": (midnight.replace(day=1), 31),
    }[kind]
    after = first + timedelta(days=days)
    return first.timestamp(), (after.replace(day=1) if kind == "month" else after).timestamp()
