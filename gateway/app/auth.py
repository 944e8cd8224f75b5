"""From the settings to who may call, and how it is encrypted."""

from gateway.app.settings import AuthSettings, TlsSettings
from gateway.clock import Clock
from gateway.server.access import Access, anyone, by_credentials, by_header
from gateway.server.key_file import KeyFile
from gateway.server.tls import TlsFiles


def access_of(tls: TlsSettings, auth: AuthSettings, *, clock: Clock) -> Access:
    """Return who may call; raises StartupError for a file that cannot be read, or is wrong."""
    encryption = None
    if tls.cert is not None and tls.key is not None:
        encryption = TlsFiles(cert=tls.cert, key=tls.key, client_ca=tls.client_ca)
        encryption.load()  # What is wrong with a file is said before anything starts.
    if auth.keys is None and tls.client_ca is None:
        return Access(tenant_of=by_header if auth.trust_tenant_header else anyone, tls=encryption)
    keys = None if auth.keys is None else KeyFile(auth.keys, clock=clock)
    return Access(
        tenant_of=by_credentials(keys=keys, takes_certificates=tls.client_ca is not None),
        tls=encryption,
        guards_health=auth.guard_health,
        keys=keys,
    )
