"""What routing and operators see of budgets: a view at most a second old, by the caps that hold now."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, accounts_for
from gateway.ledger.spend_cache import MAX_RECENT, SpendCache
from gateway.policy.model import Budget
from tests.support.fakes import FakeClock


class CountingReader:
    """A ledger that counts how often it is read, and can be down."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_down = False

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return 7 for each account."""
        self.reads += 1
        if self.is_down:
            raise LedgerUnavailable("ledger", "down")
        return [7] * len(accounts)


ACCOUNTS = (
    Account(key="a", budget="a", limit_usd_nanos=10, begins_at_unix_s=0.0, resets_at_unix_s=60.0),
    Account(key="b", budget="b", limit_usd_nanos=20, begins_at_unix_s=0.0, resets_at_unix_s=60.0),
)


async def test_view_reads_once_a_second() -> None:
    """The view reads each account at most once a second."""
    clock, reader = FakeClock(), CountingReader()
    view = SpendCache(reader, clock=clock)
    assert await view.spent_and_limits(ACCOUNTS[:1]) == ((7, 10),)
    assert await view.spent_and_limits(ACCOUNTS) == ((7, 10), (7, 20))
    assert await view.spent_and_limits(ACCOUNTS) == ((7, 10), (7, 20))
    assert reader.reads == 2
    clock.advance(1.0)
    await view.spent_and_limits(ACCOUNTS)
    assert reader.reads == 3


async def test_view_counts_against_the_soft_limit() -> None:
    """A soft limit is what the score counts against; what cannot be read counts as all of it."""
    clock, reader = FakeClock(), CountingReader()
    soft = Account(
        key="s",
        budget="s",
        limit_usd_nanos=10,
        soft_limit_usd_nanos=8,
        begins_at_unix_s=0,
        resets_at_unix_s=1,
    )
    view = SpendCache(reader, clock=clock)
    assert await view.spent_and_limits([soft]) == ((7, 8),)
    reader.is_down = True
    clock.advance(1.0)
    assert await view.spent_and_limits([soft]) == ((8, 8),)


async def test_view_without_store() -> None:
    """When the store cannot be read everything counts as spent, and it is not asked again at once."""
    clock, reader = FakeClock(), CountingReader()
    reader.is_down = True
    view = SpendCache(reader, clock=clock)
    assert await view.spent_and_limits(ACCOUNTS) == ((10, 10), (20, 20))
    assert await view.spent_and_limits(ACCOUNTS) == ((10, 10), (20, 20))
    assert reader.reads == 1
    reader.is_down = False
    clock.advance(1.0)
    assert await view.spent_and_limits(ACCOUNTS) == ((7, 10), (7, 20))


async def test_view_without_accounts() -> None:
    """Where no budget applies nothing is read."""
    reader = CountingReader()
    assert await SpendCache(reader, clock=FakeClock()).spent_and_limits(()) == ()
    assert reader.reads == 0


_BUDGETS = st.lists(
    st.builds(
        lambda name, per, limit, window: Budget(
            name=name,
            per=per,
            label="team" if per == "label" else None,
            limit_usd=Decimal(limit),
            window=window,
        ),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["tenant", "label", "model", "all"]),
        st.integers(1, 100),
        st.sampled_from(["minute", "day", "month"]),
    ),
    unique_by=lambda budget: budget.name,
    max_size=3,
)


@given(before=_BUDGETS, after=_BUDGETS)
async def test_operators_see_the_caps_that_hold_now(before: list[Budget], after: list[Budget]) -> None:
    """After a reload a subject that has called has the new caps, although it has not called again."""
    clock = FakeClock()
    view = SpendCache(CountingReader(), clock=clock)
    caller = {"tenant": "acme", "labels": {"team": "x"}, "model": "cloud"}
    await view.spent_and_limits(accounts_for(before, **caller, unix_s=clock.unix_s()))  # type: ignore[arg-type]

    shown = {account for account, _ in await view.recent(after)}

    stay = [each for each in after if (each.name, each.per) in {(old.name, old.per) for old in before}]
    assert shown == set(accounts_for(stay, **caller, unix_s=clock.unix_s()))  # type: ignore[arg-type]


async def test_one_tenants_labels_hide_no_other_from_the_operator() -> None:
    """Labels are claims: whoever makes up thousands keeps the last of them, and takes no other's place."""
    budgets = [
        Budget(name="team", per="label", label="team", limit_usd=Decimal(1), window="day"),
        Budget(name="all", per="tenant", limit_usd=Decimal(1), window="day"),
    ]
    clock = FakeClock()
    view = SpendCache(CountingReader(), clock=clock)
    for tenant, team in [("acme", "x"), *(("eve", f"made-up-{number}") for number in range(2 * MAX_RECENT))]:
        accounts = accounts_for(
            budgets, tenant=tenant, labels={"team": team}, model="cloud", unix_s=clock.unix_s()
        )
        await view.spent_and_limits(accounts)
    shown = {account.subject for account, _ in await view.recent(budgets)}
    assert len(shown) == MAX_RECENT
    assert {"acme", "acme/team=x", "eve", f"eve/team=made-up-{2 * MAX_RECENT - 1}"} <= shown


class CountedReadings(OrderedDict[str, tuple[float, int | None]]):
    """Counts the readings that somebody looks at without their key."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the keys."""
        for key in super().__iter__():
            self.looked_at += 1
            yield key


async def test_what_a_request_costs_does_not_grow_with_the_tenants() -> None:
    """Only readings that are too old are looked at, each of them once, and one that is not."""
    clock = FakeClock()
    view = SpendCache(CountingReader(), clock=clock)
    view._seen = readings = CountedReadings()
    for number in range(1024):
        clock.advance(1 / 128)
        await view.spent_and_limits([replace(ACCOUNTS[0], key=str(number))])
    assert len(view._seen) == 128, "the tenants of the last second"
    assert view._seen is readings
    assert readings.looked_at <= 1024 + (1024 - 128)


async def test_a_slow_read_is_not_taken_for_a_fresh_one() -> None:
    """What a read says holds from when it began, even if it came in behind younger readings."""
    clock, reader = FakeClock(), CountingReader()
    view = SpendCache(reader, clock=clock)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(accounts: Sequence[Account]) -> Sequence[int]:
        begun.set()
        await go_on.wait()
        return [1] * len(accounts)

    quick, reader.spent = reader.spent, slow  # type: ignore[method-assign]
    first = asyncio.create_task(view.spent_and_limits(ACCOUNTS[:1]))
    await begun.wait()
    reader.spent = quick  # type: ignore[method-assign]
    clock.advance(0.9)
    await view.spent_and_limits(ACCOUNTS[1:])
    go_on.set()
    assert await first == ((1, 10),)
    clock.advance(0.2)
    assert await view.spent_and_limits(ACCOUNTS[:1]) == ((7, 10),)
