"""Commits small operations on the event loop while the file is free, and hands over what would have to wait.

SQLite commits such an operation in some 50 microseconds. A trip to a thread and back costs a call ten times
as much, since thread and event loop share one interpreter.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from gateway.clock import Clock
from gateway.ledger.file import OperationTooLarge, SharedFile
from gateway.ledger.group_commit import GroupCommit

T = TypeVar("T")

CHECKPOINT_EVERY = 250
"""Each time so many operations were committed, the thread commits one, and with it the checkpoint of the log:
some 1,000 pages, which take the disk milliseconds."""
SLOW_S = 0.05
"""An operation that takes longer shows that the disk is slow, in seconds; on a busy machine it may take some
milliseconds, until the process has its turn again."""
REST_S = 1.0
"""How long the thread commits all operations after a slow one, in seconds."""


class LoopCommit:
    """Runs operations as `GroupCommit` does, with a connection of its own to the same file.

    The thread of `group` runs what finds the file locked, by this process or another one, what has too many
    rows, and everything for a second after a slow operation.
    """

    def __init__(self, file: SharedFile, group: GroupCommit, *, clock: Clock) -> None:
        self._file = file
        self._group = group
        self._clock = clock
        self._connection = file.connect_without_waiting()
        self._free = threading.Lock()
        """Several event loops may share a ledger."""
        self._until_checkpoint = CHECKPOINT_EVERY
        self._rests_until_s = 0.0

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of `operation` once it is committed; raises sqlite3.Error if it cannot be."""
        if self._begin():
            try:
                return self._commit(operation)
            except OperationTooLarge:
                pass
            finally:
                self._free.release()
        return await self._group.run(operation)

    def close(self) -> None:
        """Close the connection; that of the thread is its owner's."""
        with self._free:
            self._connection.close()

    def _begin(self) -> bool:
        """Begin a transaction if nothing has to be waited for; release `_free` where it is not begun."""
        if self._clock.monotonic_s() < self._rests_until_s or not self._free.acquire(blocking=False):
            return False
        self._until_checkpoint -= 1
        if self._until_checkpoint > 0:
            with suppress(sqlite3.Error):  # Busy, most often; of anything else the thread tells the caller.
                self._connection.execute("BEGIN IMMEDIATE")
                return True
        else:
            self._until_checkpoint = CHECKPOINT_EVERY
        self._free.release()
        return False

    def _commit(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        began_s = self._clock.monotonic_s()
        try:
            result = operation(self._connection)
            self._file.check()
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise
        finally:
            now_s = self._clock.monotonic_s()
            if now_s - began_s > SLOW_S:
                self._rests_until_s = now_s + REST_S
        return result
