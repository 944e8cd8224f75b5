"""From the flags of `gateway serve` to who may call, and how it is encrypted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import StartupError
from gateway.server.grpc.api_keys import KeyFile, TenantRule, anyone, by_credentials, by_header
from gateway.server.grpc.tls import ServerTls, TlsFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is calling, and the encryption, if there is any."""

    tenant_of: TenantRule
    tls: ServerTls | None
    is_guarded: bool
    """Whether it may be reached from other hosts: encrypted, and callers have to prove who they are."""
    reload: Callable[[], None]
    """Reads the keys again."""


def access_of(
    *,
    keys: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    trust_tenant_header: bool,
    clock: Clock,
) -> Access:
    """Return what the flags ask for; raises StartupError for flags that clash and files that are wrong."""
    if (tls_cert is None) != (tls_key is None):
        raise StartupError("--tls-cert and --tls-key go together")
    if tls_client_ca is not None and tls_cert is None:
        raise StartupError("--tls-client-ca needs --tls-cert and --tls-key")
    if trust_tenant_header and (keys is not None or tls_client_ca is not None):
        raise StartupError(
            "--trust-tenant-header does not go with --keys or --tls-client-ca: who is to be believed?"
        )
    tls = None
    if tls_cert is not None and tls_key is not None:
        tls = ServerTls(TlsFiles(cert=tls_cert, key=tls_key, client_ca=tls_client_ca))
    key_file = None if keys is None else KeyFile(keys, clock=clock)
    if key_file is not None or tls_client_ca is not None:
        rule = by_credentials(keys=key_file, takes_certificates=tls_client_ca is not None)
        return Access(
            tenant_of=rule,
            tls=tls,
            is_guarded=tls is not None,
            reload=_nothing if key_file is None else key_file.reload,
        )
    rule = by_header if trust_tenant_header else anyone
    return Access(tenant_of=rule, tls=tls, is_guarded=False, reload=_nothing)


def _nothing() -> None:
    """There is nothing to read again."""
