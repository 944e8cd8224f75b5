"""All stores against a model in plain Python: the same books after any history."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from gateway.dispatch.budget import Ledger
from gateway.errors import BudgetExhausted, LedgerUnavailable
from gateway.ledger.accounts import Account, Totals, accounts_for
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.open import open_ledger
from gateway.ledger.states import RETENTION_S
from gateway.policy.model import Budget
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.redis_server import RedisServer, running_redis

NOW_S = 4_000_000_000.0  # Redis forgets by the clock of the machine, so this lies ahead of it.
BUDGETS = tuple(
    Budget.model_validate({"name": name, "per": "all", "limit_usd": Decimal(limit) / 10**9, "window": window})
    for name, limit, window in (("narrow", 100, "minute"), ("wide", 150, "hour"))
)
LIFE_S = 60.0
SERVER: list[RedisServer] = []


@pytest.fixture(scope="module", autouse=True)
def _redis() -> Iterator[None]:
    """One Redis server for the histories of this file."""
    with running_redis() as server:
        SERVER.append(server)
        yield
        SERVER.clear()


def accounts_at(unix_s: float) -> Sequence[Account]:
    """The accounts of a moment: those of its minute and of its hour."""
    return accounts_for(BUDGETS, tenant="t", labels={}, model="m", unix_s=unix_s)


@dataclass
class Books:
    """What the books must say: one entry for each reservation, the sums made anew each time."""

    entries: dict[str, tuple[tuple[str, ...], str, int, float]] = field(default_factory=dict)
    costs: dict[str, int] = field(default_factory=dict)

    def taken(self, reservation_id: str) -> int:
        """What a reservation takes from its accounts."""
        _, state, amount, _ = self.entries[reservation_id]
        return {"released": 0, "settled": self.costs.get(reservation_id, 0)}.get(state, amount)

    def spent(self, key: str) -> int:
        """What is charged or reserved on an account."""
        return sum(self.taken(name) for name, (keys, *_) in self.entries.items() if key in keys)

    def total(self, *states: str) -> int:
        """What reservations in these states take."""
        return sum(self.taken(name) for name, (_, state, *_) in self.entries.items() if state in states)

    def move(self, reservation_id: str, state: str) -> None:
        """Put a reservation into a state."""
        keys, _, amount, expires_s = self.entries[reservation_id]
        self.entries[reservation_id] = (keys, state, amount, expires_s)

    def is_forgotten(self, reservation_id: str, now_s: float) -> bool:
        """Whether a store may have forgotten a reservation: its news come more than a day too late."""
        _, state, _, expires_s = self.entries[reservation_id]
        return state in ("released", "unknown") and expires_s + RETENTION_S < now_s

    def expire(self, now_s: float) -> None:
        """Held and past its deadline: given back; dialled: charged in full."""
        for name, (_, state, _, expires_s) in list(self.entries.items()):
            if expires_s < now_s and state in ("held", "dialled"):
                self.move(name, "released" if state == "held" else "unknown")


class StoreMachine(RuleBasedStateMachine):
    """Any history of reservations, in any order, with time passing."""

    held = Bundle("held")
    dialled = Bundle("dialled")

    def open(self) -> Ledger:
        """Return the store under test."""
        return MemoryLedger(clock=self.clock)

    @initialize()
    def begin(self) -> None:
        """Start with an empty ledger."""
        self.runner = asyncio.Runner()
        self.clock = FakeClock(unix_s=NOW_S)
        self.ledger = self.open()
        self.books = Books()
        self.count = 0
        self.seen: dict[str, Account] = {}

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "runner"):
            self.runner.run(self.ledger.aclose())
            self.runner.close()

    @rule(target=held, amount=st.integers(0, 60), places=st.sampled_from([(0,), (1,), (0, 1)]))
    def reserve(self, amount: int, places: tuple[int, ...]) -> str:
        """Succeed exactly if every account has room, else change nothing."""
        return self._take(amount, places, state="held")

    @rule(target=dialled, amount=st.integers(0, 60), places=st.sampled_from([(0,), (1,), (0, 1)]))
    def reserve_and_dial(self, amount: int, places: tuple[int, ...]) -> str:
        """Likewise in one step, after which the call may have left."""
        return self._take(amount, places, state="dialled")

    def _take(self, amount: int, places: tuple[int, ...], *, state: str) -> str:
        self.count += 1
        name = f"r{self.count}"
        now_s = self.clock.unix_s()
        accounts = [accounts_at(now_s)[place] for place in places]
        self.books.expire(now_s)
        full = [
            account
            for account in accounts
            if self.books.spent(account.key) + amount > account.limit_usd_nanos
        ]
        reserve = self.ledger.reserve if state == "held" else self.ledger.reserve_and_dial
        reserving = reserve(
            reservation_id=name,
            model="m",
            accounts=accounts,
            amount_usd_nanos=amount,
            expires_unix_s=now_s + LIFE_S,
        )
        if full:
            with pytest.raises(BudgetExhausted) as refused:
                self.runner.run(reserving)
            until_reset_s = max(account.resets_at_unix_s for account in full) - now_s
            assert refused.value.retry_after_s == pytest.approx(until_reset_s)
            assert refused.value.budget == full[-1].budget
            return ""
        self.runner.run(reserving)
        with pytest.raises(LookupError, match="exists"):
            self.runner.run(
                reserve(
                    reservation_id=name,
                    model="m",
                    accounts=accounts,
                    amount_usd_nanos=0,
                    expires_unix_s=now_s + LIFE_S,
                )
            )
        keys = tuple(account.key for account in accounts)
        self.books.entries[name] = (keys, state, amount, now_s + LIFE_S)
        return name

    @rule(target=dialled, name=consumes(held))
    def dial(self, name: str) -> str:
        """Succeed unless the reservation expired."""
        if not name or self.is_too_late(name):
            return ""
        if self.books.entries[name][1] == "released":
            with pytest.raises(LedgerUnavailable):
                self.runner.run(self.ledger.dial(name))
            return ""
        self.runner.run(self.ledger.dial(name))
        self.books.move(name, "dialled")
        return name

    @rule(name=consumes(held))
    def give_up(self, name: str) -> None:
        """Release what was never dialled."""
        if name and not self.is_too_late(name):
            self.runner.run(self.ledger.release(name))
            self.books.move(name, "released")

    @rule(name=held)
    def skip_the_dial(self, name: str) -> None:
        """Settle what was never dialled: a defect, which changes nothing."""
        if name and not self.is_too_late(name):
            with pytest.raises(LookupError):
                self.runner.run(self.ledger.settle(name, 1))

    @rule(name=consumes(dialled), cost=st.integers(0, 70))
    def settle(self, name: str, cost: int) -> None:
        """Charge the true cost, even above the reservation, even after it expired."""
        if name and not self.is_too_late(name):
            self.runner.run(self.ledger.settle(name, cost))
            self.books.costs[name] = cost
            self.books.move(name, "settled")
            with pytest.raises(LookupError):
                self.runner.run(self.ledger.settle(name, cost))

    @rule(name=consumes(dialled))
    def release(self, name: str) -> None:
        """Give back what the provider refused."""
        if name and not self.is_too_late(name):
            self.runner.run(self.ledger.release(name))
            self.books.move(name, "released")

    @rule(name=consumes(dialled))
    def charge_unknown(self, name: str) -> None:
        """Charge in full what nobody knows."""
        if name and not self.is_too_late(name):
            self.runner.run(self.ledger.charge_unknown(name))
            self.books.move(name, "unknown")

    def is_too_late(self, name: str) -> bool:
        """Whether a store may have forgotten it."""
        self.books.expire(self.clock.unix_s())
        return self.books.is_forgotten(name, self.clock.unix_s())

    @rule(seconds=st.sampled_from([1.0, LIFE_S / 2, LIFE_S + 1, 3600.0, 2 * RETENTION_S]))
    def pass_time(self, seconds: float) -> None:
        """Let reservations expire and windows roll: what is open stays in the window that it began in."""
        self.clock.advance(seconds)

    @invariant()
    def agree(self) -> None:
        """The store says what the books say."""
        if not hasattr(self, "runner"):
            return
        self.books.expire(self.clock.unix_s())
        self.seen |= {account.key: account for account in accounts_at(self.clock.unix_s())}
        # A store forgets an account a day after its window.
        accounts = [
            account
            for account in self.seen.values()
            if account.resets_at_unix_s + RETENTION_S >= self.clock.unix_s()
        ]
        spent = self.runner.run(self.ledger.spent(accounts))
        assert list(spent) == [self.books.spent(account.key) for account in accounts]
        assert self.runner.run(self.ledger.totals()) == Totals(
            settled_usd_nanos=self.books.total("settled"),
            unknown_usd_nanos=self.books.total("unknown"),
            held_usd_nanos=self.books.total("held", "dialled"),
        )


class SharedMachine(StoreMachine):
    """The same histories on a store that outlives its process."""

    def open(self) -> Ledger:
        """Return a ledger at the same place each time."""
        raise NotImplementedError

    def begin_crashes(self) -> list[Ledger]:
        """Return those that crashed, which only the test still holds."""
        if not hasattr(self, "crashed"):
            self.crashed: list[Ledger] = []
        return self.crashed

    @rule()
    def crash(self) -> None:
        """Lose the process without a word: nothing changes for the next one."""
        self.begin_crashes().append(self.ledger)
        self.ledger = self.open()

    @rule()
    def reopen(self) -> None:
        """Close and open the store: nothing changes."""
        self.runner.run(self.ledger.aclose())
        self.ledger = self.open()

    def teardown(self) -> None:
        """Close what crashed, too."""
        for ledger in self.begin_crashes():
            self.runner.run(ledger.aclose())
        super().teardown()


class SqliteMachine(SharedMachine):
    """On a file."""

    def open(self) -> Ledger:
        """Return a ledger in a new file."""
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory()
        return open_ledger(f"sqlite://{Path(self.folder.name) / 'ledger.db'}", clock=self.clock)

    def teardown(self) -> None:
        """Remove the file."""
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


class RedisMachine(SharedMachine):
    """On a server."""

    def open(self) -> Ledger:
        """Return a ledger on a server that is empty at first."""
        if not hasattr(self, "is_clean"):
            with redis.Redis.from_url(SERVER[0].url) as client:
                client.flushall()
            self.is_clean = True
        return open_ledger(SERVER[0].url, clock=self.clock)


TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=examples(20), stateful_step_count=25, deadline=None)
TestRedis = RedisMachine.TestCase
TestRedis.settings = settings(max_examples=examples(20), stateful_step_count=25, deadline=None)
