"""A cache of the spend of each account, for routing; an entry may be a second old."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, account_of, scope_of
from gateway.policy.model import Budget

FRESH_S = 1.0
"""Seconds for which an entry is used; reservations enforce the cap, this bounds how late rules see spend."""

MAX_RECENT = 1000
"""Subjects of budgets that are kept for operators."""


class SpendReader(Protocol):
    """What the cache needs of a ledger."""

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is charged or reserved on each account; raises LedgerUnavailable."""
        ...


class SpendCache:
    """Reads a ledger at most once a second for each account."""

    def __init__(self, ledger: SpendReader, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int | None]] = OrderedDict()
        """By account key: when it was read, and what was spent (None: unreadable); the oldest first."""
        self._recent: OrderedDict[tuple[str, str, str], OrderedDict[str, None]] = OrderedDict()
        """By budget, scope and whose it is: the subjects of recent calls; not the limit, which a reload may
        change. Labels are callers' claims, so one tenant may have any number of subjects."""
        self._recent_count = 0

    async def spent_and_limits(self, accounts: Sequence[Account]) -> tuple[tuple[int, int], ...]:
        """Return (spent and reserved, limit) of each account, in nano-dollars; a soft limit takes precedence.

        An account that cannot be read counts as fully spent.
        """
        now_s = self._clock.monotonic_s()
        self._remember(accounts)
        self._drop_old(now_s)
        known = {
            account.key: seen[1]
            for account in accounts
            if (seen := self._seen.get(account.key)) is not None and now_s - seen[0] < FRESH_S
        }
        missing = [account for account in accounts if account.key not in known]
        if missing:
            for account, spent in zip(missing, await self._read(missing), strict=True):
                known[account.key] = spent
                self._seen[account.key] = (now_s, spent)
                self._seen.move_to_end(account.key)
        return tuple(
            (limit if spent is None else spent, limit)
            for spent, limit in ((known[account.key], account.scored_limit_usd_nanos) for account in accounts)
        )

    async def recent(self, budgets: Sequence[Budget]) -> Sequence[tuple[Account, int]]:
        """Return the accounts of recent subjects in these budgets, and what is spent on each.

        For operators; read from the ledger, not from the cache. Raises LedgerUnavailable.
        """
        by_name, unix_s = {budget.name: budget for budget in budgets}, self._clock.unix_s()
        accounts = [
            account_of(budget, subject, unix_s=unix_s)
            for (name, scope, _), subjects in self._recent.items()
            if (budget := by_name.get(name)) is not None and scope_of(budget) == scope
            for subject in subjects
        ]
        if not accounts:
            return []
        return tuple(zip(accounts, await self._ledger.spent(accounts), strict=True))

    def _drop_old(self, now_s: float) -> None:
        """Drop expired entries, so that the time for a request does not grow with the number of tenants.

        The entry of a slow read is out of order, and stays until those before it are dropped.
        """
        while self._seen and now_s - self._seen[next(iter(self._seen))][0] >= FRESH_S:
            self._seen.popitem(last=False)

    def _remember(self, accounts: Sequence[Account]) -> None:
        """Keep the subjects of a call; beyond the most, whoever has most of them loses its oldest one."""
        for account in accounts:
            whose = (account.budget, account.scope, account.subject.partition("/")[0])
            subjects = self._recent.setdefault(whose, OrderedDict())
            self._recent.move_to_end(whose)
            self._recent_count += account.subject not in subjects
            subjects[account.subject] = None
            subjects.move_to_end(account.subject)
        while self._recent_count > MAX_RECENT:
            largest = max(self._recent, key=lambda each: len(self._recent[each]))
            self._recent[largest].popitem(last=False)
            self._recent_count -= 1
            if not self._recent[largest]:
                del self._recent[largest]

    async def _read(self, accounts: Sequence[Account]) -> Sequence[int | None]:
        try:
            return await self._ledger.spent(accounts)
        except LedgerUnavailable:
            return [None] * len(accounts)
