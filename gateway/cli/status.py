"""`gateway status`: shows the status of a running gateway, once or repeatedly."""

import asyncio
import os
import sys
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from rich.console import Group
from rich.live import Live
from rich.table import Table

from gateway.admin.v1 import admin_pb2 as pb
from gateway.cli.admin_address import Admin, admin_target
from gateway.cli.exits import CommandFailed
from gateway.cli.options import Json
from gateway.cli.status_tables import status_tables
from gateway.cli.terminal import console
from gateway.client.admin import AdminClient
from gateway.client.failure import CallFailed, Unreachable


def status(
    *,
    admin: Admin = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    every_s: Annotated[float, typer.Option(min=0.1, help="With --watch: the interval in seconds.")] = 1.0,
    decisions: Annotated[
        int, typer.Option(min=0, max=100, help="The number of last decisions to show.")
    ] = 10,
    json: Json = False,
) -> None:
    """Show models, breakers, queues, spend and the last decisions of a running gateway.

    The command calls the gateway's admin service, which is not on the public address. With several workers,
    worker 0 answers for all: breakers and decisions are shown by worker, queues and spend for all together.

    Exit status: 0 shown, 1 no gateway answers.

    Example: gateway status --watch
    """
    target = admin_target(admin, os.environ)
    try:
        asyncio.run(_show(target, every_s=every_s if watch else None, decisions=decisions, is_json=json))
    except Unreachable as error:
        raise CommandFailed(f"no gateway answers at {target}; see --admin of gateway serve") from error
    except CallFailed as error:
        raise CommandFailed(str(error)) from error
    except KeyboardInterrupt:
        return


async def _show(target: str, *, every_s: float | None, decisions: int, is_json: bool) -> None:
    async with AdminClient(target) as client:
        first = await client.status(decisions=decisions)
        if is_json:
            _print_json(first)
        elif every_s is None or not sys.stdout.isatty():
            console(sys.stdout).print(_tables(first))
        if every_s is None:
            return
        if is_json or not sys.stdout.isatty():
            while True:
                await asyncio.sleep(every_s)
                again = await client.status(decisions=decisions)
                _print_json(again) if is_json else console(sys.stdout).print(_tables(again))
        with Live(_tables(first), console=console(sys.stdout), screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every_s)
                live.update(_tables(await client.status(decisions=decisions)), refresh=True)


def _tables(status: pb.GetStatusResponse) -> Group:
    parts: list[Table | str] = []
    for part in status_tables(status):
        parts += [part, ""]
    return Group(*parts[:-1])


def _print_json(status: pb.GetStatusResponse) -> None:
    text = MessageToJson(
        status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
    )
    print(text, flush=True)
