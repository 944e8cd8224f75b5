"""Who is calling: the tenant from an API key, a client certificate or a trusted header."""

import datetime
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.errors import StartupError, Unauthenticated
from gateway.server.tls import TlsFiles
from gateway.server.validation.request import IDENTIFIER, check_identifier

DEFAULT_TENANT = "default"
KEY_BYTES = 32
"""Of randomness in a key, so that a plain SHA-256 of it cannot be turned back."""


KEY_HEADERS = ("authorization", "x-api-key", "api-key")
"""Where clients show a key; the last one is that of Azure's."""
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})\s+(?P<tenant>\S+)(?:\s+(?P<expires>\S+))?", re.ASCII)
_BEARER = re.compile(r"\A\s*bearer\s+", re.ASCII | re.IGNORECASE)
"""The scheme before a key, whose case RFC 9110 leaves to the client."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a call shows of who makes it, whatever the transport."""

    headers: Mapping[str, str]
    """By their names in lower case; of one that comes several times the first."""
    common_name: str = ""
    """Of the client certificate that the connection was opened with; "" without one."""


TenantRule = Callable[[Caller], str]
"""Names the tenant of a call; raises Unauthenticated or InvalidRequest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key by its hash: whose it is, and until when (seconds since 1970; None: no end)."""

    digest: bytes
    tenant: str
    expires_unix_s: float | None


def parse_keys(text: str, *, name: str) -> Mapping[bytes, KeyEntry]:
    """Read a file of keys, `SHA256 TENANT [YYYY-MM-DD]` a line; raises StartupError with the line."""
    entries: dict[bytes, KeyEntry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        entry = _parse_line(written, place=f"{name}:{number}")
        if entry.digest in entries:
            raise StartupError(f"{name}:{number}: this key appears in an earlier line already")
        entries[entry.digest] = entry
    return entries


def _parse_line(line: str, *, place: str) -> KeyEntry:
    found = _LINE.fullmatch(line)
    if not found:
        raise StartupError(
            f"{place}: must be the SHA-256 of a key, a tenant and optionally a date YYYY-MM-DD"
        )
    if not IDENTIFIER.fullmatch(found["tenant"]):
        raise StartupError(f"{place}: the tenant must match [A-Za-z0-9._:-]{{1,64}}")
    expires_unix_s = None
    if found["expires"]:
        expires_unix_s = end_of_day(found["expires"], place=place)
    return KeyEntry(
        digest=bytes.fromhex(found["digest"]), tenant=found["tenant"], expires_unix_s=expires_unix_s
    )


def end_of_day(date: str, *, place: str) -> float:
    """Return the end of the day YYYY-MM-DD in UTC, in seconds since 1970; raises StartupError."""
    try:
        day = datetime.datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise StartupError(f"{place}: {date[:32]!r} is not a date YYYY-MM-DD") from None
    return (day + datetime.timedelta(days=1)).timestamp()


def new_key(tenant: str, *, expires: str | None = None) -> tuple[str, str]:
    """Return a fresh key and the line for the file; the key is kept nowhere else."""
    if not IDENTIFIER.fullmatch(tenant):
        raise StartupError(f"{tenant[:64]!r}: a tenant must match [A-Za-z0-9._:-]{{1,64}}")
    if expires is not None:
        end_of_day(expires, place="--expires")
    key = f"gw_{secrets.token_urlsafe(KEY_BYTES)}"
    line = " ".join(filter(None, (hashlib.sha256(key.encode()).hexdigest(), tenant, expires)))
    return key, line


class KeyFile:
    """The keys that are valid now; `reload` reads the file again, and keeps the old ones if it is wrong."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._entries = self._read()

    def _read(self) -> Mapping[bytes, KeyEntry]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8"
            raise StartupError(f"--keys {self._path}: {reason}") from None
        return parse_keys(text, name=str(self._path))

    def reload(self) -> None:
        """Read the file again; a file that is wrong changes nothing and is one line in the log."""
        try:
            self._entries = self._read()
        except StartupError as error:
            _log.error("keys.refused", error=str(error))
        else:
            _log.info("keys.loaded", keys=len(self._entries))

    def tenant_of(self, key: str) -> str | None:
        """Return whose key this is; None for one that is unknown or has expired."""
        digest = hashlib.sha256(key.encode()).digest()
        entry = self._entries.get(digest)
        # The lookup is by hash, so its time says nothing about a key; the comparison is constant anyway.
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        if entry.expires_unix_s is not None and self._clock.unix_s() >= entry.expires_unix_s:
            return None
        return entry.tenant


def anyone(_: Caller) -> str:
    """Without authentication every call is of one tenant."""
    return DEFAULT_TENANT


def _nothing() -> None:
    """There are no keys to read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call a gateway, and how the connection is encrypted."""

    tenant_of: TenantRule = anyone
    tls: TlsFiles | None = None
    """None: not encrypted."""
    guards_health: bool = False
    """Whether health and reflection, too, are only for callers with valid credentials."""
    read_keys: Callable[[], None] = _nothing
    """Reads the file of keys again."""

    @property
    def guard(self) -> TenantRule | None:
        """Who may ask for health; None: everybody."""
        return self.tenant_of if self.guards_health else None

    @property
    def tells_callers_apart(self) -> bool:
        """Whether calls may be of several tenants."""
        return self.tenant_of is not anyone


def by_header(caller: Caller) -> str:
    """Take the tenant from `x-tenant`, which a proxy in front has to set."""
    value = caller.headers.get("x-tenant")
    if value is None:
        return DEFAULT_TENANT
    check_identifier("x-tenant", value)
    return value


def by_credentials(*, keys: KeyFile | None, takes_certificates: bool) -> TenantRule:
    """Take the tenant of the API key, else the common name of the client's certificate."""

    def tenant(caller: Caller) -> str:
        key = None if keys is None else _key_of(caller)
        if keys is not None and key is not None:
            found = keys.tenant_of(key)
            if found is None:
                raise Unauthenticated("the API key is unknown or has expired")
            return found
        if takes_certificates:
            return _certificate_tenant(caller.common_name)
        raise Unauthenticated("an API key is needed: authorization: Bearer KEY, or x-api-key: KEY")

    return tenant


def _key_of(caller: Caller) -> str | None:
    """Return the API key that a call shows, None without one; raises Unauthenticated for two that differ."""
    shown = [caller.headers[name] for name in KEY_HEADERS if name in caller.headers]
    keys = {_BEARER.sub("", value, count=1).strip() for value in shown}
    if len(keys) > 1:
        raise Unauthenticated("two headers carry two different keys: send one of them")
    return keys.pop() if keys else None


def _certificate_tenant(common_name: str) -> str:
    if not IDENTIFIER.fullmatch(common_name):
        raise Unauthenticated("the certificate's common name is no tenant: [A-Za-z0-9._:-]{1,64}")
    return common_name
