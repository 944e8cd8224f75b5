"""Where a policy's models are, as permits of firewalls have it: every address, and no other."""

from collections.abc import Mapping
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.cli.app import run
from gateway.domain.privacy import PrivacyClass
from gateway.offline.egress_manifests import cilium_policy, envoy_config, network_policy
from gateway.policy.egress import Destination, destinations, opened_by_gateway
from gateway.policy.loading.load import parse_policy

POLICY = """
version: 1
models:
  edge:   {{kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
  {models}
rules: [{{name: default, route: [edge]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""
PRICE = "price_per_million_usd: {input: 1, output: 2}"
OPENAI = f"kind: openai, model: m, {PRICE}"
MODELS = (
    f"mini:   {{{OPENAI}, clearance: internal}}",
    f"large:  {{{OPENAI}, clearance: public}}",
    f"claude: {{kind: anthropic, model: claude-opus-4-5, clearance: public, {PRICE},"
    ' proxy: "http://proxy.example.com:3128"}',
    f'pool:   {{{OPENAI}, clearance: restricted, base_url: "http://vllm.models.svc.cluster.local:8000/v1"}}',
    f'same:   {{{OPENAI}, clearance: restricted, base_url: "http://llama/v1"}}',
    f'digits: {{{OPENAI}, clearance: restricted, base_url: "https://[2001:db8::1]:8443/v1"}}',
    f'here:   {{{OPENAI}, clearance: restricted, base_url: "http://127.0.0.1:8080/v1"}}',
)


def _found(*, state: str = "", otlp: str = "") -> tuple[Destination, ...]:
    policy = parse_policy(POLICY.format(models="\n  ".join(MODELS)), name="p")
    return destinations(policy, state=state, otlp=otlp)


def _read(text: str) -> Any:
    return YAML(typ="safe").load(text)


def test_each_address_once_with_the_highest_class() -> None:
    """Two models at one provider are one address; defaults of the kinds count like written URLs."""
    found = {each.address: each for each in _found()}
    assert set(found) == {
        "api.openai.com:443",
        "api.anthropic.com:443",
        "vllm.models.svc.cluster.local:8000",
        "llama:80",
        "[2001:db8::1]:8443",
        "127.0.0.1:8080",
    }
    openai = found["api.openai.com:443"]
    assert (openai.users, openai.clearance, openai.is_tls) == (("mini", "large"), PrivacyClass.INTERNAL, True)
    assert found["api.anthropic.com:443"].proxy == "proxy.example.com:3128"
    assert [each.address for each in found.values() if each.is_here] == ["127.0.0.1:8080"]


def test_the_gateway_opens_the_proxy_in_place_of_what_is_behind_it() -> None:
    """A firewall sees the proxy."""
    opened = {each.address for each in opened_by_gateway(_found())}
    assert "proxy.example.com:3128" in opened
    assert "api.anthropic.com:443" not in opened


def test_flags_are_addresses_without_text() -> None:
    """A store and a collector; a store in a file or a Unix socket has no address."""
    found = {each.address: each for each in _found(state="rediss://:s3cret@db", otlp="http://otel:4317")}
    assert found["db:6379"].is_tls
    assert found["db:6379"].clearance is found["otel:4317"].clearance is None
    assert _found(state="sqlite:///var/ledger.db") == _found(state="unix:///run/redis.sock") == _found()


def test_a_network_policy_permits_names_of_the_cluster_and_digits_alone() -> None:
    """Public names become public addresses, none private; loopback needs no permit."""
    spec = _read(network_policy(_found()))["spec"]
    assert spec["policyTypes"] == ["Egress"]
    dns, *rules = spec["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    by_target = {str(rule["to"][0]): rule for rule in rules}
    assert len(rules) == 5
    public = [rule for rule in rules if "except" in rule["to"][0].get("ipBlock", {})]
    assert sorted(rule["ports"][0]["port"] for rule in public) == [443, 3128]
    assert "10.0.0.0/8" in public[0]["to"][0]["ipBlock"]["except"]
    assert "{'podSelector': {}}" in by_target
    assert "{'ipBlock': {'cidr': '2001:db8::1/128'}}" in by_target
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "models"}}}
    assert "ports" not in by_target[str(namespace)]


def test_a_policy_without_urls_permits_the_resolver_alone() -> None:
    """Also nothing is a policy."""
    policy = parse_policy(POLICY.format(models=""), name="p")
    assert destinations(policy) == ()
    assert len(_read(network_policy(()))["spec"]["egress"]) == 1


def test_cilium_permits_names() -> None:
    """By name and port."""
    rules = _read(cilium_policy(_found()))["spec"]["egress"]
    names = {
        rule["toFQDNs"][0]["matchName"]: rule["toPorts"][0]["ports"][0]["port"]
        for rule in rules
        if "toFQDNs" in rule
    }
    assert names == {"api.openai.com": "443", "proxy.example.com": "3128"}
    assert any(rule.get("toCIDR") == ["2001:db8::1/128"] for rule in rules)


def test_envoy_has_one_route_and_cluster_a_host() -> None:
    """TLS through tunnels, which Envoy cannot read; no route for any other name."""
    resources = _read(envoy_config(_found(state="redis://db")))["static_resources"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    hosts: dict[str, Mapping[str, Any]] = {
        domain: host["routes"][0]
        for host in manager["route_config"]["virtual_hosts"]
        for domain in host["domains"]
    }
    assert {name for name, route in hosts.items() if "connect_matcher" in route["match"]} == {
        "api.openai.com:443", "api.anthropic.com:443", "[2001:db8::1]:8443",
    }  # fmt: skip
    assert {name for name, route in hosts.items() if "prefix" in route["match"]} == {
        "vllm.models.svc.cluster.local:8000", "llama:80", "llama",
    }  # fmt: skip
    assert {each["name"] for each in resources["clusters"]} == {
        route["route"]["cluster"] for route in hosts.values()
    }


def test_the_command_warns_of_commands_and_refuses_what_is_no_url(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a token_command opens is not known; a mistyped flag is no missing permit."""
    file = tmp_path / "policy.yaml"
    token = f"gcp: {{{OPENAI}, clearance: public, token_command: [gcloud, auth]}}"
    file.write_text(POLICY.format(models=token))
    assert run(["policy", "egress", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "api.openai.com:443" in out
    assert "models.gcp.token_command: warning" in err
    assert run(["policy", "egress", str(file), "--otlp", "collector:4317"]) == 2
    assert "is not a URL with a host" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["table", "json", "k8s", "cilium", "envoy"])
def test_every_format_is_printed(form: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Manifests are YAML, and none holds the password of a URL."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format(models="\n  ".join(MODELS)))
    arguments = ["policy", "egress", str(file), "--format", form, "--state", "redis://:s3cret@db"]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "api.openai.com" in out or form == "k8s"
    assert "s3cret" not in out
