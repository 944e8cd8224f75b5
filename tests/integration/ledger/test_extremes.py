"""Amounts that no store can hold and clocks that are wrong: they harm one call, and nobody's books."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.dispatch.budget import Ledger
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, accounts_for
from gateway.ledger.clock_guard import ACCEPTED_AFTER_S, TOLERATED_S
from gateway.ledger.open import open_ledger
from gateway.ledger.redis import RedisLedger
from gateway.ledger.states import LARGEST_USD_NANOS
from gateway.policy.model import Budget
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.redis_server import running_redis

NOW_S = 4_000_000_000.0  # Redis forgets by the clock of the machine, so this lies ahead of it.
DAY_S = 86_400.0
LIMIT = 10**15
ACCOUNT = Account(
    key="a", budget="a", limit_usd_nanos=LIMIT, begins_at_unix_s=NOW_S, resets_at_unix_s=NOW_S + DAY_S
)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Each store, empty."""
    if request.param == "redis":
        with running_redis() as server:
            yield server.url
    else:
        yield "memory:" if request.param == "memory" else f"sqlite://{tmp_path / 'ledger.db'}"


async def reserve(ledger: Ledger, name: str, amount: int, *accounts: Account, now_s: float = NOW_S) -> None:
    """Reserve and dial."""
    await ledger.reserve(
        reservation_id=name,
        model="m",
        accounts=accounts or [ACCOUNT],
        amount_usd_nanos=amount,
        expires_unix_s=now_s + 600,
    )
    await ledger.dial(name)


absurd = st.one_of(
    st.integers(LARGEST_USD_NANOS + 1, 2**53 + 9),
    st.integers(2**62, 2**64),
    st.integers(10**20, 10**400),
    st.integers(-(2**70), -1),
)


@settings(
    max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cost=absurd)
async def test_an_absurd_amount_fails_its_own_call_only(url: str, cost: int) -> None:
    """Calls of others at the same moment are booked to the last digit; the one stays charged in full."""
    ledger = open_ledger(url, clock=FakeClock(unix_s=NOW_S))
    account = replace(ACCOUNT, key=f"a{cost % 10**9}")
    before, (already,) = await ledger.totals(), await ledger.spent([account])
    names = [f"{cost}-{n}" for n in range(6)]
    for name in names:
        await reserve(ledger, name, 1000, account)
    results = await asyncio.gather(
        ledger.settle(names[0], 7),
        ledger.settle(names[1], cost),
        reserve(ledger, f"{cost}-r", cost, account),
        *(ledger.settle(name, 7) for name in names[2:]),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [
        type(None),
        LedgerUnavailable,
        LedgerUnavailable,
        *[type(None)] * 4,
    ]
    assert await ledger.spent([account]) == [already + 5 * 7 + 1000]
    totals = await ledger.totals()
    assert totals.settled_usd_nanos - before.settled_usd_nanos == 35
    assert totals.held_usd_nanos - before.held_usd_nanos == 1000
    await ledger.charge_unknown(names[1])
    await ledger.aclose()


async def test_a_sum_beyond_64_bits_stops_no_script_half_way() -> None:
    """Redis undoes nothing: what would overflow is refused before the first write."""
    with running_redis() as server:
        ledger = open_ledger(server.url, clock=FakeClock(unix_s=NOW_S))
        assert isinstance(ledger, RedisLedger)
        await reserve(ledger, "r", 1000)
        client = ledger._redis  # Books that only an attacker, or years of the largest calls, could make.
        await client.hset("{gateway}:total", "settled", str(2**63 - 5))
        with pytest.raises(LedgerUnavailable, match="larger than the ledger can hold"):
            await ledger.settle("r", 100)
        assert await ledger.spent([ACCOUNT]) == [1000]
        assert (await ledger.totals()).held_usd_nanos == 1000
        await ledger.release("r")
        assert await ledger.spent([ACCOUNT]) == [0]
        await ledger.aclose()


WINDOWS = [
    Budget.model_validate({"name": window, "per": "all", "limit_usd": 1000, "window": window})
    for window in ("day", "week", "month")
]


@pytest.mark.parametrize("days", [2, 3, -2])
async def test_a_clock_that_is_days_off_deletes_no_budget_that_runs(url: str, days: int) -> None:
    """A gateway that begins with a wrong clock reads, reserves and settles; the books of today stay."""
    if url == "memory:":
        pytest.skip("one process, one clock")
    right, wrong = FakeClock(unix_s=NOW_S), FakeClock(unix_s=NOW_S + days * DAY_S)
    mine, theirs = open_ledger(url, clock=right), open_ledger(url, clock=wrong)
    accounts = accounts_for(WINDOWS, tenant="t", labels={}, model="m", unix_s=right.unix_s())
    await reserve(mine, "spent", 500, *accounts)
    await mine.settle("spent", 500)
    await theirs.spent(accounts)
    await theirs.totals()
    assert await mine.spent(accounts) == [500, 500, 500]
    then = accounts_for(WINDOWS, tenant="t", labels={}, model="m", unix_s=wrong.unix_s())
    await reserve(theirs, "later", 1, *then, now_s=wrong.unix_s())
    assert min(await mine.spent(accounts)) >= 500
    await mine.aclose()
    await theirs.aclose()


@pytest.mark.parametrize("jump_s", [2 * DAY_S, -2 * DAY_S, TOLERATED_S + 1])
async def test_a_jump_of_the_clock_is_logged_and_refused(url: str, jump_s: float) -> None:
    """Nothing is reserved by a clock that jumped, until it is right again or has stayed there for long."""
    clock = FakeClock(unix_s=NOW_S)
    ledger = open_ledger(url, clock=clock)
    await reserve(ledger, "before", 1)
    with capture_logs() as logs:
        clock.unix_offset_s += jump_s
        for name in ("a", "b"):
            with pytest.raises(LedgerUnavailable, match="clock of this machine jumped"):
                await reserve(ledger, name, 1, now_s=clock.unix_s())
        clock.unix_offset_s -= jump_s
        await reserve(ledger, "right", 1)
        clock.unix_offset_s += jump_s
        with pytest.raises(LedgerUnavailable):
            await reserve(ledger, "c", 1, now_s=clock.unix_s())
        clock.advance(ACCEPTED_AFTER_S)
        account = replace(ACCOUNT, key="z", resets_at_unix_s=clock.unix_s() + DAY_S)
        await reserve(ledger, "believed", 1, account, now_s=clock.unix_s())
    assert [entry["event"] for entry in logs if entry["event"].startswith("ledger.clock")] == [
        "ledger.clock_jumped", "ledger.clock_right", "ledger.clock_jumped", "ledger.clock_believed",
    ]  # fmt: skip
    await ledger.aclose()


async def test_a_clock_that_drifts_is_believed(url: str) -> None:
    """A time server slews a clock by less than a thousandth; over weeks that is more than a jump."""
    clock = FakeClock(unix_s=NOW_S)
    ledger = open_ledger(url, clock=clock)
    for n in range(40):
        clock.advance(3600.0)
        clock.unix_offset_s += 30.0
        account = replace(ACCOUNT, key=f"d{n}", resets_at_unix_s=clock.unix_s() + DAY_S)
        await reserve(ledger, f"d{n}", 1, account, now_s=clock.unix_s())
    await ledger.aclose()


class ShiftedClock(SystemClock):
    """The clock of a machine that is set wrong."""

    shift_s = 0.0

    def unix_s(self) -> float:
        """Seconds since 1970, by a wrong clock."""
        return super().unix_s() + self.shift_s


async def test_a_host_whose_clock_is_not_that_of_redis_reserves_nothing() -> None:
    """It ends nobody's reservation either; set right, it goes on."""
    with running_redis() as server:
        right, wrong = open_ledger(server.url), ShiftedClock()
        now_s = wrong.unix_s()
        wrong.shift_s = 2 * DAY_S
        theirs = open_ledger(server.url, clock=wrong)
        account = replace(ACCOUNT, begins_at_unix_s=now_s, resets_at_unix_s=now_s + DAY_S)
        await reserve(right, "mine", 500, account, now_s=now_s)
        with capture_logs() as logs:
            for name in ("x", "y"):
                with pytest.raises(LedgerUnavailable, match="of this machine and of Redis differ"):
                    await reserve(theirs, name, 1, account, now_s=now_s)
        assert [(e["event"], e["ahead_s"]) for e in logs if e["event"] == "ledger.clock_skewed"] == [
            ("ledger.clock_skewed", pytest.approx(2 * DAY_S, abs=60))
        ]
        assert await theirs.spent([account]) == [500]
        await right.settle("mine", 400)
        assert await right.spent([account]) == [400]
        await right.aclose()
        await theirs.aclose()
