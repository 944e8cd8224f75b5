"""Reads the records of decisions from their files."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from gateway.records.decoding import BadRecord, DecisionRecord, read_record
from gateway.records.files import chains_of, files_of


def read_decisions(path: Path) -> Iterator[tuple[str, DecisionRecord]]:
    """Yield `file:line` and content of every record of a request, also from full files and those of workers.

    Raises BadRecord with the location for a line that is no record, and OSError.
    """
    for location, fields in read_lines(path):
        if fields.get("kind") == "request":
            try:
                yield location, read_record(fields)
            except BadRecord as error:
                raise BadRecord(f"{location}: {error}") from None


def read_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `file:line` and fields of every record of any kind; raises as `read_decisions` does."""
    with ExitStack() as files:
        for file, lines in _opened(path, files):
            for number, line in enumerate(lines, start=1):
                location = f"{file}:{number}"
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    raise BadRecord(f"{location}: is not JSON") from None
                if not isinstance(fields, dict):
                    raise BadRecord(f"{location}: is not a record")
                yield location, fields


def _opened(path: Path, files: ExitStack) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield the files of every chain, the full files first.

    The growing files are opened first, since a file that becomes full meanwhile is renamed.
    """
    chains = list(chains_of(path))
    growing = {chain: files.enter_context(chain.open("rb")) for chain in chains if chain.exists()}
    inodes = {os.fstat(lines.fileno()).st_ino for lines in growing.values()}
    full = {chain: [each for each in files_of(chain) if each.stat().st_ino not in inodes] for chain in chains}
    if not growing and not any(full.values()):
        growing[path] = files.enter_context(path.open("rb"))  # Raises OSError.
    for chain in chains:
        for file in full[chain]:
            with file.open("rb") as lines:
                yield file, lines
        if chain in growing:
            yield chain, growing[chain]
