"""`gateway serve`: run the gateway until a signal ends it."""

import os

from gateway.app.policy_of_flags import model_flags, policy_of_flags, shown_policy
from gateway.app.serve import ServeSettings, run
from gateway.cli import serve_flags as flags


def serve(
    policy: flags.Policy = None,
    model: flags.Model = None,
    cloud: flags.Cloud = None,
    price: flags.Price = None,
    base_url: flags.BaseUrl = None,
    show_policy: flags.ShowPolicy = False,
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

    Example: gateway serve --model model.gguf --cloud gpt-5-mini --price 0.25,2.00
    """
    models = model_flags(policy, model=model, cloud=cloud, price=price, base_url=base_url)
    if show_policy:
        print(shown_policy(policy, models), end="")
        return
    if models is not None:
        policy = policy_of_flags(models, os.environ)
    flag_values = locals()
    run(ServeSettings(**{name: flag_values[name] for name in ServeSettings.__dataclass_fields__}))
