"""`gateway spend`: sums what calls of models cost, from the records of one or many gateways."""

import asyncio
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.terminal import names_and_values, show, table
from gateway.clock import SystemClock
from gateway.ledger.accounts import Totals
from gateway.ledger.money import NANOS_PER_USD
from gateway.ledger.open import SQLITE, file_of, open_ledger
from gateway.offline.spending import Spend, TimeSpan, dimension, moment, paid_records, spend_by

COLUMNS = ("calls", "prompt_tokens", "completion_tokens", "cost_usd", "unknown_usd")
"""After the columns of the dimensions."""


def spend(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The --decisions file of each gateway.")
    ],
    *,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Separated by commas: tenant, model, key, day, month, kind, label:NAME."
        ),
    ] = "tenant,model",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From then on: 2026-11-01, 2026-11-01T08:00, 36h or 7d ago.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Before then; as --since.")] = "",
    state: Annotated[
        str,
        typer.Option(metavar="URL", help="The ledger of these gateways: its sums are compared."),
    ] = "",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Sum what calls of models cost, by tenant, model, key, day or label.

    Full files and those of workers, in the folder of each FILE, are read too. Days are those of UTC. A label
    is known if records.labels of the policy names it. cost_usd is what the ledger charged; unknown_usd is the
    part of it for which the provider told no usage, so that the worst case was charged.

    Exit status: 0; 1 if the ledger of --state holds another sum; 2 for a file that is refused.

    Example: gateway spend decisions.jsonl --by tenant,month --since 2026-11-01
    """
    if as_json and as_csv:
        raise CommandFailed("--json and --csv: choose one", status=MISUSED)
    if state and (since or until):
        raise CommandFailed(
            "--state: a ledger has no sums of a span; leave --since and --until out", status=MISUSED
        )
    names = _dimensions(by)
    found = _sums(files, names, since=since, until=until)
    totals = asyncio.run(_totals(state)) if state else None
    total = sum(each.cost_usd_nanos for each in found.values())
    if as_csv:
        _print_csv(names, found)
    elif as_json:
        print(json.dumps(_as_json(names, found, totals), indent=2))
    else:
        _print_table(names, found, total)
    if totals is not None:
        _compare(total, totals)


def _dimensions(by: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in by.split(","))
    for name in names:
        try:
            dimension(name)
        except ValueError as error:
            raise CommandFailed(f"--by {name}: {error}", status=MISUSED) from None
    if len(set(names)) < len(names):
        raise CommandFailed(f"--by {by}: names one twice", status=MISUSED)
    return names


def _sums(
    files: list[Path], names: tuple[str, ...], *, since: str, until: str
) -> Mapping[tuple[str, ...], Spend]:
    now_s = SystemClock().unix_s()
    span = TimeSpan(
        since_s=moment(since, now_s=now_s) if since else float("-inf"),
        until_s=moment(until, now_s=now_s) if until else float("inf"),
    )
    try:
        return spend_by(names, paid_records(files), span)
    except OSError as error:
        raise CommandFailed(f"{error.filename}: cannot be read: {error.strerror}", status=MISUSED) from None


async def _totals(url: str) -> Totals:
    if url.startswith(SQLITE) and not file_of(url).exists():
        raise CommandFailed(f"--state {url}: No such file", status=MISUSED)
    ledger = open_ledger(url)
    try:
        return await ledger.totals()
    finally:
        await ledger.aclose()


def usd(nanos: int) -> str:
    """Return nano-dollars as dollars, exact: nine decimals."""
    return f"{nanos // NANOS_PER_USD}.{nanos % NANOS_PER_USD:09d}"


def _values(each: Spend) -> tuple[int | str, ...]:
    return (
        each.calls, each.prompt_tokens, each.completion_tokens,
        usd(each.cost_usd_nanos), usd(each.unknown_usd_nanos),
    )  # fmt: skip


def _print_csv(names: tuple[str, ...], found: Mapping[tuple[str, ...], Spend]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow((*names, *COLUMNS))
    rows.writerows((*values, *_values(each)) for values, each in found.items())


def _as_json(
    names: tuple[str, ...], found: Mapping[tuple[str, ...], Spend], totals: Totals | None
) -> Mapping[str, object]:
    sums = [
        dict(zip((*names, *COLUMNS), (*values, *_values(each)), strict=True))
        for values, each in found.items()
    ]
    total = sum(each.cost_usd_nanos for each in found.values())
    ledger = None if totals is None else usd(totals.settled_usd_nanos + totals.unknown_usd_nanos)
    return {"by": list(names), "spend": sums, "total_usd": usd(total), "ledger_usd": ledger}


def _print_table(names: tuple[str, ...], found: Mapping[tuple[str, ...], Spend], total: int) -> None:
    columns = (*names, "calls", "tokens in", "out", "USD", "unknown")
    rows = [(*values, *map(str, _values(each))) for values, each in found.items()]
    show(table(columns, rows), names_and_values([("total", f"{usd(total)} USD")]), stream=sys.stdout)


def _compare(total: int, totals: Totals) -> None:
    charged = totals.settled_usd_nanos + totals.unknown_usd_nanos
    if charged == total:
        print(f"the ledger holds the same: {usd(charged)} USD", file=sys.stderr)
    elif charged > total:
        more = f"{usd(charged - total)} more than the records: some are missing, or a gateway was killed"
        raise CommandFailed(f"the ledger holds {usd(charged)} USD, {more}")
    else:
        less = f"{usd(total - charged)} less than the records: it is another ledger, or began later"
        raise CommandFailed(f"the ledger holds {usd(charged)} USD, {less}")
