"""A thread that owns a SQLite file and commits all pending operations in one transaction."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gateway.ledger.file import SharedFile

T = TypeVar("T")

LARGEST_GROUP = 256
"""Operations in one transaction at most; bounds how long one waits for the others."""


@dataclass(frozen=True, slots=True)
class _Pending:
    operation: Callable[[sqlite3.Connection], object]
    future: "asyncio.Future[object]"

    def execute(self, connection: sqlite3.Connection) -> object:
        """Return the operation's result, or its error; after an error only its own writes are rolled back."""
        connection.execute("SAVEPOINT operation")
        try:
            outcome = self.operation(connection)
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite rolled back the whole transaction, as it does when the disk is full.
            connection.execute("ROLLBACK TO operation")
            outcome = error
        connection.execute("RELEASE operation")
        return outcome

    def deliver(self, outcome: object) -> None:
        if self.future.cancelled():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class GroupCommit:
    """Runs operations in order of arrival; those that arrive during a transaction join the next one.

    An operation gets the connection. If it fails, its caller gets the error and only its own writes are
    rolled back. If the transaction fails, every caller of the group gets the error. Results are delivered
    after the commit, with one call per event loop. Nothing is committed to a file that is no longer at its
    path: every caller of the group gets FileGone.
    """

    def __init__(self, file: SharedFile) -> None:
        self._file = file
        self._connection = file.connection
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="group commit", daemon=True)
        self._thread.start()

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of `operation` once it is committed; raises sqlite3.Error if it cannot be."""
        if self._is_closed:
            raise sqlite3.ProgrammingError("the file is closed")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._queue.put(_Pending(operation, future))
        return await future  # type: ignore[return-value]  # The queue holds operations of all types.

    async def aclose(self) -> None:
        """Finish the pending operations, then close the connection."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        is_open = True
        while is_open:
            group: list[_Pending] = []
            pending = self._queue.get()
            while pending is not None:
                group.append(pending)
                if len(group) == LARGEST_GROUP or self._queue.empty():
                    break
                pending = self._queue.get()
            is_open = pending is not None
            _deliver_all(group, self._commit(group))
        self._connection.close()

    def _commit(self, group: Sequence[_Pending]) -> Sequence[object]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [pending.execute(self._connection) for pending in group]
            self._file.check()
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every caller of the group gets it.
            # If the rollback fails, the next group cannot begin and fails as well: nothing is spent.
            with suppress(sqlite3.Error):
                self._connection.rollback()
            return [error] * len(group)
        return outcomes


def _deliver_all(group: Sequence[_Pending], outcomes: Sequence[object]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Pending, object]]] = {}
    for pending, outcome in zip(group, outcomes, strict=True):
        by_loop.setdefault(pending.future.get_loop(), []).append((pending, outcome))
    for loop, results in by_loop.items():
        # On a closed loop nobody waits; the commit holds.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver, results)


def _deliver(results: Sequence[tuple[_Pending, object]]) -> None:
    for pending, outcome in results:
        pending.deliver(outcome)
