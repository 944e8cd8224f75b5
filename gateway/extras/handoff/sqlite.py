"""Hand-off queue in a SQLite file next to the ledger, for the processes of one host; commits are synced."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.clock import Clock
from gateway.domain.ticket import Ticket
from gateway.errors import HandoffFull, HandoffUnavailable
from gateway.extras.handoff.ticket import from_json, to_json
from gateway.ledger.file import FileGone, SharedFile
from gateway.ledger.group_commit import GroupCommit

T = TypeVar("T")

SCHEMA_VERSION = 1
_SCHEMA = (
    """CREATE TABLE ticket (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, is_answered INTEGER NOT NULL, created_unix_s REAL NOT NULL,
        expires_unix_s REAL NOT NULL, record TEXT NOT NULL, request BLOB NOT NULL, answer BLOB
    )""",
    "CREATE INDEX ticket_by_expiry ON ticket (expires_unix_s)",
    "CREATE INDEX open_by_tenant ON ticket (tenant) WHERE NOT is_answered",
    "CREATE TABLE key (id TEXT NOT NULL)",
)


def open_file(path: Path) -> SharedFile:
    """Open or create the queue in `path`; raises sqlite3.Error or OSError."""
    return SharedFile(path, schema=_SCHEMA, version=SCHEMA_VERSION, synced=True)


class SqliteQueue:
    """Queue in one file, which its own thread uses."""

    def __init__(self, file: SharedFile, *, clock: Clock) -> None:
        self._clock = clock
        self._store = GroupCommit(file)

    async def put(self, ticket: Ticket, encrypted_request: bytes, *, max_waiting: int) -> None:
        """Store a ticket; it is on the disk when this returns. Raises HandoffFull, HandoffUnavailable."""
        now_s = self._clock.unix_s()

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM ticket WHERE expires_unix_s < ?", (now_s,))
            (waiting,) = connection.execute(
                "SELECT COUNT(*) FROM ticket WHERE tenant = ? AND NOT is_answered", (ticket.tenant,)
            ).fetchone()
            if waiting >= max_waiting:
                raise HandoffFull(
                    f"the tenant's limit of requests that wait for a person is reached: {max_waiting}"
                )
            connection.execute(
                "INSERT INTO ticket VALUES (?, ?, 0, ?, ?, ?, ?, NULL)",
                (
                    ticket.id,
                    ticket.tenant,
                    ticket.created_unix_s,
                    ticket.expires_unix_s,
                    to_json(ticket),
                    encrypted_request,
                ),
            )

        await self._run(operation)

    async def find(self, ticket_id: str) -> Ticket | None:
        """Return a ticket; None if it is unknown or expired."""
        now_s = self._clock.unix_s()
        return await self._run(lambda connection: _find(connection, ticket_id, now_s))

    async def request_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted request."""
        return await self._blob("SELECT request FROM ticket WHERE id = ?", ticket_id)

    async def answer_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted answer."""
        return await self._blob("SELECT answer FROM ticket WHERE id = ?", ticket_id)

    async def tickets(self) -> Sequence[Ticket]:
        """Return all tickets, the oldest first."""
        now_s = self._clock.unix_s()

        def operation(connection: sqlite3.Connection) -> list[Ticket]:
            rows = connection.execute(
                "SELECT record FROM ticket WHERE expires_unix_s >= ? ORDER BY created_unix_s, id", (now_s,)
            )
            return [from_json(record) for (record,) in rows]

        return await self._run(operation)

    async def change(
        self, ticket_id: str, step: Callable[[Ticket], Ticket], *, encrypted_answer: bytes | None = None
    ) -> Ticket | None:
        """Update a ticket by `step`, atomically; None if unknown. A TicketRefused changes nothing."""
        now_s = self._clock.unix_s()

        def operation(connection: sqlite3.Connection) -> Ticket | None:
            before = _find(connection, ticket_id, now_s)
            if before is None:
                return None
            after = step(before)
            connection.execute(
                "UPDATE ticket SET record = ?, expires_unix_s = ?, is_answered = ?,"
                " answer = COALESCE(?, answer) WHERE id = ?",
                (
                    to_json(after),
                    after.expires_unix_s,
                    after.answered_unix_s is not None,
                    encrypted_answer,
                    ticket_id,
                ),
            )
            return after

        return await self._run(operation)

    async def adopt_key(self, own: Sequence[str]) -> str:
        """Return the id of the queue's key; if it has none, or one of `own`, set the first of `own`."""

        def operation(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT id FROM key").fetchone()
            if row is not None and row[0] not in own:
                return str(row[0])
            if row is None or row[0] != own[0]:
                connection.execute("DELETE FROM key")
                connection.execute("INSERT INTO key VALUES (?)", (own[0],))
            return own[0]

        return await self._run(operation)

    async def aclose(self) -> None:
        """Finish pending operations and close the file."""
        await self._store.aclose()

    async def _blob(self, query: str, ticket_id: str) -> bytes | None:
        row = await self._run(lambda connection: connection.execute(query, (ticket_id,)).fetchone())
        return None if row is None or row[0] is None else bytes(row[0])

    async def _run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._store.run(operation)
        except FileGone as error:
            raise HandoffUnavailable("the queue file was removed or replaced") from error
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise HandoffUnavailable(f"the queue file cannot be used ({name})") from error


def _find(connection: sqlite3.Connection, ticket_id: str, now_s: float) -> Ticket | None:
    row = connection.execute(
        "SELECT record FROM ticket WHERE id = ? AND expires_unix_s >= ?", (ticket_id, now_s)
    ).fetchone()
    return None if row is None else from_json(row[0])
