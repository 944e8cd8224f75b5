"""Interface of the hand-off queue, and the queue for a state URL."""

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
"""Environment variable with the comma-separated keys; the first one encrypts, all decrypt."""


class HandoffQueue(Protocol):
    """Store of tickets with encrypted texts; every method but `aclose` raises HandoffUnavailable."""

    async def put(self, ticket: Ticket, encrypted_request: bytes, *, max_waiting: int) -> None:
        """Store a ticket durably; raises HandoffFull."""
        ...

    async def find(self, ticket_id: str) -> Ticket | None:
        """Return a ticket; None if it is unknown or expired."""
        ...

    async def request_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted request."""
        ...

    async def answer_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted answer."""
        ...

    async def tickets(self) -> Sequence[Ticket]:
        """Return all tickets, the oldest first."""
        ...

    async def change(
        self, ticket_id: str, step: Callable[[Ticket], Ticket], *, encrypted_answer: bytes | None = None
    ) -> Ticket | None:
        """Update a ticket by `step`, atomically; None if unknown. A TicketRefused changes nothing."""
        ...

    async def adopt_key(self, own: Sequence[str]) -> str:
        """Return the id of the queue's key; if it has none, or one of `own`, set the first of `own`."""
        ...

    async def aclose(self) -> None:
        """Finish pending operations and close."""
        ...


def kind_of(state_url: str) -> str:
    """Return the policy's name of the queue for a state URL: `sqlite`, `redis`, or "" for none."""
    if state_url.startswith(REDIS):
        return "redis"
    return "sqlite" if state_url.startswith(SQLITE) else ""


def path_of(state_url: str) -> Path:
    """Return the file of the queue, next to the ledger: `ledger-handoff.db` for `ledger.db`."""
    ledger = file_of(state_url)
    return ledger.with_name(f"{ledger.stem}-handoff{ledger.suffix}")


def open_queue(state_url: str, *, clock: Clock, must_exist: bool = False) -> HandoffQueue:
    """Open the queue for a state URL; raises StartupError, in one line.

    `must_exist` refuses to create a file, for commands that use the queue of a gateway.
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
        raise StartupError(f"handoff: there is no queue {path}; give the --state of gateway serve")
    try:
        return SqliteQueue(open_file(path), clock=clock)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(f"handoff: {path} cannot be used as a queue ({error})") from error
