"""From files of records to what they say of decisions."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from gateway.records.codec import BadRecord, DecisionRecord, read_record
from gateway.records.files import chains_of, files_of


def read_decisions(path: Path) -> Iterator[tuple[str, DecisionRecord]]:
    """Yield `file:line` and content of every record of a request, from full files and those of workers, too.

    Raises BadRecord, with the place, for a line that is none, and OSError.
    """
    for place, fields in read_lines(path):
        if fields.get("kind") == "request":
            try:
                yield place, read_record(fields)
            except BadRecord as error:
                raise BadRecord(f"{place}: {error}") from None


def read_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `file:line` and fields of every record of any kind, as `read_decisions` does."""
    with ExitStack() as held:
        for file, lines in _opened(path, held):
            for number, line in enumerate(lines, start=1):
                place = f"{file}:{number}"
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    raise BadRecord(f"{place}: is not JSON") from None
                if not isinstance(fields, dict):
                    raise BadRecord(f"{place}: is not a record")
                yield place, fields


def _opened(path: Path, held: ExitStack) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield the files of every chain, the full ones first.

    Those that grow are held from the beginning: a file that is full while others are read has another name.
    """
    chains = list(chains_of(path))
    growing = {chain: held.enter_context(chain.open("rb")) for chain in chains if chain.exists()}
    numbers = {os.fstat(lines.fileno()).st_ino for lines in growing.values()}
    full = {
        chain: [each for each in files_of(chain) if each.stat().st_ino not in numbers] for chain in chains
    }
    if not growing and not any(full.values()):
        growing[path] = held.enter_context(path.open("rb"))  # Raises, and says why.
    for chain in chains:
        for file in full[chain]:
            with file.open("rb") as lines:
                yield file, lines
        if chain in growing:
            yield chain, growing[chain]
