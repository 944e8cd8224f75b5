"""What a gateway process is told by flags and environment: one value per concern, made once and checked.

What is wrong with a value is a StartupError that names its flag. No module here loads gRPC: the parent of
several workers takes the same settings, and must not.
"""

from dataclasses import dataclass
from pathlib import Path

from gateway.domain.address import Address, ListenSettings
from gateway.errors import StartupError
from gateway.policy.loading.air_gap import refuse_beyond_this_host
from gateway.server.admin.address import parse_admin
from gateway.telemetry.logs import LogFormat
from gateway.telemetry.traces import check_endpoint

ADMIN_OFF = "off"
"""What `--admin` says where there is to be no admin service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """PEM files; a client authority means that callers need a certificate of it."""

    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise StartupError("--tls-cert and --tls-key go together")
        if self.client_ca is not None and self.cert is None:
            raise StartupError("--tls-client-ca needs --tls-cert and --tls-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """How callers say who they are."""

    keys: Path | None = None
    """The file of API keys."""
    trust_tenant_header: bool = False
    guard_health: bool = False
    """Whether health and reflection need credentials, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Where the policy is, and which changes of it are taken."""

    path: Path
    shadow: Path | None = None
    """A second policy, which decides every request too, and does nothing."""
    watch: bool = False
    allow_loosening: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSettings:
    """What is kept: spend, and records of decisions."""

    url: str
    """Of the ledger; it may hold a password."""
    is_default: bool = False
    """Whether nobody named the ledger, so that its folder is made."""
    decisions: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What operators see."""

    metrics: Address | None = None
    """Where Prometheus reads; None: nowhere."""
    insecure_metrics: bool = False
    """Whether Prometheus may read from another host: the page has neither TLS nor a password."""
    admin: str | None = None
    """Where the admin service listens, as written; None: a private socket."""
    otlp: str | None = None
    """The collector of traces."""
    own_traces: bool = False
    log_format: LogFormat | None = None

    def __post_init__(self) -> None:
        if self.admin not in (None, ADMIN_OFF):
            parse_admin(self.admin)
        if self.metrics is not None and not (self.metrics.is_loopback or self.insecure_metrics):
            raise StartupError(
                f"--metrics {self.metrics.target}: reaches beyond this host, and the page has neither TLS nor"
                " a password; say --insecure-metrics if that is meant"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """All that `gateway serve` was told."""

    listen: ListenSettings
    """Of gRPC; bounds of time and size hold for HTTP too."""
    tls: TlsSettings
    auth: AuthSettings
    policy: PolicySettings
    state: StateSettings
    telemetry: TelemetrySettings
    http: Address | None = None
    """Where calls over HTTP are taken; None: nowhere."""
    workers: int = 1
    insecure: bool = False
    """Whether calls from other hosts are taken without TLS and credentials."""
    air_gap: bool = False
    """Whether no connection may leave this host."""

    def __post_init__(self) -> None:
        """Raise StartupError for settings that contradict each other, or open more than was meant."""
        self._check_air_gap()
        self._check_callers()
        if self.workers > 1:
            self._check_workers()

    @property
    def addresses(self) -> dict[str, Address]:
        """Where calls are taken, by the flag that says so."""
        grpc = {"--listen": self.listen.address}
        return grpc if self.http is None else grpc | {"--http": self.http}

    @property
    def end_within_s(self) -> float:
        """How long the process may take from SIGTERM to its end."""
        return self.listen.drain_s + self.listen.grace_s

    def _check_air_gap(self) -> None:
        if self.air_gap:
            hosts = {flag: address.host for flag, address in self.addresses.items()}
            if self.telemetry.metrics is not None:
                hosts["--metrics"] = self.telemetry.metrics.host
            refuse_beyond_this_host(hosts=hosts, state_url=self.state.url)
        if self.telemetry.otlp is not None:
            check_endpoint(self.telemetry.otlp, air_gap=self.air_gap)

    def _check_callers(self) -> None:
        has_credentials = self.auth.keys is not None or self.tls.client_ca is not None
        if self.auth.trust_tenant_header and has_credentials:
            raise StartupError(
                "--trust-tenant-header does not go with --keys or --tls-client-ca: who is to be believed?"
            )
        if self.auth.guard_health and not has_credentials:
            raise StartupError(
                "--guard-health needs --keys or --tls-client-ca: nobody has credentials to show"
            )
        is_guarded = has_credentials and self.tls.cert is not None
        for flag, address in self.addresses.items():
            if not (address.is_loopback or is_guarded or self.insecure):
                raise StartupError(
                    f"{flag} {address.target}: reaches beyond this host without TLS and keys (or client"
                    " certificates); say --insecure if that is meant"
                )

    def _check_workers(self) -> None:
        for flag, address in self.addresses.items():
            if address.path is not None:
                raise StartupError(
                    f"--workers {self.workers}: a unix socket cannot be shared; choose HOST:PORT for {flag}"
                )
        if self.state.url.startswith("memory:"):
            raise StartupError(
                f"--workers {self.workers}: memory: is not shared; choose sqlite:///PATH for --state"
            )
