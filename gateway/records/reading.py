"""From files of records to what they say of decisions."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.records.files import chains_of, files_of
from gateway.records.line import NotARecord, Recorded, read_record


def read_decisions(path: Path) -> Iterator[tuple[str, Recorded]]:
    """Yield `file:line` and content of every record of a request, from full files and those of workers, too.

    Raises NotARecord, with the place, for a line that is none, and OSError.
    """
    for place, fields in read_lines(path):
        if fields.get("kind") == "request":
            try:
                yield place, read_record(fields)
            except NotARecord as error:
                raise NotARecord(f"{place}: {error}") from None


def read_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `file:line` and fields of every record of any kind, as `read_decisions` does."""
    files = [each for chain in chains_of(path) for each in files_of(chain)]
    for file in files or [path]:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                place = f"{file}:{number}"
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    raise NotARecord(f"{place}: is not JSON") from None
                if not isinstance(fields, dict):
                    raise NotARecord(f"{place}: is not a record")
                yield place, fields
