"""How people label a value in a form, by type and language."""

from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "labels.tsv"
"""A line for each type and language: type, code of the language, words between bars.

It is written from knowledge of the languages, without a look at the words of the detectors.
"""


@cache
def _table() -> dict[tuple[str, str], tuple[str, ...]]:
    rows = (line.split("\t") for line in _FILE.read_text(encoding="utf-8").splitlines())
    return {(kind, lang): tuple(words.split(" | ")) for kind, lang, words in rows}


def labels_of(kind: str, lang: str) -> tuple[str, ...]:
    """Return the labels of a type in a language; those in English where the language has none."""
    return _table().get((kind, lang)) or _table()[kind, "en"]


@cache
def languages() -> frozenset[str]:
    """Return the languages of the table."""
    return frozenset(lang for _, lang in _table())
