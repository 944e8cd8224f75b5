"""Opens the ledger at the URL that an operator gives with `--state`."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.clock import Clock, SystemClock
from gateway.domain.optional import require
from gateway.errors import StartupError
from gateway.ledger.clock_guard import TOLERATED_S
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.sqlite import SqliteLedger, open_file

if TYPE_CHECKING:
    from gateway.ledger.redis import RedisLedger

_log = structlog.get_logger()

SQLITE = "sqlite://"
REDIS = ("redis://", "rediss://", "unix://")


def default_ledger_url(environ: Mapping[str, str]) -> str:
    """Return the default URL of the ledger: a file under XDG_STATE_HOME, else ~/.local/state."""
    return f"{SQLITE}{default_folder(environ) / 'ledger.db'}"


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return the default folder for the gateway's state."""
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "gateway"


def make_default_folder(environ: Mapping[str, str]) -> None:
    """Create the default folder, readable by its owner only; raises StartupError."""
    folder = default_folder(environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"{folder}: cannot be created ({error.strerror}); set --state") from None


def open_ledger(url: str, *, clock: Clock | None = None) -> "MemoryLedger | SqliteLedger | RedisLedger":
    """Open the ledger at `memory:`, `sqlite:///absolute/path` or `redis://HOST`.

    A SQLite file is created if it is missing, its folder is not: after a typo spend would begin at zero.
    Raises StartupError for another URL, a missing folder, and a file that cannot be written or is no ledger.
    An unreachable Redis is no error here: local models do not need it.
    """
    if url == "memory:":
        return MemoryLedger(clock=clock)
    if url.startswith(REDIS):
        return _open_redis(url, clock)
    path = file_of(url)
    try:
        file = open_file(path)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(
            f"state {url!r}: cannot be used as a ledger ({error}); use a file that can be written"
        ) from error
    if file.is_new:
        _log.info("ledger.begins", state=url, spent_usd=0.0)
    return SqliteLedger(file, clock=clock)


def file_of(url: str) -> Path:
    """Return the path of `sqlite:///absolute/path`; raises StartupError for other URLs or no folder."""
    path = _path_of(url)
    if not url.startswith(SQLITE) or not path.is_absolute():
        raise StartupError(f"state {url!r}: write memory:, sqlite:///absolute/path or redis://HOST")
    if not path.parent.is_dir():
        raise StartupError(f"state {url!r}: there is no folder {path.parent}; create it, or correct the path")
    return path


def _path_of(url: str) -> Path:
    return Path(url.removeprefix(SQLITE))


def _open_redis(url: str, clock: Clock | None) -> "RedisLedger":
    # The URL may hold a password, so no message shows it.
    require("redis", because="state redis: needs the Redis client")
    from gateway.ledger.redis import RedisLedger

    # A fake clock of a test cannot be compared with the server's clock.
    is_real = clock is None or isinstance(clock, SystemClock)
    try:
        return RedisLedger(url, clock=clock, max_skew_s=TOLERATED_S if is_real else None)
    except ValueError:
        raise StartupError("state redis: not a URL; write redis://HOST:PORT/DATABASE") from None
