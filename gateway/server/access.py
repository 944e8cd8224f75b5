"""Who is calling: the tenant from an API key, a client certificate or a trusted header."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import Unauthenticated
from gateway.server.key_file import KeyFile
from gateway.server.tls import TlsFiles
from gateway.server.validation.request import IDENTIFIER, check_identifier

DEFAULT_TENANT = "default"
_BEARER = re.compile(r"\A\s*bearer\s+", re.ASCII | re.IGNORECASE)
"""The scheme before a key, whose case RFC 9110 leaves to the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a call shows of who makes it, whatever the transport."""

    headers: Mapping[str, str]
    """By their names in lower case; of one that comes several times the first."""
    common_name: str = ""
    """Of the client certificate that the connection was opened with; "" without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who makes a call: for budgets, limits, records and the log."""

    tenant: str
    key_name: str = ""
    """The name of the API key that came with it; "": without one, or the key has no name."""


TenantRule = Callable[[Caller], Identity]
"""Says who makes a call; raises Unauthenticated or InvalidRequest."""


def anyone(_: Caller) -> Identity:
    """Without authentication every call is of one tenant."""
    return Identity(tenant=DEFAULT_TENANT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call a gateway, and how the connection is encrypted."""

    tenant_of: TenantRule = anyone
    tls: TlsFiles | None = None
    """None: not encrypted."""
    guards_health: bool = False
    """Whether health and reflection, too, are only for callers with valid credentials."""
    keys: KeyFile | None = None
    """The API keys, which are read again when their file changes; None: there are none."""

    @property
    def guard(self) -> TenantRule | None:
        """Who may ask for health; None: everybody."""
        return self.tenant_of if self.guards_health else None

    @property
    def tells_callers_apart(self) -> bool:
        """Whether calls may be of several tenants."""
        return self.tenant_of is not anyone


def by_header(caller: Caller) -> Identity:
    """Take the tenant from `x-tenant`, which a proxy in front has to set."""
    value = caller.headers.get("x-tenant")
    if value is None:
        return Identity(tenant=DEFAULT_TENANT)
    check_identifier("x-tenant", value)
    return Identity(tenant=value)


def by_credentials(*, keys: KeyFile | None, takes_certificates: bool) -> TenantRule:
    """Take the tenant of the API key, else the common name of the client's certificate."""

    def identity(caller: Caller) -> Identity:
        key = None if keys is None else _key_of(caller)
        if keys is not None and key is not None:
            found = keys.entry_of(key)
            if found is None:
                raise Unauthenticated("the API key is unknown or has expired")
            return Identity(tenant=found.tenant, key_name=found.name)
        if takes_certificates:
            return Identity(tenant=_certificate_tenant(caller.common_name))
        raise Unauthenticated("an API key is needed: authorization: Bearer KEY, or x-api-key: KEY")

    return identity


def _key_of(caller: Caller) -> str | None:
    """Return the API key that a call shows, None without one; raises Unauthenticated for two that differ."""
    shown = [caller.headers[name] for name in ("authorization", "x-api-key") if name in caller.headers]
    keys = {_BEARER.sub("", value, count=1).strip() for value in shown}
    if len(keys) > 1:
        raise Unauthenticated("authorization and x-api-key carry two different keys: send one of them")
    return keys.pop() if keys else None


def _certificate_tenant(common_name: str) -> str:
    if not IDENTIFIER.fullmatch(common_name):
        raise Unauthenticated("the certificate's common name is no tenant: [A-Za-z0-9._:-]{1,64}")
    return common_name
