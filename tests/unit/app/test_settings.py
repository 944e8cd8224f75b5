"""The settings of `gateway serve`: what contradicts, or opens more than was meant, cannot be made."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from gateway.app.settings import (
    AuthSettings,
    PolicySettings,
    ServeSettings,
    StateSettings,
    TelemetrySettings,
    TlsSettings,
)
from gateway.domain.address import Address, ListenSettings
from gateway.errors import StartupError

EVERYWHERE = Address("0.0.0.0", 50051)
PAGE = Address("0.0.0.0", 9464)
TLS = TlsSettings(cert=Path("cert.pem"), key=Path("key.pem"))
KEYS = AuthSettings(keys=Path("keys.txt"))
PLAIN = ServeSettings(
    listen=ListenSettings(address=Address("127.0.0.1", 50051)),
    tls=TlsSettings(),
    auth=AuthSettings(),
    policy=PolicySettings(path=Path("policy.yaml")),
    state=StateSettings(url="sqlite:///ledger.db"),
    telemetry=TelemetrySettings(),
)
SOCKET = ListenSettings(address=Address("localhost", 0, Path("/run/gateway.sock")))
OPENED = TelemetrySettings(metrics=PAGE, insecure_metrics=True)
OPEN = replace(PLAIN, listen=ListenSettings(address=EVERYWHERE), insecure=True)


@pytest.mark.parametrize(
    ("base", "changes", "named"),
    [
        (PLAIN, {"listen": ListenSettings(address=EVERYWHERE)}, "--listen 0.0.0.0:50051: .*--insecure"),
        (PLAIN, {"listen": ListenSettings(address=EVERYWHERE), "tls": TLS}, "--listen 0.0.0.0:50051"),
        (PLAIN, {"listen": ListenSettings(address=EVERYWHERE), "auth": KEYS}, "--listen 0.0.0.0:50051"),
        (PLAIN, {"auth": AuthSettings(guard_health=True)}, "--guard-health"),
        (PLAIN, {"auth": replace(KEYS, trust_tenant_header=True)}, "--trust-tenant-header"),
        (PLAIN, {"workers": 2, "state": StateSettings(url="memory:")}, "--workers 2: memory: is not shared"),
        (PLAIN, {"workers": 2, "listen": SOCKET}, "--workers 2"),
        (OPEN, {"air_gap": True}, "--listen 0.0.0.0"),
        (PLAIN, {"air_gap": True, "telemetry": OPENED}, "--metrics"),
        (PLAIN, {"air_gap": True, "telemetry": TelemetrySettings(otlp="http://collector:4317")}, "--otlp"),
        (PLAIN, {"telemetry": TelemetrySettings(otlp="collector")}, "--otlp: must be"),
    ],
)  # fmt: skip
def test_settings_that_contradict_are_refused_by_flag(
    base: ServeSettings, changes: dict[str, object], named: str
) -> None:
    """One line, with the flag that is wrong."""
    with pytest.raises(StartupError, match=named) as refused:
        replace(base, **changes)  # type: ignore[arg-type]  # A table of several types.
    assert "\n" not in str(refused.value)


def test_metrics_and_calls_are_opened_by_a_flag_each() -> None:
    """`--insecure` opens the port for calls alone, and `--insecure-metrics` the page of metrics alone."""
    with pytest.raises(StartupError, match=r"--metrics 0\.0\.0\.0:9464: .* say --insecure-metrics"):
        replace(OPEN, telemetry=TelemetrySettings(metrics=PAGE))
    with pytest.raises(StartupError, match=r"--listen 0\.0\.0\.0:50051"):
        replace(PLAIN, telemetry=OPENED, listen=OPEN.listen)
    assert replace(PLAIN, telemetry=OPENED).telemetry.metrics == PAGE
    assert replace(PLAIN, listen=OPEN.listen, tls=TLS, auth=KEYS).listen.address == EVERYWHERE


@pytest.mark.parametrize("admin", ["0.0.0.0:1", "nowhere"])
def test_an_admin_address_that_others_reach_is_refused(admin: str) -> None:
    """Before anything is opened, and by one process."""
    with pytest.raises(StartupError, match="--admin"):
        TelemetrySettings(admin=admin)
    assert TelemetrySettings(admin="off").admin == "off"


def test_the_parent_of_workers_gets_the_same_settings() -> None:
    """They travel as JSON, whole."""
    adapter = TypeAdapter(ServeSettings)
    told = replace(
        PLAIN,
        tls=TLS,
        auth=KEYS,
        telemetry=TelemetrySettings(metrics=Address("::1", 9464), log_format="json"),
        workers=4,
    )
    assert adapter.validate_json(adapter.dump_json(told)) == told
