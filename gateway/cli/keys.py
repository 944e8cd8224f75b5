"""`gateway keys`: makes API keys for callers."""

import sys
from typing import Annotated

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.clock import SystemClock
from gateway.server.key_file import end_of_day, new_key

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Make API keys for callers."
)


@app.callback()
def keys() -> None:
    """Make API keys for callers.

    Example: gateway keys new acme >> keys.txt
    """


@app.command()
def new(
    tenant: Annotated[
        str, typer.Argument(metavar="TENANT", help="The tenant of the key: letters, digits and . _ : -")
    ],
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day (UTC) on which it is valid.")
    ] = None,
) -> None:
    """Print a new key on standard error, and its line for the key file on standard output.

    The file holds only the SHA-256 of the key, which is not shown again. Give the key to the caller, who
    sends it as metadata `authorization: Bearer KEY`.

    Example: gateway keys new acme --expires 2027-12-31 >> keys.txt
    """
    if expires is not None and end_of_day(expires, place="--expires") <= SystemClock().unix_s():
        raise CommandFailed(f"--expires: {expires} has passed", status=MISUSED)
    key, line = new_key(tenant, expires=expires)
    print(key, file=sys.stderr)
    print(line)
