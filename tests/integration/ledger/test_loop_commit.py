"""Small operations are committed on the event loop; what would have to wait there goes to the thread."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.ledger import loop_commit
from gateway.ledger.file import ImpatientConnection, OperationTooLarge
from gateway.ledger.group_commit import GroupCommit
from gateway.ledger.loop_commit import LoopCommit
from gateway.ledger.sqlite import SMALL_ROWS, SqliteLedger, open_file
from tests.support.fakes import FakeClock


@asynccontextmanager
async def opened(path: Path, clock: FakeClock | None = None) -> AsyncIterator[LoopCommit]:
    """Give what commits to a new ledger."""
    file = open_file(path)
    group = GroupCommit(file)
    store = LoopCommit(file, group, clock=clock or FakeClock())
    try:
        yield store
    finally:
        store.close()
        await group.aclose()


def where(connection: sqlite3.Connection) -> str:
    """Return which thread runs an operation, after it wrote a row."""
    connection.execute("UPDATE total SET usd_nanos = usd_nanos + 1 WHERE state = 'settled'")
    return threading.current_thread().name


HERE = threading.current_thread().name
THREAD = "group commit"


async def test_a_free_file_is_written_immediately(tmp_path: Path) -> None:
    """No other thread takes part, and another connection sees the row."""
    async with opened(tmp_path / "ledger.db") as store:
        assert await store.run(where) == HERE
        other = sqlite3.connect(tmp_path / "ledger.db")
        assert other.execute("SELECT usd_nanos FROM total WHERE state = 'settled'").fetchone() == (1,)
        other.close()


async def test_a_locked_file_is_waited_for_by_the_thread(tmp_path: Path) -> None:
    """The event loop goes on while another process writes."""
    async with opened(tmp_path / "ledger.db") as store:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.05, lambda: other.execute("COMMIT"))
        timer.start()
        assert await store.run(where) == THREAD
        timer.join()
        other.close()
        assert await store.run(where) == HERE


async def test_a_large_operation_is_undone_and_given_to_the_thread(tmp_path: Path) -> None:
    """What it wrote on the event loop does not count twice."""

    def large(connection: sqlite3.Connection) -> str:
        name = where(connection)
        if isinstance(connection, ImpatientConnection):
            raise OperationTooLarge
        return name

    async with opened(tmp_path / "ledger.db") as store:
        assert await store.run(large) == THREAD
        rows = await store.run(lambda c: c.execute("SELECT usd_nanos FROM total ORDER BY state").fetchall())
        assert rows == [(1,), (0,)]


async def test_an_error_undoes_what_was_written(tmp_path: Path) -> None:
    """The caller gets it, and the file is free."""

    def broken(connection: sqlite3.Connection) -> None:
        where(connection)
        raise ValueError("a defect")

    async with opened(tmp_path / "ledger.db") as store:
        with pytest.raises(ValueError, match="a defect"):
            await store.run(broken)
        assert await store.run(where) == HERE
        rows = await store.run(lambda c: c.execute("SELECT usd_nanos FROM total ORDER BY state").fetchall())
        assert rows == [(1,), (0,)]


async def test_a_slow_disk_is_left_to_the_thread_for_a_while(tmp_path: Path) -> None:
    """One operation may hold the event loop; those of the next second do not."""
    clock = FakeClock()

    def slow(connection: sqlite3.Connection) -> str:
        clock.advance(2 * loop_commit.SLOW_S)
        return where(connection)

    async with opened(tmp_path / "ledger.db", clock) as store:
        assert await store.run(slow) == HERE
        assert await store.run(where) == THREAD
        clock.advance(loop_commit.REST_S)
        assert await store.run(where) == HERE


async def test_the_thread_keeps_the_log_short(tmp_path: Path) -> None:
    """Every so many operations it commits one itself, and with it a checkpoint."""
    async with opened(tmp_path / "ledger.db") as store:
        ran = [await store.run(where) for _ in range(2 * loop_commit.CHECKPOINT_EVERY)]
        assert ran.count(THREAD) == 2


async def test_many_reservations_that_expired_are_settled_by_the_thread(tmp_path: Path) -> None:
    """As after a crash of another worker: all of them count before the next one is held."""
    clock = FakeClock()
    ledger = SqliteLedger(open_file(tmp_path / "ledger.db"), clock=clock)
    for number in range(SMALL_ROWS + 1):
        await ledger.reserve(
            reservation_id=f"r{number}",
            model="m",
            accounts=(),
            amount_usd_nanos=5,
            expires_unix_s=clock.unix_s() + 1,
        )
        await ledger.dial(f"r{number}")
    clock.advance(10)
    await ledger.spent(())
    totals = await ledger.totals()
    assert (totals.held_usd_nanos, totals.unknown_usd_nanos) == (0, 5 * (SMALL_ROWS + 1))
    await ledger.aclose()
