"""`gateway policy egress`: prints the addresses that a policy can reach, for people and for firewalls."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.terminal import show, table
from gateway.offline.egress_manifests import cilium_policy, envoy_config, network_policy
from gateway.policy.egress import Destination, commands_of, destinations
from gateway.policy.loading.load import load_policy

Format = Literal["table", "json", "k8s", "cilium", "envoy"]
MANIFESTS: Mapping[Format, Callable[[Sequence[Destination]], str]] = {
    "k8s": network_policy,
    "cilium": cilium_policy,
    "envoy": envoy_config,
}


def egress(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")],
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="table, json, or a permit for k8s, cilium or envoy.")
    ] = "table",
    state: Annotated[
        str, typer.Option(metavar="URL", help="The --state of gateway serve: a Redis is listed too.")
    ] = "",
    otlp: Annotated[
        str, typer.Option(metavar="URL", help="The --otlp of gateway serve: the collector is listed too.")
    ] = "",
) -> None:
    """Print every address that a policy can reach, so that a firewall permits these alone.

    k8s is a NetworkPolicy, which knows no host names: a public name becomes all public addresses at its port.
    cilium permits names alone. envoy is the configuration of an HTTP proxy for them: set `proxy` of the
    models to it, and let a NetworkPolicy permit the proxy alone. No model file is opened, no name resolved.

    Exit status: 0; 2 for a policy that is refused.

    Example: gateway policy egress policies/default.yaml --format k8s
    """
    policy = load_policy(file)
    try:
        found = destinations(policy, state=state, otlp=otlp)
    except ValueError:
        raise CommandFailed("--state or --otlp: is not a URL with a host", status=MISUSED) from None
    for name in commands_of(policy):
        note = f"warning: {name}: its token_command may open connections that are not listed"
        print(policy.source.at(("models", name, "token_command"), note), file=sys.stderr)
    if format_ == "table":
        _print_table(found)
    elif format_ == "json":
        print(json.dumps([_fields(each) for each in found], indent=2))
    else:
        print(MANIFESTS[format_](found), end="")


def _print_table(found: Sequence[Destination]) -> None:
    if not found:
        print("nothing leaves this host: no model has a URL")
        return
    rows = [
        (
            each.address,
            "yes" if each.is_tls else "no",
            "none" if each.clearance is None else each.clearance.name.lower(),
            ", ".join(each.users),
            "this host" if each.is_here else each.proxy or "",
        )
        for each in found
    ]
    show(table(("address", "TLS", "text up to", "for", "through"), rows), stream=sys.stdout)


def _fields(each: Destination) -> Mapping[str, object]:
    return {
        "host": each.host,
        "port": each.port,
        "tls": each.is_tls,
        "clearance": None if each.clearance is None else each.clearance.name.lower(),
        "for": list(each.users),
        "proxy": each.proxy,
        "this_host": each.is_here,
    }
