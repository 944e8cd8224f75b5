"""Hash chain of the records: each line holds the hash of the line before it. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING_BEFORE = "0" * 64
"""Previous hash of the first line of a chain."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """End of a chain: number and hash of its last line."""

    seq: int
    hash: str


BEGINNING = ChainLink(0, NOTHING_BEFORE)
FILE_KIND = "file"
"""Kind of the first record of each file, and of no other: it shows whether the beginning was removed."""


def append(last: ChainLink, fields: Mapping[str, Any], *, version: int) -> tuple[bytes, ChainLink]:
    """Return the next line, with its line break, and the new end of the chain."""
    seq = last.seq + 1
    line = json.dumps({"v": version, "seq": seq, "prev": last.hash, **fields}, separators=(",", ":")).encode()
    return line + b"\n", ChainLink(seq, hash_of(line))


def hash_of(line: bytes) -> str:
    """Return the SHA-256 of a line without its line break, hexadecimal."""
    return hashlib.sha256(line).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainLine:
    """A line of a file as the verification sees it; `seq` is None where the line is no record."""

    location: str
    """`file:line`."""
    seq: int | None
    prev: str
    hash: str
    kind: str = ""
    is_first: bool = False
    """Whether it is the first line of its file."""


def read_line(line: bytes, *, location: str, is_first: bool = False) -> ChainLine:
    """Parse a line without its line break for the verification."""
    try:
        fields = json.loads(line)
        seq, prev, kind = fields["seq"], fields["prev"], fields.get("kind")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ChainLine(location, None, "", hash_of(line), is_first=is_first)
    is_record = isinstance(seq, int) and isinstance(prev, str)
    return ChainLine(
        location,
        seq if is_record else None,
        prev if is_record else "",
        hash_of(line),
        kind=kind if isinstance(kind, str) else "",
        is_first=is_first,
    )


def faults(lines: Sequence[ChainLine], *, end: ChainLink | None) -> Iterator[str]:
    """Yield every fault of a chain with its location; `end` is the end that its writer noted.

    The line after a changed line holds another hash; for the last line `end` does.
    """
    reported: set[int] = set()
    for index, line in enumerate(lines):
        if line.seq is None:
            reported.add(index)
            yield f"{line.location}: is no record: it was changed or cut"
        elif line.is_first and line.kind != FILE_KIND:
            reported.add(index)
            yield f"{line.location}: the beginning was cut: record {line.seq} does not begin a file"
        elif line.kind == FILE_KIND and not line.is_first:
            reported.add(index)
            yield f"{line.location}: record {line.seq} begins a file and was moved"
    for index in range(1, len(lines)):
        fault = _fault(lines, index, reported)
        if fault is not None:
            yield fault
    if end is not None and lines:
        yield from _fault_at_end(lines, end, reported)


def _fault(lines: Sequence[ChainLine], index: int, reported: set[int]) -> str | None:
    before, line = lines[index - 1], lines[index]
    if before.seq is None or line.seq is None:
        return None
    follows, step = line.prev == before.hash, line.seq - before.seq
    if follows and step == 1:
        return None
    if step == 1 or follows:
        # A line that was changed itself fits neither the line before nor the one after.
        changed = index if follows or _breaks_next(lines, index) else index - 1
        if changed in reported:
            return None
        reported.add(changed)
        return f"{lines[changed].location}: record {lines[changed].seq} was changed"
    if step > 1:
        is_elsewhere = set(range(before.seq + 1, line.seq)) <= {each.seq for each in lines}
        missing = f"record {before.seq + 1}" if step == 2 else f"records {before.seq + 1} to {line.seq - 1}"
        if is_elsewhere:
            return f"{line.location}: record {line.seq} was moved: {missing} belongs before it"
        return f"{line.location}: {missing} should come before record {line.seq}: dropped"
    if step == 0:
        return f"{line.location}: record {line.seq} appears twice"
    return f"{line.location}: record {line.seq} follows record {before.seq}: it was moved"


def _breaks_next(lines: Sequence[ChainLine], index: int) -> bool:
    """Return whether the next line does not follow this one either."""
    if index + 1 >= len(lines):
        return False
    line, after = lines[index], lines[index + 1]
    return after.seq is not None and after.seq - (line.seq or 0) == 1 and after.prev != line.hash


def _fault_at_end(lines: Sequence[ChainLine], end: ChainLink, reported: set[int]) -> Iterator[str]:
    by_seq = {line.seq: line for line in lines}
    last = max((line.seq for line in lines if line.seq is not None), default=0)
    if end.seq > last:
        missing = f"record {end.seq}" if end.seq == last + 1 else f"records {last + 1} to {end.seq}"
        yield f"{lines[-1].location}: the end was cut: {missing} should follow"
        return
    line = by_seq.get(end.seq)
    is_changed = end.seq == last and line is not None and line.hash != end.hash
    if line is not None and is_changed and lines.index(line) not in reported:
        yield f"{line.location}: record {line.seq} was changed"


def chained(files: Iterable[tuple[str, bytes]]) -> list[ChainLine]:
    """Return the lines of files (name, content) in the order of the chain."""
    read = [
        [
            read_line(line, location=f"{name}:{number}", is_first=number == 1)
            for number, line in enumerate(content.split(b"\n"), start=1)
            if line
        ]
        for name, content in files
    ]
    read.sort(key=lambda lines: next((line.seq for line in lines if line.seq is not None), 0))
    return [line for lines in read for line in lines]
