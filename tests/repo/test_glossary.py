"""The words that docs/glossary.md bans are not used in the package."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.repository import ROOT

PACKAGE = ROOT / "gateway"
ROOMS = {
    "admin": "server/admin",
    "everywhere": "",
    "hand-off": "extras/handoff",
    "masking": "privacy/masking",
    "policy keys": "policy",
}
"""Folders of places whose name in the glossary is no folder's."""
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


class Banned(NamedTuple):
    """A word of the glossary's second table, what kind of name it must not be, and in which folders."""

    word: str
    kind: str
    folders: tuple[Path, ...]


def banned() -> list[Banned]:
    """Return the rows of the second table, one for each word."""
    table = (
        (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").partition("## Words that are not used")[2]
    )
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)[1:]
    found = []
    for words, where in rows:
        kind = "".join(re.findall(r" \((.*)\)", words))
        folders = tuple(PACKAGE / ROOMS.get(place, place) for place in where.split(", "))
        found += [Banned(word, kind, folders) for word in words.removesuffix(f" ({kind})").split(", ")]
    return found


@cache
def files(folder: Path) -> tuple[Path, ...]:
    """Return the modules of a folder that people write; a room may be one module."""
    module = folder.with_suffix(".py")
    return (module,) if module.is_file() else tuple(p for p in folder.rglob("*.py") if "v1" not in p.parts)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the identifiers of a module, and the words that they are made of, in small letters."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    return frozenset(part.lower() for name in names for part in (*_PART.findall(name), name))


@cache
def classes_in(path: Path) -> frozenset[str]:
    """Return the names of the classes that a module defines, in small letters."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name.lower() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def uses(word: Banned) -> Iterator[str]:
    """Yield the modules that use a word."""
    for folder in word.folders:
        for path in files(folder):
            if word.kind == "class":
                is_used = word.word in classes_in(path)
            elif " " in word.word or word.kind == "is written":
                # "stands for" is what a placeholder does.
                text = path.read_text(encoding="utf-8")
                is_used = bool(re.search(rf"\b{word.word}\b(?! for\b)", text, re.IGNORECASE))
            else:
                is_used = not word.kind and word.word in names_in(path)
            if is_used:
                yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("word", banned(), ids=lambda word: word.word)
def test_a_word_that_is_not_used_is_not_used(word: Banned) -> None:
    """The glossary says what to write instead; what needs a reader (a parameter) is not tested."""
    assert list(uses(word)) == []


def test_every_place_of_the_table_is_a_folder() -> None:
    """Otherwise a word would be looked for nowhere."""
    places = {folder for word in banned() for folder in word.folders if folder.name not in {"logs", "extras"}}
    assert len(banned()) > 40
    assert all(files(folder) for folder in places), [folder for folder in places if not files(folder)]


def test_a_class_name_occurs_once() -> None:
    """Two classes of one name are two meanings of a word; private ones are their module's own."""
    found: dict[str, list[str]] = {}
    for path in files(PACKAGE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
