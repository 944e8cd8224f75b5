"""`gateway simulate-cloud`: runs the simulated provider."""

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.domain.address import parse_address
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.faults import FAULTS
from gateway.simulate.server import run_simulated_cloud

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

HELP = f"""Run a simulated cloud provider for tests.

It serves OpenAI's chat completions and Responses APIs, or another provider's with --dialect:
deterministic answers, a bill, and failures on request.

Example: gateway simulate-cloud --listen 127.0.0.1:8181 --fault "sim-strong:status=503,times=2"

\b
Faults, with the default of each value in brackets:
{escape(FAULTS)}

Each takes ",times=N" (then it recovers) and, where a status is sent, ",retry_after_s=S".
GET /control/bill returns the bill; POST /control/faults sets a fault while the provider runs.
"""


@app.command("simulate-cloud", help=HELP)
def simulate_cloud(
    *,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The address to listen on; port 0 takes a free port.")
    ] = "127.0.0.1:8181",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL:FAULT", help="How a model fails; `*` is every model; repeatable, in order."
        ),
    ] = None,
    dialect: Annotated[
        str, typer.Option(metavar="NAME", help=f"Whose form it speaks: {', '.join(DIALECTS)}.")
    ] = "openai",
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=IN:OUT[:CACHED[:WRITTEN]]",
            help="US dollars per million tokens, also of those read from and written to a cache; repeatable.",
        ),
    ] = None,
) -> None:
    """Run the simulated provider until a signal ends it."""
    address = parse_address(listen)
    provider = run_simulated_cloud(
        host=address.host,
        port=address.port,
        faults=fault or (),
        prices=price or (),
        dialect=dialect,
        on_listening=lambda base_url: print(f"simulate-cloud: listening, base_url {base_url}", flush=True),
    )
    try:
        asyncio.run(provider)
    except ValueError as error:
        raise CommandFailed(str(error), status=MISUSED) from None
