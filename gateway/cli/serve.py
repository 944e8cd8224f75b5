"""`gateway serve`: run the gateway until a signal ends it."""

import os

from gateway.app.policy_of_flags import model_flags, policy_of_flags, shown_policy
from gateway.app.serve import run
from gateway.app.settings import (
    AuthSettings,
    PolicySettings,
    ServeSettings,
    StateSettings,
    TelemetrySettings,
    TlsSettings,
)
from gateway.cli import serve_flags as flags
from gateway.domain.address import ListenSettings, parse_address, parse_listen
from gateway.ledger.open import default_ledger_url
from gateway.policy.loading.load import default_policy_path


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
    insecure_metrics: flags.InsecureMetrics = False,
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

    SIGTERM drains: health reports NOT_SERVING, then no new calls are taken, calls in flight end, and the
    engines stop. Ctrl-C does the same without the first wait; a second Ctrl-C ends immediately. SIGHUP
    reloads policy and keys: a file that is wrong, or allows more than before, is refused and changes nothing.

    Example: gateway serve --policy policies/default.yaml --listen 127.0.0.1:50051

    Example: gateway serve --model model.gguf --cloud gpt-5-mini --price 0.25,2.00
    """
    models = model_flags(policy, model=model, cloud=cloud, price=price, base_url=base_url)
    if show_policy:
        print(shown_policy(policy, models), end="")
        return
    if models is not None:
        policy = policy_of_flags(models, os.environ)
    run(
        ServeSettings(
            listen=ListenSettings(
                address=parse_listen(listen),
                max_request_bytes=max_request_bytes,
                drain_s=drain_s,
                grace_s=grace_s,
            ),
            tls=TlsSettings(cert=tls_cert, key=tls_key, client_ca=tls_client_ca),
            auth=AuthSettings(keys=keys, trust_tenant_header=trust_tenant_header, guard_health=guard_health),
            policy=PolicySettings(
                path=policy or default_policy_path(),
                shadow=shadow,
                watch=watch_policy,
                allow_loosening=allow_loosening,
            ),
            state=StateSettings(
                url=state or default_ledger_url(os.environ), is_default=state is None, decisions=decisions
            ),
            telemetry=TelemetrySettings(
                metrics=None if metrics is None else parse_address(metrics, flag="--metrics"),
                insecure_metrics=insecure_metrics,
                admin=admin,
                otlp=otlp,
                own_traces=own_traces,
                log_format=log_format,
            ),
            workers=workers,
            insecure=insecure,
            air_gap=air_gap,
        )
    )
