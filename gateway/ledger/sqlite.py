"""A ledger in a SQLite file, shared by the processes of one host; it survives a kill -9."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, Unpack

import structlog

from gateway.clock import Clock, SystemClock
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, Reservation, Totals, check_limits
from gateway.ledger.clock_guard import ClockGuard
from gateway.ledger.file import FileGone, ImpatientConnection, OperationTooLarge, SharedFile
from gateway.ledger.group_commit import GroupCommit
from gateway.ledger.loop_commit import LoopCommit
from gateway.ledger.states import RETENTION_S, Event, ReservationState, change, check_amount, warn_of_excess

T = TypeVar("T")

_log = structlog.get_logger()

SMALL_ROWS = 64
"""Most rows that an operation changes or reads on the event loop, and most old ones that one deletes."""
SCHEMA_VERSION = 1
# The column `resets_at_unix_s` holds the moment from which the row may be deleted; the name is historical.
_SCHEMA = (
    """CREATE TABLE account (
        key TEXT PRIMARY KEY, charged_usd_nanos INTEGER NOT NULL, resets_at_unix_s REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX account_by_reset ON account (resets_at_unix_s)",
    """CREATE TABLE reservation (
        id TEXT PRIMARY KEY, model TEXT NOT NULL, account_keys TEXT NOT NULL,
        amount_usd_nanos INTEGER NOT NULL, expires_unix_s REAL NOT NULL, state TEXT NOT NULL
    ) WITHOUT ROWID""",
    # Partial indexes: most rows are open, and each query needs one kind only.
    "CREATE INDEX open_by_expiry ON reservation (expires_unix_s) WHERE state IN ('held', 'dialled')",
    "CREATE INDEX over_by_expiry ON reservation (expires_unix_s) WHERE state IN ('released', 'unknown')",
    "CREATE TABLE total (state TEXT PRIMARY KEY, usd_nanos INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO total VALUES ('settled', 0), ('unknown', 0)",
)


def open_file(path: Path) -> SharedFile:
    """Open or create the ledger in `path`; raises sqlite3.Error or OSError."""
    # Not synced: a commit survives the process, but a loss of power may lose the last ones.
    return SharedFile(path, schema=_SCHEMA, version=SCHEMA_VERSION)


class SqliteLedger:
    """The ledger in one file; its own thread reads and writes what would keep the event loop."""

    def __init__(self, file: SharedFile, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._guard = ClockGuard(self._clock)
        self._store = GroupCommit(file)
        self._small = LoopCommit(file, self._store, clock=self._clock)
        self._is_gone = False
        self._forgot_at_s = 0
        """In which second old rows were deleted last."""

    async def reserve(self, **reservation: Unpack[Reservation]) -> None:
        """Hold `amount_usd_nanos` on every account or on none; raises BudgetExhausted, LedgerUnavailable."""
        await self._reserve(ReservationState.HELD, reservation)

    async def reserve_and_dial(self, **reservation: Unpack[Reservation]) -> None:
        """Do both in one transaction; raises BudgetExhausted, LedgerUnavailable."""
        await self._reserve(ReservationState.DIALLED, reservation)

    async def dial(self, reservation_id: str) -> None:
        """Record that the call is about to be sent; raises LedgerUnavailable, also after an expiry."""
        await self._run(partial(_apply, reservation_id=reservation_id, event=Event.DIAL))

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Charge the cost of the call and release the rest; raises LedgerUnavailable."""
        await self._run(
            partial(_apply, reservation_id=reservation_id, event=Event.SETTLE, cost_usd_nanos=cost_usd_nanos)
        )

    async def release(self, reservation_id: str) -> None:
        """Release the whole reservation; raises LedgerUnavailable."""
        await self._run(partial(_apply, reservation_id=reservation_id, event=Event.RELEASE))

    async def charge_unknown(self, reservation_id: str) -> None:
        """Charge the whole reservation, because the bill is unknown; raises LedgerUnavailable."""
        await self._run(partial(_apply, reservation_id=reservation_id, event=Event.CHARGE_UNKNOWN))

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is charged or reserved on each account; raises LedgerUnavailable."""
        spent = partial(_spent, accounts=tuple(accounts), now_s=self._clock.unix_s())
        return await self._run(spent, is_small=len(accounts) <= SMALL_ROWS)

    async def totals(self) -> Totals:
        """Return the sums over all accounts and windows since the file was created."""
        return await self._run(partial(_totals, now_s=self._clock.unix_s()), is_small=False)

    async def aclose(self) -> None:
        """Finish the pending operations and close the file."""
        self._small.close()
        await self._store.aclose()

    async def _reserve(self, state: ReservationState, reservation: Reservation) -> None:
        model = reservation["model"]
        check_amount(model, reservation["amount_usd_nanos"])
        now_s = self._guard.now_s(model)
        forgets, self._forgot_at_s = int(now_s) != self._forgot_at_s, int(now_s)
        operation = partial(_reserve, reservation=reservation, state=state, now_s=now_s, forgets=forgets)
        await self._run(operation, model=model)

    async def _run(
        self, operation: Callable[[sqlite3.Connection], T], *, model: str = "ledger", is_small: bool = True
    ) -> T:
        try:
            result = await (self._small if is_small else self._store).run(operation)
        except FileGone as error:
            self._log_gone(True)
            raise LedgerUnavailable(model, "the ledger's file was removed or replaced") from error
        except (sqlite3.Error, OverflowError) as error:  # OverflowError: a number beyond 64 bits.
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise LedgerUnavailable(model, f"the ledger's file cannot be used ({name})") from error
        self._log_gone(False)
        return result

    def _log_gone(self, is_gone: bool) -> None:
        """Log once that the file is gone, and once that it is back."""
        if is_gone != self._is_gone:
            self._is_gone = is_gone
            if is_gone:
                _log.error("ledger.gone", hint="put the file back; a restart without it begins at zero")
            else:
                _log.info("ledger.back")


def _reserve(
    connection: sqlite3.Connection,
    reservation: Reservation,
    *,
    state: ReservationState,
    now_s: float,
    forgets: bool,
) -> None:
    reservation_id, model = reservation["reservation_id"], reservation["model"]
    accounts, amount_usd_nanos = reservation["accounts"], reservation["amount_usd_nanos"]
    if forgets:
        _forget(connection, now_s)
    charged = _spent(connection, accounts=accounts, now_s=now_s)
    check_limits(accounts, charged, model=model, amount_usd_nanos=amount_usd_nanos, unix_s=now_s)
    connection.executemany(
        "INSERT INTO account VALUES (?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET charged_usd_nanos = charged_usd_nanos + excluded.charged_usd_nanos",
        [(account.key, amount_usd_nanos, account.forget_at_unix_s) for account in accounts],
    )
    keys = json.dumps([account.key for account in accounts])
    added = connection.execute(
        "INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (reservation_id, model, keys, amount_usd_nanos, reservation["expires_unix_s"], state),
    )
    if not added.rowcount:
        raise LookupError(f"reservation {reservation_id} exists")


def _apply(
    connection: sqlite3.Connection, *, reservation_id: str, event: Event, cost_usd_nanos: int = 0
) -> None:
    row = connection.execute(
        "SELECT model, account_keys, amount_usd_nanos, state FROM reservation WHERE id = ?", (reservation_id,)
    ).fetchone()
    if row is None:
        raise LookupError(f"no reservation {reservation_id} is open")
    model, keys, amount_usd_nanos, state = row
    done = change(
        reservation_id,
        model,
        ReservationState(state),
        event,
        amount_usd_nanos=amount_usd_nanos,
        cost_usd_nanos=cost_usd_nanos,
    )
    warn_of_excess(model, done.excess_usd_nanos)
    if done.charged_usd_nanos:
        connection.executemany(
            "UPDATE account SET charged_usd_nanos = charged_usd_nanos + ? WHERE key = ?",
            [(done.charged_usd_nanos, key) for key in json.loads(keys)],
        )
    for total, usd_nanos in (("settled", done.settled_usd_nanos), ("unknown", done.unknown_usd_nanos)):
        if usd_nanos:
            connection.execute(
                "UPDATE total SET usd_nanos = usd_nanos + ? WHERE state = ?", (usd_nanos, total)
            )
    if done.is_forgotten:
        connection.execute("DELETE FROM reservation WHERE id = ?", (reservation_id,))
    else:
        connection.execute("UPDATE reservation SET state = ? WHERE id = ?", (done.state, reservation_id))


def _spent(connection: sqlite3.Connection, *, accounts: Sequence[Account], now_s: float) -> list[int]:
    _expire(connection, now_s)
    charged = []
    for account in accounts:
        row = connection.execute(
            "SELECT charged_usd_nanos FROM account WHERE key = ?", (account.key,)
        ).fetchone()
        charged.append(row[0] if row else 0)
    return charged


def _totals(connection: sqlite3.Connection, *, now_s: float) -> Totals:
    _expire(connection, now_s)
    totals = dict(connection.execute("SELECT state, usd_nanos FROM total").fetchall())
    (held,) = connection.execute(
        "SELECT COALESCE(SUM(amount_usd_nanos), 0) FROM reservation WHERE state IN ('held', 'dialled')"
    ).fetchone()
    return Totals(
        settled_usd_nanos=totals["settled"], unknown_usd_nanos=totals["unknown"], held_usd_nanos=held
    )


def _expire(connection: sqlite3.Connection, now_s: float) -> None:
    """Release or charge the reservations that are past their deadline."""
    expired = connection.execute(
        "SELECT id FROM reservation WHERE state IN ('held', 'dialled') AND expires_unix_s < ?", (now_s,)
    ).fetchall()
    if len(expired) > SMALL_ROWS and isinstance(connection, ImpatientConnection):
        raise OperationTooLarge
    for (reservation_id,) in expired:
        _apply(connection, reservation_id=reservation_id, event=Event.EXPIRE)


def _forget(connection: sqlite3.Connection, now_s: float) -> None:
    """Delete some old reservations and accounts; only a reservation calls this, never a read."""
    connection.execute(
        "DELETE FROM reservation WHERE id IN (SELECT id FROM reservation"
        " WHERE state IN ('released', 'unknown') AND expires_unix_s < ? LIMIT ?)",
        (now_s - RETENTION_S, SMALL_ROWS),
    )
    connection.execute(
        "DELETE FROM account WHERE key IN (SELECT key FROM account WHERE resets_at_unix_s < ? LIMIT ?)",
        (now_s, SMALL_ROWS),
    )
