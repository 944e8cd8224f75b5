"""The one thing that hand-off needs of a store, and the store from the URL that an operator gives."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gateway.clock import Clock
from gateway.domain.optional import require
from gateway.domain.ticket import Ticket
from gateway.errors import StartupError
from gateway.extras.handoff.sqlite import SqliteQueue, open_file
from gateway.ledger.open import REDIS, SQLITE, file_of

KEY_VARIABLE = "GATEWAY_HANDOFF_KEY"
"""Holds the keys that seal what waits, parted by commas; the first one seals, all open."""


class Queue(Protocol):
    """Tickets with sealed texts; every method but `aclose` raises HandoffUnavailable."""

    async def put(self, ticket: Ticket, sealed_request: bytes, *, max_waiting: int) -> None:
        """Store a ticket durably; raises HandoffFull."""
        ...

    async def find(self, ticket_id: str) -> Ticket | None:
        """Return a ticket; None if there is none, or none any more."""
        ...

    async def request_of(self, ticket_id: str) -> bytes | None:
        """Return the sealed request."""
        ...

    async def answer_of(self, ticket_id: str) -> bytes | None:
        """Return the sealed answer."""
        ...

    async def tickets(self) -> Sequence[Ticket]:
        """Return all tickets, the oldest first."""
        ...

    async def change(
        self, ticket_id: str, step: Callable[[Ticket], Ticket], *, sealed_answer: bytes | None = None
    ) -> Ticket | None:
        """Put a ticket through `step`, whose TicketRefused changes nothing; None if there is none."""
        ...

    async def adopt_key(self, own: Sequence[str]) -> str:
        """Return the name of the key that seals here; none, or one of `own`, becomes the first of those."""
        ...

    async def aclose(self) -> None:
        """Finish what waits and close."""
        ...


def kind_of(state_url: str) -> str:
    """Return what a policy calls the queue that goes with a state: `sqlite`, `redis`, or "" for none."""
    if state_url.startswith(REDIS):
        return "redis"
    return "sqlite" if state_url.startswith(SQLITE) else ""


def path_of(state_url: str) -> Path:
    """Return the file of the queue: beside that of the ledger, `ledger.db` and `ledger-handoff.db`."""
    ledger = file_of(state_url)
    return ledger.with_name(f"{ledger.stem}-handoff{ledger.suffix}")


def open_queue(state_url: str, *, clock: Clock, must_exist: bool = False) -> Queue:
    """Open the queue that goes with a state; raises StartupError, in one line.

    `must_exist` refuses to make a file, for those who only read what a gateway wrote.
    """
    kind = kind_of(state_url)
    if kind == "redis":
        require("redis", because="state redis: needs the Redis client")
        from gateway.extras.handoff.redis import RedisQueue

        try:
            return RedisQueue(state_url, clock=clock)
        except ValueError:
            raise StartupError("state redis: not a URL; write redis://HOST:PORT/DATABASE") from None
    if kind != "sqlite":
        raise StartupError("handoff: needs --state sqlite:///PATH or redis://HOST, which outlive the process")
    path = path_of(state_url)
    if must_exist and not path.exists():
        raise StartupError(f"handoff: there is no queue {path}; say the --state that gateway serve has")
    try:
        return SqliteQueue(open_file(path), clock=clock)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(f"handoff: {path} cannot be used as a queue ({error})") from error
