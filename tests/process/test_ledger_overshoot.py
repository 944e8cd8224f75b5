"""A cap holds whatever happens at once: many processes, much concurrency, kills at any moment."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.dispatch.budget import GRACE_S, Ledger
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import accounts_for
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.open import open_ledger
from tests.support.redis_server import running_redis
from tests.support.repository import ROOT
from tests.support.spender import BUDGET, CAP_USD_NANOS, PATIENCE_S, Bills, Rush, rush

PROCESSES = 4
REQUESTS = 1_000


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty ledger that processes share."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'ledger.db'}"
        return
    with running_redis() as server:
        yield server.url


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """A function that starts a spender in a process of its own; none of them outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, bills: Path, *, requests: int, seed: int, faults: bool) -> "subprocess.Popen[str]":
        arguments = (url, str(bills), str(requests), str(seed), "faults" if faults else "")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.spender", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process: "subprocess.Popen[str]") -> None:
    """Let a spender that is ready begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


async def charged(ledger: Ledger) -> int:
    """What the ledger has on the one account that everything counts against."""
    accounts = accounts_for([BUDGET], tenant="acme", labels={}, model="cloud", unix_s=SystemClock().unix_s())
    return (await ledger.spent(accounts))[0]


@pytest.mark.parametrize("faults", [False, True], ids=["answers", "faults"])
async def test_memory_never_overshoots(tmp_path: Path, faults: bool) -> None:
    """Of 1,000 requests at once in one process as many are served as a cap of 1 USD pays for."""
    ledger, bills = MemoryLedger(), Bills(tmp_path / "bill")
    outcome = await rush(ledger, bills, requests=REQUESTS, seed=1, faults=faults)
    await check(ledger, bills.total(), [outcome], faults=faults)


@pytest.mark.parametrize("faults", [False, True], ids=["answers", "faults"])
async def test_processes_never_overshoot(url: str, tmp_path: Path, spawn: Spawn, faults: bool) -> None:
    """1,000 requests at once from four processes never spend more than a cap of 1 USD."""
    spenders = [
        spawn(url, tmp_path / f"bill-{n}", requests=REQUESTS // PROCESSES, seed=n, faults=faults)
        for n in range(PROCESSES)
    ]
    for spender in spenders:
        go(spender)
    outcomes = [Rush.read(spender.communicate(timeout=300)[0]) for spender in spenders]
    bill = sum(Bills(tmp_path / f"bill-{n}").total() for n in range(PROCESSES))
    ledger = open_ledger(url)
    try:
        await check(ledger, bill, outcomes, faults=faults)
    finally:
        await ledger.aclose()


async def check(ledger: Ledger, bill: int, outcomes: list[Rush], *, faults: bool) -> None:
    """Compare the provider's bill with the books, which are closed: nothing is held any more."""
    totals = await ledger.totals()
    booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
    assert totals.held_usd_nanos == 0
    assert await charged(ledger) == booked
    assert bill <= booked <= CAP_USD_NANOS
    assert sum(outcome.answered + outcome.refused + outcome.failed for outcome in outcomes) == REQUESTS
    assert sum(outcome.refused for outcome in outcomes) > 0, "the cap was never met: the test shows nothing"
    assert sum(outcome.answered for outcome in outcomes) > 0
    if faults:
        assert totals.unknown_usd_nanos > 0
    else:
        assert (totals.unknown_usd_nanos, booked) == (0, bill)


async def test_kill_at_random_points(url: str, tmp_path: Path, spawn: Spawn) -> None:
    """Of four processes that spend at once three are killed, twice: not below the bill, not over the cap."""
    rng = random.Random(20)
    folder = tmp_path / "bills"
    folder.mkdir()
    for turn in range(2):
        spenders = [
            spawn(url, folder / f"{turn}-{n}", requests=250, seed=4 * turn + n, faults=True)
            for n in range(PROCESSES)
        ]
        for spender in spenders:
            go(spender)
        for victim in spenders[1:]:
            await asyncio.sleep(rng.uniform(0.0, 0.15))
            os.kill(victim.pid, signal.SIGKILL)
        survivor = Rush.read(spenders[0].communicate(timeout=300)[0])
        for victim in spenders[1:]:
            victim.communicate()
    assert survivor.refused > 0, "the cap was never met: the test shows nothing"
    bill = sum(Bills(path).total() for path in folder.iterdir())
    assert bill > 0, "killed before anything was billed: the test shows nothing"
    ledger = open_ledger(url)
    try:
        before = await charged(ledger)
        assert bill <= before <= CAP_USD_NANOS
    finally:
        await ledger.aclose()
    late = open_ledger(url, clock=LateClock())
    try:
        totals = await late.totals()
        booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
        assert totals.held_usd_nanos == 0, "what was abandoned is given back or charged in time"
        assert bill <= booked <= before
    finally:
        await late.aclose()


class LateClock(SystemClock):
    """Later on: every deadline of the killed has passed, and it is no wrong clock yet."""

    def unix_s(self) -> float:
        """Seconds since 1970, and what a spender may take."""
        return super().unix_s() + PATIENCE_S + GRACE_S + 5.0


async def test_redis_restart_keeps_the_books(tmp_path: Path) -> None:
    """A Redis that is killed and comes back has what it had confirmed, and meanwhile nothing is spent."""
    with running_redis() as server:
        ledger, bills = open_ledger(server.url), Bills(tmp_path / "bill")
        first = await rush(ledger, bills, requests=50, seed=1, faults=False)
        booked = await charged(ledger)
        server.kill()
        while_down = await rush(ledger, bills, requests=20, seed=2, faults=False)
        server.start()
        assert await charged(ledger) == booked == bills.total()
        after = await rush(ledger, bills, requests=50, seed=3, faults=False)
        await ledger.aclose()
    assert (first.answered, while_down.answered, after.answered) == (50, 0, 50)


async def test_redis_that_forgot_is_not_spent_from() -> None:
    """Books that Redis lost while a gateway runs are missed; only a restart begins anew, and says so."""
    with running_redis() as server, capture_logs() as logs:
        ledger = open_ledger(server.url)
        await charged(ledger)
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="removed or replaced"):
                await charged(ledger)
        await ledger.aclose()
        restarted = open_ledger(server.url)
        assert await charged(restarted) == 0
        await restarted.aclose()
    assert [entry["event"] for entry in logs] == ["ledger.begins", "ledger.gone", "ledger.begins"]
