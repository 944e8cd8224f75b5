"""How a client reaches a gateway: address, encryption, credentials, retries. Shared by both clients."""

from dataclasses import dataclass, field
from importlib.resources import files

import grpc

DEFAULT_TIMEOUT_S = 60.0
"""The deadline of a call that names none: the default of a policy's `resilience.deadline_s`."""
HEALTH_TIMEOUT_S = 5.0
"""The same for a question about health, which no model has to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """PEM contents: whom to trust (None: the system's authorities), and our own certificate, if any.

    `name` stands in the server's certificate where it is reached under another one, as on its own host.
    """

    ca: bytes | None = None
    name: str | None = None
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what gRPC connects with."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.cert)


def service_config() -> str:
    """Return the recommended service config, as JSON; docs/guides/write-a-client.md explains it."""
    return files("gateway.client").joinpath("service_config.json").read_text(encoding="utf-8")


def channel_options(tls: ClientTls | None = None) -> tuple[tuple[str, str | int], ...]:
    """Return the options of a channel to a gateway."""
    name = () if tls is None or tls.name is None else (("grpc.ssl_target_name_override", tls.name),)
    return (
        *name,
        ("grpc.service_config", service_config()),
        # A prompt goes to the server that the caller named, whatever http_proxy says.
        ("grpc.enable_http_proxy", 0),
    )


def call_metadata(*, tenant: str | None, api_key: str | None) -> tuple[tuple[str, str], ...]:
    """Return what every call carries; `tenant` counts only where a gateway trusts that header."""
    tenant_header = (("x-tenant", tenant),) if tenant is not None else ()
    key_header = (("authorization", f"Bearer {api_key}"),) if api_key is not None else ()
    return (*tenant_header, *key_header)
