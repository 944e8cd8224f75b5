"""How labels and values are written down, in data, code, forms and prose: `shapes.txt`."""

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from training.names.rows import Labelled, Span


class Item(NamedTuple):
    """A label and its value."""

    label: str
    value: str
    kind: str = ""
    """The type of the value; empty where it is nobody's."""


def case_of(dice: random.Random) -> Callable[[str], str]:
    """Return how the labels of a form are written."""
    cases: tuple[Callable[[str], str], ...] = (
        str, str.title, str.upper, str.lower, str.capitalize, _snake, _capital_snake, _camel, _kebab,
    )  # fmt: skip
    return dice.choices(cases, (24, 8, 12, 12, 10, 16, 5, 9, 4))[0]


def _parts(label: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", plain)
    return words if sum(map(len, words)) > len(label) / 2 else re.findall(r"[^\s\W]+", label)


def _snake(label: str) -> str:
    return "_".join(_parts(label)).lower() or "field"


def _capital_snake(label: str) -> str:
    return _snake(label).upper()


def _kebab(label: str) -> str:
    return _snake(label).replace("_", "-")


def _camel(label: str) -> str:
    first, *rest = _snake(label).split("_")
    return first + "".join(part.title() for part in rest)


_SLOT = re.compile(r"\{([lv])\}")
Shape = tuple[str, str, str, str]


def _shapes(section: str) -> list[Shape]:
    """Return a section of the file of shapes.

    Of a form: what is before the first label {l} and value {v}, these, what is between them, and what ends.
    Of a table: what is before a row, between cells, behind a row, and below the labels.
    """
    lines = Path(__file__).with_name("shapes.txt").read_text(encoding="utf-8").splitlines()
    at = lines.index(f"[{section}]") + 1
    found: list[Shape] = []
    for line in lines[at:]:
        if line.startswith("[") and line.endswith("s]"):
            break
        first, second, third, fourth = line.replace("\\n", "\n").replace("\\t", "\t")[:-2].split(" \xa6 ")
        found.append((first, second, third, fourth))
    return found


SHAPES, TABLES = _shapes("items"), _shapes("tables")


class _Text:
    """A text that grows, with its labels."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.spans: list[Span] = []
        self._size = 0

    def add(self, text: str, kind: str = "") -> None:
        """Add text, with a label where it is of somebody."""
        if kind:
            self.spans.append(Span(self._size, self._size + len(text), kind))
        self.parts.append(text)
        self._size += len(text)

    def done(self) -> Labelled:
        """Return the text with its labels."""
        return Labelled("".join(self.parts), self.spans)


def shaped(items: Sequence[Item], shape: Shape) -> Labelled:
    """Return labels and values in turn."""
    opening, one, between, closing = shape
    text = _Text()
    text.add(opening.replace("{l}", items[0].label))
    for at, item in enumerate(items):
        text.add(between if at else "")
        done = 0
        for slot in _SLOT.finditer(one):
            text.add(one[done : slot.start()])
            done = slot.end()
            text.add(item.label) if slot[1] == "l" else text.add(item.value, item.kind)
        text.add(one[done:])
    text.add(closing)
    return text.done()


def table(rows: Sequence[Sequence[Item]], shape: Shape, *, has_labels: bool) -> Labelled:
    """Return rows of values, below their labels or without them."""
    before, between, behind, rule = shape
    text = _Text()
    if has_labels:
        text.add(before + between.join(item.label for item in rows[0]) + behind + rule)
    for row in rows:
        text.add(before)
        for at, item in enumerate(row):
            text.add(between if at else "")
            text.add(item.value, item.kind)
        text.add(behind)
    return text.done()
