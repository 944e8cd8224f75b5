"""A SQLite file that the processes of one host share."""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

BUSY_TIMEOUT_S = 2.0
"""Seconds that a transaction waits for those of other processes."""

WAL_TRIES = 100
_Connection = TypeVar("_Connection", bound=sqlite3.Connection)


class FileGone(sqlite3.OperationalError):
    """The open file or its log is no longer the one at its path, so writes to it would be lost."""


class ImpatientConnection(sqlite3.Connection):
    """A connection of the event loop: what would take it too long raises OperationTooLarge."""


class OperationTooLarge(Exception):
    """An operation would keep the event loop too long; it is undone there, and a thread has to run it."""


class SharedFile:
    """An open SQLite file, and its identity (device and inode).

    A missing file is created with `schema`; a file of another `version` is refused. With `synced` a commit
    survives a loss of power, else only the end of the process. Raises sqlite3.Error, OSError.
    """

    def __init__(self, path: Path, *, schema: Sequence[str], version: int, synced: bool = False) -> None:
        self._paths = tuple(f"{path}{suffix}" for suffix in ("", "-wal", "-shm"))
        # SQLite would create a file that everybody can read.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        opened = _identity(self._paths[0])
        self._synchronous = "FULL" if synced else "NORMAL"
        self.connection = _connect(path, BUSY_TIMEOUT_S, sqlite3.Connection)
        try:
            _use_wal(self.connection)
            self.connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            self.is_new = _prepare(self.connection, schema, version)
            # The first transaction creates -wal and -shm; they stay while the file is open.
            self._identities = [opened, *(_identity(each) for each in self._paths[1:])]
            self.check()
        except (sqlite3.Error, OSError):
            self.connection.close()
            raise

    def connect_without_waiting(self) -> ImpatientConnection:
        """Return another connection, which waits neither for other transactions nor for a checkpoint.

        A locked file is SQLITE_BUSY there, and the log is put into the file by the first connection alone.
        """
        connection = _connect(self._paths[0], 0.0, ImpatientConnection)
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            self.check()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Raise FileGone unless all three files are still at their paths: one stat each, some microseconds.

        The log (-wal) holds what is not in the file yet, and the index (-shm) the locks; a process that
        opens the file without them creates new ones.
        """
        try:
            are_here = [_identity(path) for path in self._paths] == self._identities
        except OSError:
            are_here = False
        if not are_here:
            raise FileGone("it was removed or replaced")


def _connect(path: Path | str, timeout_s: float, kind: type[_Connection]) -> _Connection:
    return kind(path, timeout=timeout_s, isolation_level=None, check_same_thread=False, cached_statements=64)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _prepare(connection: sqlite3.Connection, schema: Sequence[str], version: int) -> bool:
    """Run the schema in an empty file; return whether the file was empty."""
    connection.execute("BEGIN IMMEDIATE")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == 0:
        for statement in (*schema, f"PRAGMA user_version = {version}"):
            connection.execute(statement)
    elif found != version:
        raise sqlite3.DatabaseError(f"it has version {found}, this gateway writes version {version}")
    connection.execute("COMMIT")
    return bool(found == 0)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL, with retries: SQLite does not wait here while another process does the same."""
    for remaining in reversed(range(WAL_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not remaining:
                raise
        time.sleep(BUSY_TIMEOUT_S / WAL_TRIES)
