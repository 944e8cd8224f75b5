"""The files of a chain of records: the one that grows, those that are full, and where the chain stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.records.chain import BEGINNING, ChainLink, hash_of

_TAIL_BYTES = 1 << 20


def of_worker(path: Path, worker: int | None) -> Path:
    """Return the file of one of several workers, `decisions.w1.jsonl`; one process alone writes `path`.

    Each worker has a chain of its own, because a chain has one end: to share it, workers would wait for each
    other at every line, and one that is killed in the middle of a line would spoil everybody's.
    """
    return path if worker is None else path.with_name(f"{path.stem}.w{worker}{path.suffix}")


def full(path: Path, day: str) -> Path:
    """Return a name for a file that is full: `decisions.2026-11-25.000001.jsonl`."""
    numbers = [int(found[1]) for each in path.parent.glob("*") if (found := _full(path).fullmatch(each.name))]
    return path.with_name(f"{path.stem}.{day}.{max(numbers, default=0) + 1:06d}{path.suffix}")


def _full(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(rf"{stem}\.\d{{4}}-\d\d-\d\d\.(\d{{6}}){suffix}")


def files_of(path: Path) -> list[Path]:
    """Return all files of the chain that grows in `path`, in any order."""
    found = [each for each in path.parent.glob("*") if _full(path).fullmatch(each.name)]
    return [*sorted(found), *([path] if path.exists() else [])]


def chains_of(path: Path) -> Iterator[Path]:
    """Yield the file of each chain that belongs to `path`: its own, and those of workers."""
    pattern = re.compile(rf"{re.escape(path.stem)}\.w\d+{re.escape(path.suffix)}")
    workers = sorted(
        {
            each.with_name(each.name.removesuffix(".end")).name
            for each in path.parent.glob("*")
            if pattern.fullmatch(each.name.removesuffix(".end"))
        }
    )
    if path.exists() or end_path(path).exists() or not workers:
        yield path
    yield from (path.with_name(name) for name in workers)


def end_path(path: Path) -> Path:
    """Return the small file that says where the chain stands."""
    return path.with_name(f"{path.name}.end")


def read_end(path: Path) -> ChainLink | None:
    """Return where the writer of a chain left it; None where it did not say so, or not in words we know."""
    try:
        fields = json.loads(end_path(path).read_text(encoding="utf-8"))
        return ChainLink(int(fields["seq"]), str(fields["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_link(path: Path) -> tuple[ChainLink | None, int]:
    """Return where the file's last whole line stands, and how many bytes after it belong to none.

    None: there is no line. Raises ValueError where the last line is no record.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    whole, _, torn = tail.rpartition(b"\n")
    line = whole.rpartition(b"\n")[2]
    if not line:
        return None, len(torn)
    try:
        return ChainLink(int(json.loads(line)["seq"]), hash_of(line)), len(torn)
    except (ValueError, KeyError, TypeError):
        raise ValueError("its last line is no record") from None


def resume(path: Path) -> tuple[ChainLink, int]:
    """Return where the chain in `path` goes on, and how many bytes of a torn last line are to be cut off."""
    end = read_end(path) or BEGINNING
    if not path.exists():
        return end, 0
    link, torn = last_link(path)
    return link or end, torn
