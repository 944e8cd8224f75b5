"""The flags of `gateway serve` and their environment variables: settings of the process, not policy."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.telemetry import logs

Policy = Annotated[
    Path | None,
    typer.Option(envvar="GATEWAY_POLICY", help="The policy; default: the packaged one, edge only."),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Instead of a policy: answer with this GGUF file on this host."),
]
Cloud = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Instead of a policy: answer with this model of OpenAI's API, whose key is in OPENAI_API_KEY. "
        "With --model, private requests stay on this host.",
    ),
]
Price = Annotated[
    str | None,
    typer.Option(
        metavar="IN,OUT", help="The price of a million tokens of --cloud in US dollars, as in 0.25,2.00."
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The URL of --cloud, if not OpenAI: a compatible API."),
]
ShowPolicy = Annotated[bool, typer.Option("--show-policy", help="Print the policy that would run, and exit.")]
Listen = Annotated[
    str,
    typer.Option(
        envvar="GATEWAY_LISTEN",
        metavar="ADDRESS",
        help="The address: HOST:PORT (port 0: any free one) or unix:PATH.",
    ),
]
State = Annotated[
    str | None,
    typer.Option(
        envvar="GATEWAY_STATE",
        metavar="URL",
        help="The store of spend: memory:, sqlite:///PATH, redis://HOST; default: under XDG_STATE_HOME.",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", envvar="GATEWAY_INSECURE", help="Accept calls from other hosts without TLS and keys."
    ),
]
AirGap = Annotated[
    bool,
    typer.Option(
        "--air-gap",
        envvar="GATEWAY_AIR_GAP",
        help="Allow no connection to another host: refuse any such address in the policy or a flag.",
    ),
]
TrustTenantHeader = Annotated[
    bool,
    typer.Option(
        "--trust-tenant-header",
        envvar="GATEWAY_TRUST_TENANT_HEADER",
        help="Take the tenant from the metadata x-tenant; only behind a proxy that sets it.",
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEWAY_KEYS",
        metavar="FILE",
        help="Callers need an API key of this file; see gateway keys new. SIGHUP reloads it.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(envvar="GATEWAY_TLS_CERT", metavar="FILE", help="PEM chain; reloaded when it changes."),
]
TlsKey = Annotated[
    Path | None, typer.Option(envvar="GATEWAY_TLS_KEY", metavar="FILE", help="PEM key of the chain.")
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEWAY_TLS_CLIENT_CA",
        metavar="FILE",
        help="Callers need a certificate of this authority; its common name is the tenant.",
    ),
]
GuardHealth = Annotated[
    bool,
    typer.Option(
        "--guard-health",
        envvar="GATEWAY_GUARD_HEALTH",
        help="Health and reflection need a key or certificate too; default: open to all that reach the port.",
    ),
]
MaxRequestBytes = Annotated[
    int,
    typer.Option(
        envvar="GATEWAY_MAX_REQUEST_BYTES", metavar="BYTES", min=1024, help="Larger requests are refused."
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        envvar="GATEWAY_WORKERS",
        metavar="N",
        min=1,
        max=256,
        help="Processes that share the port and the engines.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        envvar="GATEWAY_METRICS",
        metavar="HOST:PORT",
        help="The address of /metrics for Prometheus, as in 127.0.0.1:9464; default: none.",
    ),
]
InsecureMetrics = Annotated[
    bool,
    typer.Option(
        "--insecure-metrics",
        envvar="GATEWAY_INSECURE_METRICS",
        help="Let --metrics reach beyond this host: the page has neither TLS nor a password.",
    ),
]
Admin = Annotated[
    str | None,
    typer.Option(
        envvar="GATEWAY_ADMIN",
        metavar="ADDRESS",
        help="Where gateway status asks: unix:PATH, a loopback HOST:PORT, or off; default: a private one.",
    ),
]
Otlp = Annotated[
    str | None,
    typer.Option(
        envvar="GATEWAY_OTLP",
        metavar="URL",
        help="Send traces to this OpenTelemetry collector (gRPC), as in http://127.0.0.1:4317.",
    ),
]
OwnTraces = Annotated[
    bool,
    typer.Option(
        "--own-traces",
        envvar="GATEWAY_OWN_TRACES",
        help="With --otlp: start a trace for each call, so that providers get no id of the caller.",
    ),
]
DrainS = Annotated[
    float,
    typer.Option(
        envvar="GATEWAY_DRAIN_S",
        metavar="SECONDS",
        min=0,
        help="After SIGTERM: report NOT_SERVING for this long first.",
    ),
]
GraceS = Annotated[
    float,
    typer.Option(
        envvar="GATEWAY_GRACE_S",
        metavar="SECONDS",
        min=0,
        help="After that: how long calls in flight may continue.",
    ),
]
WatchPolicy = Annotated[
    bool,
    typer.Option(
        "--watch-policy", envvar="GATEWAY_WATCH_POLICY", help="Reload the policy when its file changes."
    ),
]
AllowLoosening = Annotated[
    bool,
    typer.Option(
        "--allow-loosening",
        envvar="GATEWAY_ALLOW_LOOSENING",
        help="Let a reload accept a policy that allows more than the running one.",
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEWAY_DECISIONS",
        metavar="FILE",
        help="Record every decision here, one line each; see gateway records verify.",
    ),
]
Shadow = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEWAY_SHADOW",
        metavar="FILE",
        help="A second policy that also decides every request, without effect: differences are recorded.",
    ),
]
LogFormat = Annotated[
    logs.LogFormat | None,
    typer.Option(envvar="GATEWAY_LOG_FORMAT", help="Default: text on a terminal, else json."),
]
