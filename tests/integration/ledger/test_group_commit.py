"""The thread that commits together what waits together: in order, and an error is its operation's own."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.ledger.group_commit import GroupCommit
from gateway.ledger.sqlite import open_file


async def test_waiting_operations_share_a_transaction(tmp_path: Path) -> None:
    """Operations that wait while one runs are committed together, in order."""
    file = open_file(tmp_path / "ledger.db")
    statements: list[str] = []
    file.connection.set_trace_callback(statements.append)
    store = GroupCommit(file)

    def operation(number: int) -> Callable[[sqlite3.Connection], int]:
        return lambda c: int(c.execute(f"SELECT {number}").fetchone()[0])

    results = await asyncio.gather(*(store.run(operation(number)) for number in range(50)))
    assert results == list(range(50))
    assert statements.count("COMMIT") < 25
    await store.aclose()


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk I/O error"), OverflowError("too large"), ValueError("a defect")]
)
async def test_an_error_undoes_its_own_operation_only(tmp_path: Path, error: Exception) -> None:
    """What fails in a transaction is undone, and the others of the same transaction are committed."""
    file = open_file(tmp_path / "ledger.db")
    statements: list[str] = []
    file.connection.set_trace_callback(statements.append)
    store = GroupCommit(file)

    def insert(name: str) -> Callable[[sqlite3.Connection], None]:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO total VALUES (?, 1)", (name,))
            if name == "bad":
                raise error

        return write

    first = store.run(lambda c: time.sleep(0.05))  # The others wait for it, and so share a transaction.
    results = await asyncio.gather(
        first, *(store.run(insert(name)) for name in ("a", "bad", "b")), return_exceptions=True
    )
    assert results == [None, None, error, None]
    rows = await store.run(lambda c: c.execute("SELECT state FROM total WHERE usd_nanos = 1").fetchall())
    assert rows == [("a",), ("b",)]
    assert statements.count("COMMIT") <= 3
    await store.aclose()


async def test_a_transaction_that_sqlite_has_undone_fails_for_everybody(tmp_path: Path) -> None:
    """As when the disk is full: nobody is told that something is written."""
    store = GroupCommit(open_file(tmp_path / "ledger.db"))

    def undone(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    results = await asyncio.gather(
        store.run(lambda c: c.execute("INSERT INTO total VALUES ('a', 1)").rowcount),
        store.run(undone),
        return_exceptions=True,
    )
    rows = await store.run(lambda c: c.execute("SELECT state FROM total WHERE usd_nanos = 1").fetchall())
    assert isinstance(results[1], sqlite3.OperationalError)
    assert len(rows) == sum(result == 1 for result in results)
    await store.aclose()
