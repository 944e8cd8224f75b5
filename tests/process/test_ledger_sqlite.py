"""The file: durable before dial, whole after kill -9, shared by processes, refused when it is no ledger."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.dispatch.budget import Ledger
from gateway.errors import BudgetExhausted, LedgerUnavailable, StartupError
from gateway.ledger.accounts import Account, Totals
from gateway.ledger.open import default_ledger_url, make_default_folder, open_ledger
from tests.support.fakes import FakeClock
from tests.support.repository import ROOT

NOW_S = 1_800_000_000.0
LIMIT = 1_000
ACCOUNT = Account(
    key="daily",
    budget="daily",
    limit_usd_nanos=LIMIT,
    begins_at_unix_s=NOW_S,
    resets_at_unix_s=NOW_S + 1_000.0,
)

OWNER = """
import asyncio, sys, time
from gateway.telemetry.logs import configure_logs
from gateway.ledger.accounts import Account
from gateway.ledger.open import open_ledger
from tests.process.test_ledger_sqlite import ACCOUNT, NOW_S
from tests.support.fakes import FakeClock

async def main():
    configure_logs()
    ledger = open_ledger(sys.argv[1], clock=FakeClock(unix_s=NOW_S))
    for name in ("held", "dialled"):
        await ledger.reserve(reservation_id=name, model="m", accounts=[ACCOUNT], amount_usd_nanos=100,
                             expires_unix_s=NOW_S + 10)
    await ledger.dial("dialled")
    print("ready", flush=True)
    time.sleep(60)

asyncio.run(main())
"""

SPENDER = """
import asyncio, sys
from gateway.telemetry.logs import configure_logs
from gateway.errors import BudgetExhausted
from gateway.ledger.open import open_ledger
from tests.process.test_ledger_sqlite import ACCOUNT, NOW_S
from tests.support.fakes import FakeClock

async def spend(ledger, name):
    try:
        await ledger.reserve(reservation_id=name, model="m", accounts=[ACCOUNT], amount_usd_nanos=30,
                             expires_unix_s=NOW_S + 10)
    except BudgetExhausted:
        return 0
    await ledger.dial(name)
    await ledger.settle(name, 30)
    return 30

async def main():
    configure_logs()
    ledger = open_ledger(sys.argv[1], clock=FakeClock(unix_s=NOW_S))
    print("ready", flush=True)
    sys.stdin.readline()
    spent = await asyncio.gather(*(spend(ledger, f"{sys.argv[2]}-{n}") for n in range(40)))
    print(sum(spent), flush=True)
    await ledger.aclose()

asyncio.run(main())
"""


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    """Run a script in a process of its own and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a ledger that is not there yet."""
    return f"sqlite://{tmp_path / 'ledger.db'}"


async def test_killed_owner(url: str) -> None:
    """After kill -9 what was dialled stays charged in full, and what was only held is given back in time."""
    owner = start(OWNER, url)
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    clock = FakeClock(unix_s=NOW_S + 1)
    ledger = open_ledger(url, clock=clock)
    assert await ledger.spent([ACCOUNT]) == [200]
    clock.advance(10)
    assert await ledger.spent([ACCOUNT]) == [100]
    assert await ledger.totals() == Totals(settled_usd_nanos=0, unknown_usd_nanos=100, held_usd_nanos=0)
    await ledger.aclose()


async def test_two_processes_never_overshoot(url: str) -> None:
    """Two processes with many requests at once spend exactly what fits under the cap."""
    spenders = [start(SPENDER, url, name) for name in "ab"]
    for spender in spenders:
        assert spender.stdin is not None
        spender.stdin.write("go\n")
        spender.stdin.flush()
    spent = sum(int(spender.communicate(timeout=30)[0]) for spender in spenders)
    ledger = open_ledger(url, clock=FakeClock(unix_s=NOW_S))
    assert spent == LIMIT // 30 * 30
    assert await ledger.spent([ACCOUNT]) == [spent]
    await ledger.aclose()


@pytest.mark.parametrize("open_url", ["memory:", None], ids=["memory", "sqlite"])
async def test_concurrent_reservations_stop_at_the_cap(open_url: str | None, url: str) -> None:
    """Of many reservations at once exactly those that fit succeed."""
    ledger = open_ledger(open_url or url, clock=FakeClock(unix_s=NOW_S))

    async def reserve(number: int) -> None:
        await ledger.reserve(
            reservation_id=str(number),
            model="m",
            accounts=[ACCOUNT],
            amount_usd_nanos=30,
            expires_unix_s=NOW_S + 10,
        )

    outcomes = await asyncio.gather(*(reserve(number) for number in range(100)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == LIMIT // 30
    assert all(isinstance(outcome, BudgetExhausted) for outcome in outcomes if outcome is not None)
    await ledger.aclose()


async def test_closed_ledger_is_unavailable(url: str) -> None:
    """A ledger that was closed refuses to reserve, by the error that dispatch knows."""
    ledger = open_ledger(url)
    await ledger.aclose()
    with pytest.raises(LedgerUnavailable):
        await ledger.spent([ACCOUNT])


async def test_late_news(url: str) -> None:
    """News that makes no sense is a defect, and says so."""
    ledger = open_ledger(url)
    with pytest.raises(LookupError, match="no reservation"):
        await ledger.settle("nobody", 1)
    await ledger.aclose()


async def spend(ledger: Ledger, name: str, amount_usd_nanos: int) -> None:
    """Reserve, dial and settle."""
    await ledger.reserve(
        reservation_id=name,
        model="m",
        accounts=[ACCOUNT],
        amount_usd_nanos=amount_usd_nanos,
        expires_unix_s=NOW_S + 10,
    )
    await ledger.dial(name)
    await ledger.settle(name, amount_usd_nanos)


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("harm", ["removed", "replaced"])
async def test_a_log_that_is_gone_is_noticed(harm: str, ending: str, tmp_path: Path) -> None:
    """The files beside the ledger belong to it: what is written without them nobody finds again."""
    path = tmp_path / "ledger.db"
    beside = f"{path}{ending}"
    ledger = open_ledger(f"sqlite://{path}", clock=FakeClock(unix_s=NOW_S))
    await spend(ledger, "before", 600)
    if harm == "removed":
        os.unlink(beside)
    else:
        shutil.copy(beside, f"{beside}.copy")
        os.replace(f"{beside}.copy", beside)
    with capture_logs() as logs, pytest.raises(LedgerUnavailable, match="removed or replaced"):
        await spend(ledger, "after", 300)
    assert [entry["event"] for entry in logs] == ["ledger.gone"]
    await ledger.aclose()


@pytest.mark.parametrize("harm", ["removed", "replaced"])
async def test_a_file_that_is_gone_is_not_spent_from(harm: str, tmp_path: Path) -> None:
    """What would be written to a file that nobody finds again is refused, and said once; back, it goes on."""
    path, away = tmp_path / "ledger.db", tmp_path / "away.db"
    ledger = open_ledger(f"sqlite://{path}", clock=FakeClock(unix_s=NOW_S))
    await spend(ledger, "before", 600)
    path.rename(away)
    if harm == "replaced":
        path.touch()
    with capture_logs() as logs:
        for name in ("a", "b"):
            with pytest.raises(LedgerUnavailable, match="removed or replaced"):
                await spend(ledger, name, 300)
        away.rename(path)
        await spend(ledger, "after", 300)
        with pytest.raises(BudgetExhausted):
            await spend(ledger, "beyond", 300)
    assert [entry["event"] for entry in logs] == ["ledger.gone", "ledger.back"]
    assert await ledger.spent([ACCOUNT]) == [900]
    await ledger.aclose()


async def test_a_dialled_call_whose_file_goes_is_not_settled_elsewhere(tmp_path: Path) -> None:
    """News that cannot be written is no reason to write it to another file."""
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite://{path}", clock=FakeClock(unix_s=NOW_S))
    await ledger.reserve(
        reservation_id="r", model="m", accounts=[ACCOUNT], amount_usd_nanos=100, expires_unix_s=NOW_S + 10
    )
    path.unlink()
    with pytest.raises(LedgerUnavailable):
        await ledger.dial("r")
    await ledger.aclose()
    assert not path.exists()


def test_only_the_default_folder_is_made(tmp_path: Path) -> None:
    """A typo in a path does not begin at zero; the default place is made, for its owner alone."""
    with pytest.raises(StartupError, match=f"there is no folder {tmp_path / 'stat'}"):
        open_ledger(f"sqlite://{tmp_path / 'stat' / 'ledger.db'}")
    assert list(tmp_path.iterdir()) == []
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    make_default_folder(environ)
    asyncio.run(open_ledger(default_ledger_url(environ)).aclose())
    assert (tmp_path / "state" / "gateway").stat().st_mode & 0o077 == 0


async def test_a_ledger_that_begins_says_so(tmp_path: Path) -> None:
    """A new file is one line in the log, an old one none; both are for their owner alone."""
    with capture_logs() as logs:
        for _ in range(2):
            await open_ledger(f"sqlite://{tmp_path / 'ledger.db'}").aclose()
    assert [entry["event"] for entry in logs] == ["ledger.begins"]
    assert (tmp_path / "ledger.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "bad", ["mysql://x", "sqlite://relative.db", "sqlite:///proc/none/ledger.db", "sqlite:////dev/null"]
)
def test_bad_url(bad: str) -> None:
    """A URL that is no ledger is refused at start, in one line that names it."""
    with pytest.raises(StartupError) as caught:
        open_ledger(bad)
    assert repr(bad) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 4, None])
def test_foreign_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is no ledger, or one of another version, is refused and left alone."""
    path = tmp_path / "ledger.db"
    if content is None:
        other = sqlite3.connect(path)
        other.execute("PRAGMA user_version = 99")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StartupError):
        open_ledger(f"sqlite://{path}")
    if content is not None:
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"XDG_STATE_HOME": "/state"}, "sqlite:///state/gateway/ledger.db"),
        ({"XDG_STATE_HOME": ""}, f"sqlite://{Path.home()}/.local/state/gateway/ledger.db"),
    ],
)
def test_default_url(environ: dict[str, str], url: str) -> None:
    """Without a URL the ledger is where the XDG rules put state."""
    assert default_ledger_url(environ) == url
