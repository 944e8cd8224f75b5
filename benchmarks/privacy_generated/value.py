"""What the generator is made of: sources of values, fields, forms, rows; and which half each belongs to."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Half = Literal["tune", "held"]
HALVES: tuple[Half, ...] = ("tune", "held")
Draw = Callable[[Random], str]

_SALT = "halves of 2026:"
"""Changes every assignment to a half; never to be tuned."""


def half_of(name: str) -> Half:
    """Return the half that a source or a form belongs to: by a hash of its name, so that nobody picks."""
    return HALVES[hashlib.sha256((_SALT + name).encode()).digest()[0] & 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Values of one kind, and the words by which people name them."""

    name: str
    """The unit of the split, such as `phonenumbers DE`."""
    kind: str
    """What tables group by, such as `phone of a region`."""
    type: str | None
    """The type of finding that a value is; None where it is nobody's."""
    draw: Draw
    labels: tuple[str, ...] = ()
    """What stands before a value in a form, in the language of the source."""
    lang: str = "en"
    is_evident: bool = True
    """Whether a reader knows what a value is without a label."""
    is_text: bool = False
    """Whether a value is a whole text, which no form adds to."""
    also: tuple[str, ...] = ()
    """Types that are neither right nor wrong in a row with such a value."""

    @property
    def country(self) -> str:
        """Return the country that its name says, in two small letters; empty where it says none."""
        match self.name.split():
            case ["faker", locale, *_]:
                return locale[-2:].lower()
            case ["stdnum", module] if "." in module:
                return module.split(".")[0].rstrip("_")
            case ["phonenumbers", region]:
                return region.lower()
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A value with its label in one row."""

    text: str
    type: str | None
    label: str = ""
    lang: str = "en"
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What one row is about, and what stands beside it."""

    mains: tuple[Field, ...]
    """Values of one source; forms of rows write all, others the first."""
    beside: tuple[Field, ...] = ()
    """Values that are nobody's, in the same record."""

    @property
    def main(self) -> Field:
        """Return the first value."""
        return self.mains[0]


Part = str | Field
Write = Callable[[Fields, Random], Sequence[Part]]
"""Sets fields into text: literal text and fields, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A way in which values are written down."""

    name: str
    """The unit of the split, such as `CSV with header`."""
    family: str
    """What tables group by, such as `CSV`."""
    write: Write
    has_label: bool = True
    """Whether the form says what the value is."""
    lang: str = ""
    """The language that the form is written in; empty where it is in none, or in the label's."""
    types: frozenset[str] = frozenset()
    """The types whose values it takes; empty: all, and those that are nobody's."""
    encode: Callable[[str], str] = str
    """How the form writes a value: with escapes, or in disguise."""
    is_disguise: bool = False
    also: frozenset[str] = frozenset()
    """Types that are neither right nor wrong in its texts: a form that is a web address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRow:
    """A text with its labels, the source and the form that it is made of."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    source: Source
    form: Form
    value: str
    """The first value, as its source drew it."""
    also: frozenset[str]
    """Types that the row does not judge."""


def written(form: Form, fields: Fields, random: Random) -> tuple[str, tuple[tuple[int, int, str], ...]]:
    """Return the text of a form, and where in it each value with a type is."""
    text = ""
    spans = []
    for part in form.write(fields, random):
        if isinstance(part, str):
            text += part
            continue
        value = form.encode(part.text)
        if part.type:
            spans.append((len(text), len(text) + len(value), part.type))
        text += value
    return text, tuple(spans)
