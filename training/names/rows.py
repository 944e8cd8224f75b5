"""Labelled texts of other people, read from DATA/privacy, and plain sentences from DATA/routing."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

LABELS = ("O", "PERSON", "ADDRESS", "LOCATION", "ORG")
COLLECTIONS = ("presidio_research", "wnut17", "pl_pii_bench", "scrubadub", "datafog")
_SENTENCE = re.compile(r"[A-Z][^.?!\n]{12,150}[.?!]")


class Span(NamedTuple):
    """A labelled place, in characters."""

    start: int
    end: int
    kind: str


class Labelled(NamedTuple):
    """A text with its labels."""

    text: str
    spans: list[Span]
    group: str = ""
    is_unsure: bool = False
    """Whether words that begin with a capital may be names that nobody labelled."""


def read(folder: Path, collection: str) -> list[Labelled]:
    """Return the rows of a collection."""
    return [
        Labelled(
            row["text"],
            [Span(s["start"], s["end"], s["type"]) for s in row["spans"]],
            f"{collection}:{row['group']}",
        )
        for row in _lines(folder / "privacy" / f"privacy_{collection}.jsonl.gz")
    ]


def prompts(folder: Path, *, is_held_out: bool) -> list[str]:
    """Return the benign prompts of one half."""
    return [
        row["prompt"]
        for path in sorted((folder / "routing").glob("*.jsonl.gz"))
        for row in _lines(path)
        if crc32(row["id"].encode()) % 2 == is_held_out
    ]


def sentences(texts: list[str]) -> list[str]:
    """Return the sentences without a capital inside, so that they name nobody."""
    found = {
        sentence
        for text in texts
        for sentence in _SENTENCE.findall(text)
        if not re.search(r"[A-Z]", sentence[1:].replace(" I ", " "))
    }
    return sorted(found)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
