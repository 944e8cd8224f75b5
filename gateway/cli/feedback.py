"""`gateway feedback`: adds the rating of an answer to the records of a running gateway."""

import asyncio
import os
from typing import Annotated

import typer

from gateway.cli.asking import command_failed
from gateway.cli.connection import ConnectionOptions
from gateway.cli.option_groups import with_groups
from gateway.cli.options import Json, read_labels
from gateway.cli.render import to_json
from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2 as pb


@with_groups
def feedback(
    request_id: Annotated[
        str, typer.Argument(metavar="REQUEST_ID", help="The `request_id` of the answer.", show_default=False)
    ],
    *,
    score: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How good the answer was: 0 is useless, 1 is perfect.")
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="KEY=VALUE",
            help="Kept if the policy's records.labels has the key; repeatable.",
        ),
    ] = None,
    as_json: Json = False,
    timeout_s: Annotated[float, typer.Option(min=0.001, help="The deadline of the whole call.")] = 60.0,
    gateway: ConnectionOptions,
) -> None:
    """Rate an answer of a running gateway.

    The rating is written to the records of gateway serve --decisions, where gateway learn --decisions reads
    it. The last feedback of a request counts; a tenant rates its own requests only.

    An API key is taken from the variable GATEWAY_API_KEY.

    Exit status: 0 recorded, 1 an error, 2 wrong usage.

    Example: gateway feedback 3f1c9a --score 0.8 --label team=billing
    """
    labels = read_labels(label)

    async def submit() -> pb.SubmitFeedbackResponse:
        async with gateway.checked(os.environ).client() as client:
            return await client.submit_feedback(request_id, score, labels=labels, timeout_s=timeout_s)

    try:
        response = asyncio.run(submit())
    except CallFailed as error:
        raise command_failed(error, gateway.server) from error
    if as_json:
        print(to_json(response))
    else:
        print(f"recorded: {score:g} for {request_id}")
