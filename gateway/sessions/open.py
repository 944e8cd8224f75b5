"""Opens the store of conversations that goes with the ledger's."""

import sqlite3
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.domain.optional import require
from gateway.errors import StartupError
from gateway.ledger.open import REDIS, file_of
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sessions import Sessions
from gateway.sessions.sqlite import SqliteSessions, open_file

if TYPE_CHECKING:
    from gateway.sessions.redis import RedisSessions

SUFFIX = ".sessions"
"""Follows the name of the ledger's file."""


def open_sessions(state_url: str, *, has_tenants: bool, clock: Clock) -> Sessions:
    """Open the conversations beside the ledger at a state URL; raises StartupError.

    Those in memory are known to one process alone, and forgotten when it ends.
    """
    if state_url == "memory:":
        store = MemorySessions(clock=clock, has_tenants=has_tenants)
        return Sessions(store, restricts_when_lost=False, clock=clock)
    shared = _redis(state_url) if state_url.startswith(REDIS) else _sqlite(state_url, clock)
    return Sessions(shared, restricts_when_lost=True, clock=clock)


def _sqlite(state_url: str, clock: Clock) -> SqliteSessions:
    ledger = file_of(state_url)
    path = ledger.with_name(f"{ledger.name}{SUFFIX}")
    try:
        return SqliteSessions(open_file(path), clock=clock)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(
            f"sessions: {path} cannot be used ({error}); use a folder that can be written"
        ) from error


def _redis(state_url: str) -> "RedisSessions":
    # The URL may hold a password, so no message shows it.
    require("redis", because="state redis: needs the Redis client")
    from gateway.sessions.redis import RedisSessions

    try:
        return RedisSessions(state_url)
    except ValueError:
        raise StartupError("state redis: not a URL; write redis://HOST:PORT/DATABASE") from None
