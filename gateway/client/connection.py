"""Connection options of both clients: address, encryption, credentials, retries."""

from dataclasses import dataclass, field
from importlib.resources import files

import grpc

DEFAULT_TIMEOUT_S = 60.0
"""Default deadline of a call; equals the default of the policy's `resilience.deadline_s`."""
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Longest response that the client reads: 2048 vectors of 4096 dimensions are half of it."""
HEALTH_TIMEOUT_S = 5.0
"""Default deadline of a health check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """PEM contents: trusted authorities (None: those of the system), and the client certificate, if any.

    `name` is the name in the server's certificate where `target` differs, such as on the same host.
    """

    ca: bytes | None = None
    name: str | None = None
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the gRPC channel credentials."""
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
        # Prompts go to the named server only, not through http_proxy.
        ("grpc.enable_http_proxy", 0),
        # The vectors of 2048 texts are more than gRPC takes by default.
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    )


def call_metadata(*, tenant: str | None, api_key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of every call; `tenant` has an effect only with `--trust-tenant-header`."""
    tenant_header = (("x-tenant", tenant),) if tenant is not None else ()
    key_header = (("authorization", f"Bearer {api_key}"),) if api_key is not None else ()
    return (*tenant_header, *key_header)
