"""`gateway serve`: run the gateway until a signal ends it."""

from gateway.app.serve import ServeSettings, run
from gateway.cli import serve_flags as flags


def serve(
    policy: flags.Policy = None,
    listen: flags.Listen = "127.0.0.1:50051",
    state: flags.State = None,
    insecure: flags.Insecure = False,
    air_gap: flags.AirGap = False,
    trust_tenant_header: flags.TrustTenantHeader = False,
    keys: flags.Keys = None,
    tls_cert: flags.TlsCert = None,
    tls_key: flags.TlsKey = None,
    tls_client_ca: flags.TlsClientCa = None,
    guard_health: flags.GuardHealth = False,
    max_request_bytes: flags.MaxRequestBytes = 1024 * 1024,
    workers: flags.Workers = 1,
    metrics: flags.Metrics = None,
    admin: flags.Admin = None,
    otlp: flags.Otlp = None,
    own_traces: flags.OwnTraces = False,
    drain_s: flags.DrainS = 5.0,
    grace_s: flags.GraceS = 30.0,
    watch_policy: flags.WatchPolicy = False,
    allow_loosening: flags.AllowLoosening = False,
    decisions: flags.Decisions = None,
    shadow: flags.Shadow = None,
    log_format: flags.LogFormat = None,
) -> None:
    """Run the gateway.

    SIGTERM drains: health says NOT_SERVING, then no new calls, then calls in flight to their end, then the
    engines. Ctrl-C does the same without the first wait; a second Ctrl-C ends immediately. SIGHUP reloads the
    policy and the keys: what is wrong, or allows more than before, is refused and changes nothing.

    Example: gateway serve --policy policies/default.yaml --listen 127.0.0.1:50051
    """
    run(ServeSettings(**locals()))  # Nothing but the flags is local yet.
