"""`gateway health`: whether a gateway can take requests, as an exit status."""

import asyncio
from typing import Annotated

import typer

from gateway.cli.asking import command_failed
from gateway.cli.exits import FAILED
from gateway.cli.options import DEFAULT_SERVER, Server
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed


def health(
    *,
    service: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="gateway.v1.GatewayService, or model.NAME for one model; default: all."
        ),
    ] = "",
    timeout_s: Annotated[float, typer.Option(min=0.001, help="How long to wait.")] = 5.0,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Say whether a gateway can take requests.

    It asks grpc.health.v1, as load balancers do.

    Exit status: 0 it serves, 1 it does not, or is not there.

    Example: gateway health --service model.edge
    """

    async def check() -> str:
        async with GatewayClient(server) as client:
            return await client.health(service, timeout_s=timeout_s)

    try:
        status = asyncio.run(check())
    except CallFailed as error:
        raise command_failed(error, server) from error
    print(status)
    if status != "SERVING":
        raise typer.Exit(FAILED)
