"""Files of a chain of records: the growing file, the full files, and the noted end of the chain."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.records.chain import BEGINNING, ChainLink, hash_of

_TAIL_BYTES = 1 << 20


def of_worker(path: Path, worker: int | None) -> Path:
    """Return the records file of a worker, such as `decisions.w1.jsonl`; without workers it is `path`.

    Each worker has its own chain: with a shared one, workers would wait for each other at every line, and a
    worker killed in the middle of a line would break the chain of all.
    """
    return path if worker is None else path.with_name(f"{path.stem}.w{worker}{path.suffix}")


def full(path: Path, day: str) -> Path:
    """Return the next name for a full file: `decisions.2026-11-25.000001.jsonl`."""
    numbers = [int(found[1]) for each in path.parent.glob("*") if (found := _full(path).fullmatch(each.name))]
    return path.with_name(f"{path.stem}.{day}.{max(numbers, default=0) + 1:06d}{path.suffix}")


def _full(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(rf"{stem}\.\d{{4}}-\d\d-\d\d\.(\d{{6}}){suffix}")


def files_of(path: Path) -> list[Path]:
    """Return all files of the chain whose growing file is `path`, in any order."""
    found = [each for each in path.parent.glob("*") if _full(path).fullmatch(each.name)]
    return [*sorted(found), *([path] if path.exists() else [])]


def chains_of(path: Path) -> Iterator[Path]:
    """Yield the growing file of each chain that belongs to `path`: its own, and those of workers."""
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
    """Return the file that holds the end of the chain."""
    return path.with_name(f"{path.name}.end")


def read_end(path: Path) -> ChainLink | None:
    """Return the end of a chain as its writer noted it; None where the file is missing or not readable."""
    try:
        fields = json.loads(end_path(path).read_text(encoding="utf-8"))
        return ChainLink(int(fields["seq"]), str(fields["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_link(path: Path) -> tuple[ChainLink | None, int]:
    """Return the link of the last complete line of a file, and the number of bytes after it.

    The link is None for a file without a complete line. Raises ValueError where the last line is no record.
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
    """Return the end of the chain in `path`, and the size in bytes of an incomplete last line to remove."""
    end = read_end(path) or BEGINNING
    if not path.exists():
        return end, 0
    link, torn = last_link(path)
    return link or end, torn
