"""`gateway serve`: run the gateway until a signal ends it."""

import os
from collections.abc import Mapping
from pathlib import Path

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
from gateway.cli.option_groups import with_groups
from gateway.cli.serve_flags import ServeFlags
from gateway.domain.address import ListenSettings, parse_address, parse_listen
from gateway.ledger.open import default_ledger_url
from gateway.policy.loading.load import default_policy_path


@with_groups
def serve(flags: ServeFlags) -> None:
    """Run the gateway.

    SIGTERM drains: health reports NOT_SERVING, then no new calls are taken, calls in flight end, and the
    engines stop. Ctrl-C does the same without the first wait; a second Ctrl-C ends immediately. SIGHUP
    reloads policy and keys: a file that is wrong, or allows more than before, is refused and changes nothing.

    Example: gateway serve --policy policies/default.yaml --listen 127.0.0.1:50051

    Example: gateway serve --model model.gguf --cloud gpt-5-mini --price 0.25,2.00
    """
    models = model_flags(
        flags.policy, model=flags.model, cloud=flags.cloud, price=flags.price, base_url=flags.base_url
    )
    if flags.show_policy:
        print(shown_policy(flags.policy, models), end="")
    else:
        policy = flags.policy if models is None else policy_of_flags(models, os.environ)
        run(_settings(flags, policy or default_policy_path(), os.environ))


def _settings(flags: ServeFlags, policy: Path, environ: Mapping[str, str]) -> ServeSettings:
    """Return the settings, one value for each concern; raises StartupError for flags that do not fit."""
    metrics = None if flags.metrics is None else parse_address(flags.metrics, flag="--metrics")
    return ServeSettings(
        listen=ListenSettings(
            address=parse_listen(flags.listen),
            max_request_bytes=flags.max_request_bytes,
            drain_s=flags.drain_s,
            grace_s=flags.grace_s,
        ),
        tls=TlsSettings(cert=flags.tls_cert, key=flags.tls_key, client_ca=flags.tls_client_ca),
        auth=AuthSettings(
            keys=flags.keys,
            trust_tenant_header=flags.trust_tenant_header,
            guard_health=flags.guard_health,
        ),
        policy=PolicySettings(
            path=policy,
            shadow=flags.shadow,
            watch=flags.watch_policy,
            allow_loosening=flags.allow_loosening,
        ),
        state=StateSettings(
            url=flags.state or default_ledger_url(environ),
            is_default=flags.state is None,
            decisions=flags.decisions,
        ),
        telemetry=TelemetrySettings(
            metrics=metrics,
            insecure_metrics=flags.insecure_metrics,
            admin=flags.admin,
            otlp=flags.otlp,
            own_traces=flags.own_traces,
            log_format=flags.log_format,
        ),
        http=None if flags.http is None else parse_listen(flags.http, flag="--http"),
        workers=flags.workers,
        insecure=flags.insecure,
        air_gap=flags.air_gap,
    )
