"""Which running gateway an operator's command speaks to."""

from collections.abc import Mapping
from typing import Annotated

import typer

from gateway.cli.exits import CommandFailed
from gateway.server.admin.address import found_addresses, parse_admin

Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        envvar="GATEWAY_ADMIN",
        metavar="ADDRESS",
        help="The --admin of the gateway to ask; default: the one gateway that runs here.",
        show_default=False,
    ),
]


def admin_target(text: str | None, environ: Mapping[str, str]) -> str:
    """Return the address to ask; raises CommandFailed where none, or more than one, can be meant."""
    if text is not None:
        return parse_admin(text).target
    found = found_addresses(environ)
    if not found:
        raise CommandFailed(
            "no gateway of this user runs here; start one with: gateway serve (or say --admin ADDRESS)"
        )
    if len(found) > 1:
        names = ", ".join(address.target for address in found)
        raise CommandFailed(f"several gateways run here; say --admin with one of {names}")
    return found[0].target
