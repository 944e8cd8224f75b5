"""Finds the admin address of the running gateway that a command uses."""

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
        help="The --admin address of the gateway; default: the only gateway that runs here.",
        show_default=False,
    ),
]


def admin_target(text: str | None, environ: Mapping[str, str]) -> str:
    """Return the admin address; raises CommandFailed where no gateway, or more than one, runs here."""
    if text is not None:
        return parse_admin(text).target
    found = found_addresses(environ)
    if not found:
        raise CommandFailed(
            "no gateway of this user runs here; start one with: gateway serve (or give --admin ADDRESS)"
        )
    if len(found) > 1:
        names = ", ".join(address.target for address in found)
        raise CommandFailed(f"several gateways run here; give --admin with one of {names}")
    return found[0].target
