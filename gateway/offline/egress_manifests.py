"""Renders the addresses that a policy can reach as permits of Kubernetes, Cilium and Envoy, in YAML."""

import ipaddress
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML

from gateway.policy.egress import Destination, opened_by_gateway

Manifest = dict[str, Any]

LABELS: Final = {"app.kubernetes.io/name": "edge-cloud-gateway"}
"""The labels of the gateway's pods; those of the Helm chart."""
NOT_PUBLIC: Final = {
    "0.0.0.0/0": (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16",
    ),
    "::/0": ("::1/128", "fc00::/7", "fe80::/10"),
}  # fmt: skip
"""By network of all addresses: those of private networks, carriers, links and this host (RFC 6890)."""
CLUSTER_DOMAIN: Final = "cluster.local"
PROXY_PORT: Final = 3128
_HTTP_PORT: Final = 80
_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters"


def network_policy(found: Sequence[Destination]) -> str:
    """Return a Kubernetes NetworkPolicy: nothing but name resolution and these addresses.

    It knows networks and no host names. So a public name becomes all public addresses at its port, and only
    an address in digits or a service of the cluster is permitted alone.
    """
    rules = [_dns()] + [_rule(each) for each in opened_by_gateway(found) if not each.is_here]
    unique = [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
    return _dumped(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "edge-cloud-gateway-egress"},
            "spec": {
                "podSelector": {"matchLabels": LABELS},
                "policyTypes": ["Egress"],
                "egress": unique,
            },
        }
    )


def cilium_policy(found: Sequence[Destination]) -> str:
    """Return a CiliumNetworkPolicy: nothing but name resolution and these host names."""
    rules: list[Manifest] = [
        {
            "toEndpoints": [
                {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}}
            ],
            "toPorts": [
                {"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}
            ],
        }
    ]
    for each in opened_by_gateway(found):
        ports = [{"ports": [{"port": str(each.port), "protocol": "TCP"}]}]
        if each.is_here:
            continue
        if network := _network(each.host):
            rules.append({"toCIDR": [network], "toPorts": ports})
        elif (namespace := _namespace(each.host)) is not None:
            labels = {"k8s:io.kubernetes.pod.namespace": namespace} if namespace else {}
            rules.append({"toEndpoints": [{"matchLabels": labels}]})
        else:
            rules.append({"toFQDNs": [{"matchName": each.host}], "toPorts": ports})
    return _dumped(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "edge-cloud-gateway-egress"},
            "spec": {"endpointSelector": {"matchLabels": LABELS}, "egress": rules},
        }
    )


def envoy_config(found: Sequence[Destination], *, port: int = PROXY_PORT) -> str:
    """Return the configuration of an Envoy as an HTTP proxy that opens connections to these hosts alone.

    The models name it by `proxy: http://ENVOY:3128`. TLS passes through it, so it sees no text of a request
    to an `https` URL. Addresses of flags are left out, since those
    connections take no HTTP proxy, and so are addresses of the gateway's own host.
    """
    models = [each for each in found if each.clearance is not None and not each.is_here]
    clusters = {each.address: _cluster(each) for each in models}
    tunnels = [_virtual_host(each) for each in models if each.is_tls]
    plain = [_virtual_host(each) for each in models if not each.is_tls]
    return _dumped(
        {
            "static_resources": {
                "listeners": [
                    {
                        "name": "egress",
                        "address": _socket("0.0.0.0", port),  # noqa: S104 - the proxy serves other pods.
                        "filter_chains": [{"filters": [_connection_manager(tunnels + plain)]}],
                    }
                ],
                "clusters": list(clusters.values()),
            }
        }
    )


def _dns() -> Manifest:
    resolver = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {
        "to": [resolver],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }


def _rule(each: Destination) -> Manifest:
    ports = [{"protocol": "TCP", "port": each.port}]
    if network := _network(each.host):
        return {"to": [{"ipBlock": {"cidr": network}}], "ports": ports}
    if (namespace := _namespace(each.host)) is not None:
        # Without a port: the port of a service may differ from that of its pods, which is what counts.
        selector = {"kubernetes.io/metadata.name": namespace}
        return {
            "to": [{"namespaceSelector": {"matchLabels": selector}} if namespace else {"podSelector": {}}]
        }
    blocks = [
        {"ipBlock": {"cidr": everything, "except": list(private)}}
        for everything, private in NOT_PUBLIC.items()
    ]
    return {"to": blocks, "ports": ports}


def _network(host: str) -> str | None:
    """Return the network of one address in digits; None for a name."""
    try:
        return str(ipaddress.ip_network(host))
    except ValueError:
        return None


def _namespace(host: str) -> str | None:
    """Return the namespace of a service of the cluster, "" for the gateway's own; None for another name."""
    labels = host.removesuffix(f".{CLUSTER_DOMAIN}").split(".")
    match labels:
        case [_]:
            return ""
        case [_, namespace, "svc"]:
            return namespace
    return None


def _cluster(each: Destination) -> Manifest:
    endpoint = {"endpoint": {"address": _socket(each.host, each.port)}}
    return {
        "name": each.address,
        "type": "STATIC" if _network(each.host) else "LOGICAL_DNS",
        "dns_lookup_family": "ALL",  # Both families are tried, as the gateway itself does.
        "connect_timeout": "10s",
        "load_assignment": {
            "cluster_name": each.address,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _virtual_host(each: Destination) -> Manifest:
    """Return the route of one host: a tunnel (CONNECT) to a TLS port, else requests as they are."""
    action: Manifest = {"cluster": each.address, "timeout": "0s"}
    if each.is_tls:
        match: Manifest = {"connect_matcher": {}}
        action["upgrade_configs"] = [{"upgrade_type": "CONNECT", "connect_config": {}}]
        domains = [each.address]
    else:
        match = {"prefix": "/"}
        domains = [each.address] + ([each.host] if each.port == _HTTP_PORT else [])
    return {"name": each.address, "domains": domains, "routes": [{"match": match, "route": action}]}


def _connection_manager(virtual_hosts: Sequence[Manifest]) -> Manifest:
    router = f"{_FILTERS}.http.router.v3.Router"
    manager = f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": manager,
            "stat_prefix": "egress",
            "route_config": {"name": "permitted", "virtual_hosts": list(virtual_hosts)},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
            "http_protocol_options": {"allow_absolute_url": True},
            "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        },
    }


def _socket(host: str, port: int) -> Manifest:
    return {"socket_address": {"address": host, "port_value": port}}


def _dumped(manifest: Mapping[str, Any]) -> str:
    yaml, stream = YAML(), StringIO()
    yaml.default_flow_style = False
    yaml.width = 200
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.dump(manifest, stream)
    return stream.getvalue()
