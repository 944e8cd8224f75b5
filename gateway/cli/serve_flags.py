"""The flags of `gateway serve` and their environment variables: settings of the process, not policy."""

from dataclasses import dataclass
from pathlib import Path

from gateway.cli.option_groups import option, setting
from gateway.telemetry.logs import LogFormat

AIR_GAP_TEXT = "Allow no connection to another host: refuse any such address in the policy or a flag."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeFlags:
    """One field for each flag, in the order of the reference."""

    policy: Path | None = setting(None, None, "The policy; default: the packaged one, edge only.")
    model: str | None = option(
        None, "FILE", "Instead of a policy: answer with this GGUF file on this host, or with builtin:NAME."
    )
    cloud: str | None = option(
        None,
        "MODEL",
        "Instead of a policy: answer with this model of OpenAI's API, whose key is in OPENAI_API_KEY. "
        "With --model, private requests stay on this host.",
    )
    price: str | None = option(
        None,
        "IN,OUT",
        "The price of a million tokens of --cloud in US dollars, as in 0.25,2.00.",
    )
    base_url: str | None = option(None, "URL", "The URL of --cloud, if not OpenAI: a compatible API.")
    show_policy: bool = option(False, None, "Print the policy that would run, and exit.")
    listen: str = setting(
        "127.0.0.1:50051", "ADDRESS", "The address: HOST:PORT (port 0: any free one) or unix:PATH."
    )
    http: str | None = setting(
        None,
        "ADDRESS",
        "Serve the HTTP dialects of OpenAI and Anthropic here, as in 127.0.0.1:8080; default: not at all.",
    )
    state: str | None = setting(
        None,
        "URL",
        "The store of spend: memory:, sqlite:///PATH, redis://HOST; default: under XDG_STATE_HOME.",
    )
    insecure: bool = setting(False, None, "Accept calls from other hosts without TLS and keys.")
    air_gap: bool = setting(False, None, AIR_GAP_TEXT)
    trust_tenant_header: bool = setting(
        False, None, "Take the tenant from the metadata x-tenant; only behind a proxy that sets it."
    )
    keys: Path | None = setting(
        None, "FILE", "Callers need an API key of this file; see gateway keys. Changes are taken."
    )
    tls_cert: Path | None = setting(None, "FILE", "PEM chain; reloaded when it changes.")
    tls_key: Path | None = setting(None, "FILE", "PEM key of the chain.")
    tls_client_ca: Path | None = setting(
        None, "FILE", "Callers need a certificate of this authority; its common name is the tenant."
    )
    guard_health: bool = setting(
        False,
        None,
        "Health and reflection need a key or certificate too; default: open to all that reach the port.",
    )
    max_request_bytes: int = setting(1024 * 1024, "BYTES", "Larger requests are refused.", min=1024)
    workers: int = setting(1, "N", "Processes that share the port and the engines.", min=1, max=256)
    metrics: str | None = setting(
        None, "HOST:PORT", "The address of /metrics for Prometheus, as in 127.0.0.1:9464; default: none."
    )
    insecure_metrics: bool = setting(
        False, None, "Let --metrics reach beyond this host: the page has neither TLS nor a password."
    )
    admin: str | None = setting(
        None,
        "ADDRESS",
        "Where gateway status asks: unix:PATH, a loopback HOST:PORT, or off; default: a private one.",
    )
    otlp: str | None = setting(
        None, "URL", "Send traces to this OpenTelemetry collector (gRPC), as in http://127.0.0.1:4317."
    )
    own_traces: bool = setting(
        False, None, "With --otlp: start a trace for each call, so that providers get no id of the caller."
    )
    drain_s: float = setting(5.0, "SECONDS", "After SIGTERM: report NOT_SERVING for this long first.", min=0)
    grace_s: float = setting(30.0, "SECONDS", "After that: how long calls in flight may continue.", min=0)
    watch_policy: bool = setting(False, None, "Reload the policy when its file changes.")
    allow_loosening: bool = setting(
        False, None, "Let a reload accept a policy that allows more than the running one."
    )
    decisions: Path | None = setting(
        None, "FILE", "Record every decision here, one line each; see gateway records verify."
    )
    shadow: Path | None = setting(
        None,
        "FILE",
        "A second policy that also decides every request, without effect: differences are recorded.",
    )
    log_format: LogFormat | None = setting(None, None, "Default: text on a terminal, else json.")
