"""`gateway records`: verifies the records of `gateway serve --decisions FILE`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import MISUSED, CommandFailed, reading
from gateway.cli.options import Json
from gateway.policy.loading.messages import counted
from gateway.records.chain import ChainLine, chained, faults
from gateway.records.files import chains_of, end_path, files_of, read_end

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Verify the records of decisions.",
    add_completion=False,
)


@app.callback()
def records() -> None:
    """Verify the records of decisions."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The --decisions file of gateway serve.")],
    *,
    end_hash: Annotated[
        str | None,
        typer.Option(
            "--hash",
            metavar="HASH",
            help="A hash that was noted earlier: the chain must contain it.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that each record is as it was written: none changed, dropped, moved or cut.

    Each line holds the hash of the line before; FILE.end holds the end of the chain. Full files and those
    of workers, in the folder of FILE, are read too. Someone who can write all of these files can build a new
    chain: store the printed hash elsewhere, and pass it later as --hash.

    Exit status: 0; 1 with a line `file:line: what is wrong` for each fault; 2 for a file that cannot be read.

    Example: gateway records verify decisions.jsonl
    """
    reports = [_report(chain) for chain in chains_of(file)]
    found = [fault for report in reports for fault in report.faults]
    if end_hash is not None and not any(line.hash == end_hash for report in reports for line in report.lines):
        found.append(f"{file}: the hash {end_hash[:12]} is not in the chain: the chain was rebuilt, or cut")
    if as_json:
        chains = [report.fields() for report in reports]
        print(json.dumps({"verified": not found, "chains": chains, "faults": found}, indent=2))
    elif not found:
        for report in reports:
            print("{file}: records {first} to {last}, hash {hash}".format(**report.fields()))
    if found:
        if not as_json:
            print(*found, sep="\n", file=sys.stderr)
        raise CommandFailed(f"{file}: is not verified: {counted(len(found), 'fault')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """Lines and faults of one chain."""

    path: Path
    lines: list[ChainLine]
    faults: list[str]

    def fields(self) -> dict[str, object]:
        """Return the printed fields."""
        whole = [line for line in self.lines if line.seq is not None]
        first, last = whole[0], whole[-1]
        return {"file": str(self.path), "first": first.seq, "last": last.seq, "hash": last.hash}


def _report(path: Path) -> _Report:
    with reading(path):
        lines = chained((str(each), each.read_bytes()) for each in files_of(path))
    if not any(line.seq is not None for line in lines):
        what = "holds no record; name the --decisions file" if path.exists() else "No such file"
        raise CommandFailed(f"{path}: {what}", status=MISUSED)
    end = read_end(path)
    found = list(faults(lines, end=end))
    if end is None:
        found.append(f"{end_path(path)}: is missing or unreadable: whether the end was cut is unknown")
    return _Report(path=path, lines=lines, faults=found)
