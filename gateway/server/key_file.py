"""The file of API keys: one line for each, with the key's hash; and the keys that are valid now."""

import datetime
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.errors import StartupError
from gateway.server.validation.request import IDENTIFIER

KEY_BYTES = 32
"""Of randomness in a key, so that a plain SHA-256 of it cannot be turned back."""
ID_DIGITS = 12
"""Hexadecimal digits of a key's hash by which operators name the key."""

_LINE = re.compile(
    r"(?P<digest>[0-9a-f]{64})\s+(?P<tenant>\S+)(?:\s+(?P<expires>[^\s=]+))?"
    r"(?:\s+name=(?P<name>\S+))?(?:\s+revoked=(?P<revoked>\S+))?",
    re.ASCII,
)
_IDENTIFIER_FORM = "[A-Za-z0-9._:-]{1,64}"
_TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"
_log = structlog.get_logger()


class KeyState(StrEnum):
    """Whether a key lets its caller in."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key by its hash: one line of the file."""

    digest: bytes
    tenant: str
    name: str = ""
    """What the policy, logs and records call it; several keys of a tenant may share a name."""
    expires: str = ""
    """As in the file: a day, YYYY-MM-DD, or a moment in UTC, YYYY-MM-DDTHH:MM:SSZ; "": no end."""
    expires_unix_s: float | None = None
    revoked: str = ""
    """When it was revoked; "": it is not. A mark for people: a revoked key is refused whatever the time."""

    @property
    def id(self) -> str:
        """What operators call it: no key can be found from it."""
        return self.digest.hex()[:ID_DIGITS]

    def state(self, unix_s: float) -> KeyState:
        """Return whether it lets its caller in at `unix_s`."""
        if self.revoked:
            return KeyState.REVOKED
        if self.expires_unix_s is not None and unix_s >= self.expires_unix_s:
            return KeyState.EXPIRED
        return KeyState.VALID

    def line(self) -> str:
        """Return its line of the file, without a line break."""
        fields = (
            self.digest.hex(),
            self.tenant,
            self.expires,
            self.name and f"name={self.name}",
            self.revoked and f"revoked={self.revoked}",
        )
        return " ".join(filter(None, fields))


def parse_keys(text: str, *, name: str) -> Mapping[bytes, KeyEntry]:
    """Read a file of keys; raises StartupError with the line.

    A line is `SHA256 TENANT [DATE] [name=NAME] [revoked=TIME]`.
    """
    entries: dict[bytes, KeyEntry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = parse_line(line, place=f"{name}:{number}")
        if entry is None:
            continue
        if entry.digest in entries:
            raise StartupError(f"{name}:{number}: this key appears in an earlier line already")
        entries[entry.digest] = entry
    return entries


def parse_line(line: str, *, place: str) -> KeyEntry | None:
    """Return the key of a line; None for a line of nothing but a comment. Raises StartupError."""
    written = line.partition("#")[0].strip()
    if not written:
        return None
    found = _LINE.fullmatch(written)
    if not found:
        raise StartupError(
            f"{place}: must be the SHA-256 of a key, a tenant and optionally a date YYYY-MM-DD, name=NAME, "
            "revoked=TIME, in this order"
        )
    expires, name, revoked = (found[field] or "" for field in ("expires", "name", "revoked"))
    _check_identifiers(found["tenant"], name, place=place)
    if revoked:
        end_unix_s(revoked, place=place)
    return KeyEntry(
        digest=bytes.fromhex(found["digest"]),
        tenant=found["tenant"],
        name=name,
        expires=expires,
        expires_unix_s=end_unix_s(expires, place=place) if expires else None,
        revoked=revoked,
    )


def _check_identifiers(tenant: str, name: str, *, place: str) -> None:
    """Raise StartupError for what cannot be a tenant, or the name of a key ("": none)."""
    if not IDENTIFIER.fullmatch(tenant):
        raise StartupError(f"{place}: the tenant must match {_IDENTIFIER_FORM}")
    if name and not IDENTIFIER.fullmatch(name):
        raise StartupError(f"{place}: the name must match {_IDENTIFIER_FORM}")


def end_unix_s(date: str, *, place: str) -> float:
    """Return when a day in UTC ends, or the moment that is written; raises StartupError.

    In seconds since 1970.
    """
    is_moment = "T" in date
    try:
        begins = datetime.datetime.strptime(date, _TIME_FORM if is_moment else "%Y-%m-%d")
        ends = begins if is_moment else begins + datetime.timedelta(days=1)
    except (ValueError, OverflowError):  # The day after the last one of year 9999.
        raise StartupError(f"{place}: {date[:32]!r} is not a date YYYY-MM-DD") from None
    return ends.replace(tzinfo=datetime.UTC).timestamp()


def written_time(unix_s: float) -> str:
    """Return a moment as the file has it, to the second."""
    return f"{datetime.datetime.fromtimestamp(unix_s, datetime.UTC):{_TIME_FORM}}"


def new_key(tenant: str, *, expires: str | None = None, name: str = "") -> tuple[str, KeyEntry]:
    """Return a fresh key and what the file has of it; the key is kept nowhere else."""
    _check_identifiers(tenant, name, place="the new key")
    key = f"gw_{secrets.token_urlsafe(KEY_BYTES)}"
    entry = KeyEntry(
        digest=hashlib.sha256(key.encode()).digest(),
        tenant=tenant,
        name=name,
        expires=expires or "",
        expires_unix_s=end_unix_s(expires, place="--expires") if expires else None,
    )
    return key, entry


def read_text(path: Path) -> str:
    """Return what a file of keys holds; raises StartupError."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise StartupError(f"--keys {path}: {reason}") from None


class KeyFile:
    """The keys that are valid now; a file that went wrong keeps the old ones."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        # Its stamp is taken first: what changes while it is read is read once more.
        self._seen = self._stamp()
        self._entries = self._read()
        self._turn = threading.Lock()

    def reload(self, *, only_if_changed: bool = False) -> None:
        """Read the file again; a file that is wrong changes nothing and is one line in the log.

        Threads that do this take turns, so that the keys are those of the latest read.
        """
        with self._turn:
            stamp = self._stamp()
            if only_if_changed and stamp == self._seen:
                return
            self._seen = stamp
            try:
                self._entries = self._read()
            except StartupError as error:
                _log.error("keys.refused", error=str(error))
            else:
                _log.info("keys.loaded", keys=len(self._entries))

    def entry_of(self, key: str) -> KeyEntry | None:
        """Return what the file has of a key; None for one that is unknown, revoked or expired."""
        digest = hashlib.sha256(key.encode()).digest()
        entry = self._entries.get(digest)
        # The lookup is by hash, so its time says nothing about a key; the comparison is constant anyway.
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        return entry if entry.state(self._clock.unix_s()) is KeyState.VALID else None

    def _read(self) -> Mapping[bytes, KeyEntry]:
        return parse_keys(read_text(self._path), name=str(self._path))

    def _stamp(self) -> tuple[int, ...]:
        try:
            stat = self._path.stat()
        except OSError:
            return ()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
