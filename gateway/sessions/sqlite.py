"""Conversations in a SQLite file next to the ledger, shared by the processes of one host."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import TypeVar

from gateway.clock import Clock
from gateway.domain.session import SessionState, joined
from gateway.errors import SessionsUnavailable
from gateway.ledger.file import FileGone, SharedFile
from gateway.ledger.group_commit import GroupCommit
from gateway.ledger.loop_commit import LoopCommit
from gateway.sessions.conversation_keys import SECRET_BYTES
from gateway.sessions.store import COMMON, SessionWrite, StoredSession

T = TypeVar("T")

SCHEMA_VERSION = 2
MAX_SESSIONS_OF_TENANT = 25_000
"""Beyond them the public ones go first, then the least recently used."""
MAX_KEYS_EACH = 512
"""Keys of one conversation; the oldest go first, but never that of its id."""
MANY_KEYS = 64
"""Keys of one look-up on the event loop; a longer history is looked up by the thread."""
FORGET_ROWS = 64
"""Idle conversations that one write deletes at most."""
SWEEP_EVERY = 64
"""After so many writes of a process the thread looks whether the tenant has too many; it counts them all."""
_SCHEMA = (
    """CREATE TABLE session (
        id BLOB PRIMARY KEY, tenant TEXT NOT NULL, is_private INTEGER NOT NULL, state TEXT NOT NULL,
        expires_unix_s REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX session_by_expiry ON session (expires_unix_s)",
    "CREATE INDEX session_by_tenant ON session (tenant, is_private, expires_unix_s)",
    "CREATE TABLE session_key (key BLOB NOT NULL, session BLOB NOT NULL, UNIQUE (key, session))",
    "CREATE INDEX key_by_session ON session_key (session)",
    "CREATE TABLE secret (value BLOB NOT NULL)",
)


def open_file(path: Path) -> SharedFile:
    """Open or create the conversations in `path`; raises sqlite3.Error or OSError."""
    return SharedFile(path, schema=_SCHEMA, version=SCHEMA_VERSION)


class SqliteSessions:
    """The conversations in one file; they outlive the process."""

    def __init__(
        self, file: SharedFile, *, clock: Clock, max_sessions_of_tenant: int = MAX_SESSIONS_OF_TENANT
    ) -> None:
        self._clock = clock
        self._max_of_tenant = max_sessions_of_tenant
        self._until_sweep = SWEEP_EVERY
        self._secret = _secret(file.connection)
        self._group = GroupCommit(file)
        self._small = LoopCommit(file, self._group, clock=clock)

    async def secret(self) -> bytes:
        """Return the key of the hashes of this file."""
        return self._secret

    async def find(self, keys: Sequence[bytes]) -> Sequence[StoredSession]:
        """Return the live conversations under each key, in the order of the keys, at most COMMON of each."""
        if not keys:
            return ()
        operation = partial(_find, keys=keys, now_s=self._clock.unix_s())
        return await self._run(operation, is_small=len(keys) <= MANY_KEYS)

    async def write(self, write: SessionWrite) -> None:
        """Create or extend a conversation; raises SessionsUnavailable."""
        now_s = self._clock.unix_s()
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._until_sweep = SWEEP_EVERY
            sweep = partial(_sweep, tenant=write.tenant, most=self._max_of_tenant)
            await self._run(sweep, is_small=False)
        await self._run(partial(_write, write=write, now_s=now_s))

    async def end(self, key: bytes) -> bool:
        """Forget the conversations under a key, and say whether there were any."""
        return await self._run(partial(_end, key=key), is_small=False)

    async def aclose(self) -> None:
        """Finish what is pending, and close the file."""
        self._small.close()
        await self._group.aclose()

    async def _run(self, operation: Callable[[sqlite3.Connection], T], *, is_small: bool = True) -> T:
        try:
            return await (self._small if is_small else self._group).run(operation)
        except FileGone as error:
            raise SessionsUnavailable("the file of conversations was removed or replaced") from error
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise SessionsUnavailable(f"the file of conversations cannot be used ({name})") from error


def _secret(connection: sqlite3.Connection) -> bytes:
    """Return the key of the hashes, which the first process makes."""
    connection.execute("BEGIN IMMEDIATE")
    row = connection.execute("SELECT value FROM secret").fetchone()
    value = row[0] if row else token_bytes(SECRET_BYTES)
    if not row:
        connection.execute("INSERT INTO secret VALUES (?)", (value,))
    connection.execute("COMMIT")
    return bytes(value)


def _find(connection: sqlite3.Connection, *, keys: Sequence[bytes], now_s: float) -> Sequence[StoredSession]:
    return [
        StoredSession(session=session, key=key, state=_state(state))
        for key in keys
        for session, state in connection.execute(
            "SELECT id, state FROM session_key JOIN session ON session = id"
            " WHERE key = ? AND expires_unix_s > ? LIMIT ?",
            (key, now_s, COMMON),
        )
    ]


def _write(connection: sqlite3.Connection, *, write: SessionWrite, now_s: float) -> None:
    idle = connection.execute(
        "SELECT id FROM session WHERE expires_unix_s <= ? LIMIT ?", (now_s, FORGET_ROWS)
    ).fetchall()
    _delete(connection, idle)
    row = connection.execute("SELECT state FROM session WHERE id = ?", (write.session,)).fetchone()
    state = write.state if row is None else joined(_state(row[0]), write.state)
    fields = state.fields()
    connection.execute(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " is_private = excluded.is_private, state = excluded.state, expires_unix_s = excluded.expires_unix_s",
        (write.session, write.tenant, state.is_private, json.dumps(fields), now_s + write.idle_s),
    )
    # What is replaced becomes the newest row: the key of its id, which every write brings, never goes.
    connection.executemany(
        "INSERT OR REPLACE INTO session_key VALUES (?, ?)", [(key, write.session) for key in write.keys]
    )
    connection.execute(
        "DELETE FROM session_key WHERE rowid IN"
        " (SELECT rowid FROM session_key WHERE session = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        (write.session, MAX_KEYS_EACH),
    )


def _sweep(connection: sqlite3.Connection, *, tenant: str, most: int) -> None:
    """Delete those of a tenant that are too many."""
    (count,) = connection.execute("SELECT COUNT(*) FROM session WHERE tenant = ?", (tenant,)).fetchone()
    if count > most:
        beyond = connection.execute(
            "SELECT id FROM session WHERE tenant = ? ORDER BY is_private, expires_unix_s LIMIT ?",
            (tenant, count - most),
        ).fetchall()
        _delete(connection, beyond)


def _end(connection: sqlite3.Connection, *, key: bytes) -> bool:
    rows = connection.execute("SELECT session FROM session_key WHERE key = ?", (key,)).fetchall()
    _delete(connection, rows)
    return bool(rows)


def _delete(connection: sqlite3.Connection, sessions: Sequence[tuple[bytes]]) -> None:
    if sessions:
        connection.executemany("DELETE FROM session WHERE id = ?", sessions)
        connection.executemany("DELETE FROM session_key WHERE session = ?", sessions)


def _state(text: str) -> SessionState:
    return SessionState.read(json.loads(text))
