"""`gateway health`: checks a gateway; the exit status is the result."""

import asyncio
import os
from typing import Annotated

import typer

from gateway.cli.asking import command_failed
from gateway.cli.connection import ConnectionOptions
from gateway.cli.exits import FAILED
from gateway.cli.option_groups import with_groups
from gateway.client.failure import CallFailed


@with_groups
def health(
    *,
    service: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="gateway.v1.GatewayService, or model.NAME for one model; default: all."
        ),
    ] = "",
    timeout_s: Annotated[float, typer.Option(min=0.001, help="How long to wait.")] = 5.0,
    gateway: ConnectionOptions,
    tls_name: Annotated[
        str | None,
        typer.Option(
            "--tls-name",
            envvar="GATEWAY_TLS_NAME",
            metavar="NAME",
            help="The name in the server's certificate, where --server differs, such as on the same host.",
        ),
    ] = None,
) -> None:
    """Check whether a gateway can take requests.

    Calls grpc.health.v1, as load balancers do. In a container with TLS, set GATEWAY_TLS_CA and
    GATEWAY_TLS_NAME for the health check of the image.

    Exit status: 0 serving, 1 not serving or not reachable.

    Example: gateway health --service model.edge
    """

    async def check() -> str:
        async with gateway.checked(os.environ, tls_name=tls_name).client() as client:
            return await client.health(service, timeout_s=timeout_s)

    try:
        status = asyncio.run(check())
    except CallFailed as error:
        raise command_failed(error, gateway.server) from error
    print(status)
    if status != "SERVING":
        raise typer.Exit(FAILED)
