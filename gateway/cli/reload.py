"""`gateway reload`: makes a running gateway reload its policy file."""

import asyncio
import os
import sys
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson

from gateway.admin.v1 import admin_pb2 as pb
from gateway.cli.admin_address import Admin, admin_target
from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.client.admin import AdminClient
from gateway.client.failure import CallFailed, Unreachable


def reload(
    *,
    admin: Admin = None,
    allow_loosening: Annotated[
        bool, typer.Option("--allow-loosening", help="Accept a policy that allows more than the running one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a running gateway reload its policy: it applies the whole file, or changes nothing.

    All workers apply it. Changes that allow more than the running policy are listed, and accepted only with
    --allow-loosening. The command calls the gateway's admin service; SIGHUP has the same effect.

    Exit status: 0 the new policy runs; 2 refused, with a line `file:line: key: why` for each problem; 1 no
    gateway answers.

    Example: gateway reload --allow-loosening
    """
    target = admin_target(admin, os.environ)
    try:
        reloaded = asyncio.run(_reload(target, allow_loosening=allow_loosening))
    except Unreachable as error:
        raise CommandFailed(f"no gateway answers at {target}; see --admin of gateway serve") from error
    except CallFailed as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        print(MessageToJson(reloaded, preserving_proto_field_name=True, indent=None))
    else:
        for line in (*reloaded.changes, *reloaded.problems):
            print(line, file=sys.stderr)
        outcome = pb.ReloadOutcome.Name(reloaded.outcome).removeprefix("RELOAD_OUTCOME_").lower()
        print(f"{outcome}: policy {reloaded.policy_hash}")
    if reloaded.outcome == pb.RELOAD_OUTCOME_REFUSED:
        raise typer.Exit(MISUSED)


async def _reload(target: str, *, allow_loosening: bool) -> pb.ReloadResponse:
    async with AdminClient(target) as client:
        return await client.reload(allow_loosening=allow_loosening)
