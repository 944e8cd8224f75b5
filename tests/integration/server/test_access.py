"""Who may call: API keys, client certificates, and the files behind them."""

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from gateway.app.auth import access_of
from gateway.app.settings import (
    AuthSettings,
    PolicySettings,
    ServeSettings,
    StateSettings,
    TelemetrySettings,
    TlsSettings,
)
from gateway.client.channel import GatewayClient
from gateway.client.connection import ClientTls
from gateway.client.failure import CallFailed
from gateway.client.prompt import prompt
from gateway.clock import SystemClock
from gateway.domain.address import Address, ListenSettings
from gateway.errors import StartupError, Unauthenticated
from gateway.server.access import Access, Caller, Identity, by_credentials
from gateway.server.key_file import KeyFile, new_key, parse_keys
from gateway.server.tls import TlsFiles
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.fakes import FakeClock
from tests.support.served import served

CLOCK = SystemClock()
DIGEST = hashlib.sha256(b"k").hexdigest()


def _backends() -> dict[str, ScriptedBackend]:
    return {name: ScriptedBackend(name, [reply("hi")]) for name in ("edge", "cloud")}


def _write_pair(folder: Path, certificate: trustme.LeafCert) -> TlsFiles:
    files = TlsFiles(cert=folder / "cert.pem", key=folder / "key.pem")
    files.cert.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    files.key.write_bytes(certificate.private_key_pem.bytes())
    return files


def _client_tls(ca: trustme.CA, certificate: trustme.LeafCert | None = None) -> ClientTls:
    if certificate is None:
        return ClientTls(ca=ca.cert_pem.bytes())
    return ClientTls(
        ca=ca.cert_pem.bytes(),
        cert=b"".join(part.bytes() for part in certificate.cert_chain_pems),
        key=certificate.private_key_pem.bytes(),
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("nonsense", "keys.txt:1"),
        (f"{DIGEST} a/b", "tenant"),
        (f"{DIGEST} acme 2027-13-01", "2027-13-01"),
        (f"# fine\n{DIGEST} acme\n{DIGEST} other", "keys.txt:3"),
        (f"{DIGEST} acme 2027-01-01 more", "keys.txt:1"),
        (f"{DIGEST} acme name=a/b", "name"),
        (f"{DIGEST} acme name=ci 2027-01-01", "in this order"),
        (f"{DIGEST} acme revoked=yes", "yes"),
        (f"{DIGEST} acme 9999-12-31", "9999-12-31"),
        (f"{DIGEST} acme 2027-01-01T25:00:00Z", "2027-01-01T25:00:00Z"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(text: str, wrong: str) -> None:
    """A file of keys is refused as a whole, with the line."""
    with pytest.raises(StartupError, match=wrong.replace("/", ".")):
        parse_keys(text, name="keys.txt")


def test_a_new_key_is_good_for_its_tenant_until_it_expires(tmp_path: Path) -> None:
    """The line that is printed lets the key in until the end of its last day, and no other key."""
    clock = FakeClock(unix_s=1_800_000_000.0)  # 2027-01-15
    key, entry = new_key("acme", expires="2027-01-15", name="ci")
    (tmp_path / "keys.txt").write_text(f"# a comment\n\n{entry.line()}  # of the shop\n")
    keys = KeyFile(tmp_path / "keys.txt", clock=clock)

    assert keys.entry_of(key) == entry
    assert keys.entry_of(key + "x") is None
    assert key not in entry.line()
    clock.advance(86_400)
    assert keys.entry_of(key) is None


def test_reloading_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    """A file that went wrong is one line in the log, without the line's text, and the old keys stay."""
    key, entry = new_key("acme")
    path = tmp_path / "keys.txt"
    path.write_text(entry.line())
    keys = KeyFile(path, clock=CLOCK)
    path.write_text("gw_secret acme")
    with capture_logs() as logs:
        keys.reload()

    assert keys.entry_of(key) == entry
    assert [event["event"] for event in logs] == ["keys.refused"]
    assert "gw_secret" not in str(logs)
    path.write_text("")
    keys.reload()
    assert keys.entry_of(key) is None


async def test_a_key_names_the_tenant_and_a_wrong_one_gets_nothing(tmp_path: Path) -> None:
    """With --keys a call without a key, or with a wrong one, is UNAUTHENTICATED and reaches no model."""
    key, entry = new_key("acme", name="ci")
    (tmp_path / "keys.txt").write_text(entry.line())
    keys = KeyFile(tmp_path / "keys.txt", clock=CLOCK)
    backends = _backends()
    rule = by_credentials(keys=keys, takes_certificates=False)
    with capture_logs() as logs:
        async with served(backends, tenant_of=rule) as gateway:
            for wrong in (None, "gw_wrong", ""):
                async with GatewayClient(gateway.server.target, api_key=wrong, tenant="acme") as client:
                    with pytest.raises(CallFailed) as failed:
                        await client.generate(prompt("hello"))
                assert (failed.value.code, failed.value.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
                assert all(backend.calls == [] for backend in backends.values())
            async with GatewayClient(gateway.server.target, api_key=key) as client:
                assert (await client.generate(prompt("hello"))).text == "hi"

    last = [line for line in logs if line["event"] == "request"][-1]
    assert (last["tenant"], last["key_name"]) == ("acme", "ci")
    assert key not in str(logs)
    assert "gw_wrong" not in str(logs)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-api-key": "KEY"}, None),
        ({"x-api-key": " KEY "}, None),
        ({"x-api-key": "KEY", "authorization": "Bearer KEY"}, None),
        ({"x-api-key": "KEY", "authorization": "Bearer another"}, "two different keys: send one"),
        ({"x-api-key": "another", "authorization": "Bearer KEY"}, "two different keys: send one"),
        ({"x-api-key": "KEY", "authorization": ""}, "two different keys: send one"),
        ({"x-api-key": "another"}, "unknown or has expired"),
        ({"x-api-key": ""}, "unknown or has expired"),
        ({"authorization": ""}, "unknown or has expired"),
        ({}, "is needed: authorization: Bearer KEY, or x-api-key: KEY"),
    ],
)
def test_a_key_comes_as_authorization_or_as_x_api_key(
    tmp_path: Path, headers: dict[str, str], said: str | None
) -> None:
    """SDKs send one or the other; two that differ name nobody, and no message holds a key."""
    key, entry = new_key("acme")
    (tmp_path / "keys.txt").write_text(entry.line())
    rule = by_credentials(keys=KeyFile(tmp_path / "keys.txt", clock=CLOCK), takes_certificates=False)
    caller = Caller(headers={name: value.replace("KEY", key) for name, value in headers.items()})
    if said is None:
        assert rule(caller) == Identity(tenant="acme")
    else:
        with pytest.raises(Unauthenticated, match=said) as refused:
            rule(caller)
        assert key not in str(refused.value)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "beaReR  ", " Bearer\t", ""])
async def test_the_scheme_before_a_key_is_taken_in_any_case(tmp_path: Path, scheme: str) -> None:
    """Some clients send `bearer`, and the standard allows that; a key alone is taken, too."""
    key, entry = new_key("acme", name="ci")
    (tmp_path / "keys.txt").write_text(entry.line())
    rule = by_credentials(keys=KeyFile(tmp_path / "keys.txt", clock=CLOCK), takes_certificates=False)

    assert rule(_caller(f"{scheme}{key}")) == Identity(tenant="acme", key_name="ci")
    for wrong in (f"Basic {key}", f"{scheme}{scheme}x{key}", f"x{scheme}{key}", f"{key} {scheme.strip()}x"):
        with pytest.raises(Unauthenticated):
            rule(_caller(wrong))


def _caller(authorization: str) -> Caller:
    """Return who makes a call with this header."""
    return Caller(headers={"authorization": authorization})


async def test_a_client_certificate_names_the_tenant(tmp_path: Path) -> None:
    """With --tls-client-ca only certificates of that authority get in; the common name is the tenant."""
    ca, stranger = trustme.CA(), trustme.CA()
    files = _write_pair(tmp_path, ca.issue_cert("localhost"))
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    tls = TlsFiles(cert=files.cert, key=files.key, client_ca=tmp_path / "ca.pem")
    rule = by_credentials(keys=None, takes_certificates=True)
    with capture_logs() as logs:
        async with served(_backends(), tenant_of=rule, tls=tls) as gateway:
            target = gateway.server.target.replace("127.0.0.1", "localhost")
            ours = ca.issue_cert("x@example.org", common_name="acme")
            async with GatewayClient(target, tls=_client_tls(ca, ours)) as client:
                assert (await client.generate(prompt("hello"))).text == "hi"
            theirs = stranger.issue_cert("x@example.org", common_name="acme")
            for presented in (None, theirs):
                async with GatewayClient(target, tls=_client_tls(ca, presented)) as client:
                    with pytest.raises(CallFailed) as failed:
                        await client.generate(prompt("hello"), timeout_s=2)
                assert failed.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")

    assert [line["tenant"] for line in logs if line["event"] == "request"] == ["acme"]


async def test_a_new_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    """Files that changed are used from the next handshake on; broken ones change nothing."""
    old, new = trustme.CA(), trustme.CA()
    files = _write_pair(tmp_path, old.issue_cert("localhost"))
    async with served(_backends(), tls=files) as gateway:
        target = gateway.server.target.replace("127.0.0.1", "localhost")
        async with GatewayClient(target, tls=_client_tls(old)) as client:
            await client.generate(prompt("hello"))
        files.cert.write_text("broken")
        async with GatewayClient(target, tls=_client_tls(old)) as client:
            await client.generate(prompt("hello"))
        _write_pair(tmp_path, new.issue_cert("localhost"))
        os.utime(files.cert, (1, 1))  # Whatever the file system's clock can tell apart, this differs.
        await asyncio.sleep(0)
        async with GatewayClient(target, tls=_client_tls(new)) as client:
            await client.generate(prompt("hello"))


def access_of_flags(flags: Mapping[str, Any]) -> Access:
    """Return who may call by flags about TLS and callers, by their names; raises StartupError."""
    tls = {name.removeprefix("tls_"): value for name, value in flags.items() if name.startswith("tls_")}
    auth = {name: value for name, value in flags.items() if not name.startswith("tls_")}
    settings = ServeSettings(
        listen=ListenSettings(address=Address("127.0.0.1", 0)),
        tls=TlsSettings(**tls),
        auth=AuthSettings(**auth),
        policy=PolicySettings(path=Path("policy.yaml")),
        state=StateSettings(url="memory:"),
        telemetry=TelemetrySettings(),
    )
    return access_of(settings.tls, settings.auth, clock=CLOCK)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"tls_cert": "cert.pem"}, "--tls-key"),
        ({"tls_client_ca": "ca.pem"}, "--tls-client-ca"),
        ({"keys": "keys.txt", "trust_tenant_header": True}, "--trust-tenant-header"),
        ({"keys": "none.txt"}, "none.txt"),
        ({"tls_cert": "none.pem", "tls_key": "key.pem"}, "none.pem"),
        ({"tls_cert": "keys.txt", "tls_key": "keys.txt"}, "no PEM pair"),
        ({"tls_cert": "cert.pem", "tls_key": "key.pem", "tls_client_ca": "keys.txt"}, "--tls-client-ca"),
    ],
)
def test_flags_that_clash_or_name_wrong_files_are_refused(
    flags: dict[str, str | bool], named: str, tmp_path: Path
) -> None:
    """Each combination that cannot be meant is a StartupError of one line that names the flag or the file."""
    _write_pair(tmp_path, trustme.CA().issue_cert("localhost"))
    (tmp_path / "keys.txt").write_text("")
    given = {name: tmp_path / value if isinstance(value, str) else value for name, value in flags.items()}
    with pytest.raises(StartupError, match=named) as refused:
        access_of_flags(given)

    assert "\n" not in str(refused.value)
