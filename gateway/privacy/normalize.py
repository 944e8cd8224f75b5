"""Normalises text for detectors, and maps offsets back to the original."""

import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import paragraphs

_SPACES = [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
_DASHES = [
    *(0x58A, 0x5BE, 0x1400, 0x1806, *range(0x2010, 0x2016), 0x2E17, 0x2E1A, 0x2E3A, 0x2E3B, 0x2E40, 0x2E5D),
    *(0x301C, 0x3030, 0x30A0, 0xFE31, 0xFE32, 0xFE58, 0xFE63, 0x10EAD),
    *(0x2D7, 0x2043, 0x2212, 0x223C, 0xFF5E),
]
"""General category Pd, and characters that are used as a dash: modifiers, bullets, minus, tildes."""
_BETWEEN_DIGITS = "\u30fc\u00b7\u2022\u30fb"
"""Marks that separate digits; elsewhere they are a long vowel, a middle dot, a bullet."""
_APOSTROPHES = [0x2018, 0x2019, 0x201B, 0x2032]
_QUOTES = [0x201C, 0x201D, 0x201F, 0x2033]
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_WITH_DIGITS = range(0x80, 0x20000)
"""The planes with scripts; all seventeen would take a tenth of a second at every start."""
_DIGITS = re.compile(r"\d")
_DEFAULT_IGNORABLE = """
00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8
1BCA0-1BCA3 1D173-1D17A E0000-E0FFF
"""
"""Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16.0: invisible characters."""
_INVISIBLE_CODES = [
    code
    for first, _, last in (each.partition("-") for each in _DEFAULT_IGNORABLE.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
]


def _foldings() -> dict[int, str]:
    """Return a table from look-alikes to plain characters, one for one, so that offsets do not change."""
    table = dict.fromkeys(_SPACES, " ") | dict.fromkeys(_DASHES, "-")
    table |= dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_QUOTES, '"')
    table |= {code: chr(code - 0xFEE0) for code in _FULL_WIDTH if code not in _DASHES}
    every = array("I", _WITH_DIGITS).tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
    digits = _DIGITS.findall(every)
    return table | {ord(digit): str(unicodedata.decimal(digit)) for digit in digits}


_FOLDED = _foldings()
_INVISIBLE = frozenset(map(chr, _INVISIBLE_CODES))
_TOUCHED = _INVISIBLE | frozenset(map(chr, _FOLDED)) | frozenset(_BETWEEN_DIGITS)
_TABLE: dict[int, str | None] = {**_FOLDED, **dict.fromkeys(_INVISIBLE_CODES)}
_TABLE_OF_SPACES = {**_FOLDED, **dict.fromkeys(_INVISIBLE_CODES, " ")}
_DASHED = re.compile(rf"(?<=\d)[{_BETWEEN_DIGITS}](?=\d)")
_JOINED = re.compile(rf"[A-Za-z0-9][{''.join(map(chr, _INVISIBLE_CODES))}]+[A-Za-z0-9]")


NO_OFFSET = -1
"""The offset of a character that the original does not have."""
_NO_ENDS: Mapping[int, int] = MappingProxyType({})


class OwnText(NamedTuple):
    """A cell of a table in the original text, and the texts that say what it is."""

    start: int
    end: int
    texts: tuple[str, ...]


class NormalText(NamedTuple):
    """A text for detectors, with the original offset of each character (None: unchanged)."""

    text: str
    offsets: tuple[int, ...] | None = None
    is_of_fields: bool = False
    """Whether only field names were changed, which matters only to detectors with context words."""
    cells: tuple["OwnText", ...] = ()
    """The cells of tables, in order; a number in one is judged by its own head, not by its neighbours."""
    ends: Mapping[int, int] = _NO_ENDS
    """Where, in the original, what was replaced ends, by its offset: an escape, or a whole encoded token."""

    def __repr__(self) -> str:
        """Return its length: a request's text is in no log and no error."""
        return f"NormalText({len(self.text)} characters)"

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the original of a non-empty span in `text`.

        It begins at NO_OFFSET if its first or last character is not in the original.
        """
        if self.offsets is None:
            return start, end
        first, last = self.offsets[start], self.offsets[end - 1]
        return (NO_OFFSET, 0) if NO_OFFSET in (first, last) else (first, self.ends.get(last, last + 1))


class Edit(NamedTuple):
    """A replacement for [start, end) of a text, and the original offset of its characters, or NO_OFFSET."""

    start: int
    end: int
    written: str
    offset: int = NO_OFFSET


MAX_EDITS = 4096
"""The most edits in one variant; the text behind them stays unchanged."""


def rewritten(normal: NormalText, edits: Iterable[Edit], *, is_of_fields: bool = False) -> NormalText | None:
    """Apply the first MAX_EDITS edits, which are in order; None if there are none."""
    text, done = normal.text, 0
    pieces: list[str] = []
    origins: list[int] = []
    ends: dict[int, int] = {}
    for start, end, written, offset in islice(edits, MAX_EDITS):
        pieces += [text[done:start], written]
        origins += range(done, start)
        origins += [offset] * len(written)
        if offset != NO_OFFSET and end > offset + 1:
            ends[offset] = end
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    origins += range(done, len(text))
    if normal.offsets is not None:
        origins = [at if at == NO_OFFSET else normal.offsets[at] for at in origins]
        ends = {normal.offsets[at]: normal.offsets[end - 1] + 1 for at, end in ends.items()}
    return NormalText("".join(pieces), tuple(origins), is_of_fields, ends=ends)


_SPELLED = Pattern(r"\b(?:[A-Z]{2})?(?:\d(?: \d){8,30}|\d(?:\.\d){8,30}|\d(?:-\d){8,30})\b")
"""Digits one by one, as in dictation; 9 to 31 of them, the lengths of known numbers."""
SPELLED_PREFILTER = r"\d(?: \d){8}|\d(?:\.\d){8}|\d(?:-\d){8}"
"""A pattern of each text that `spelled` changes."""
SPELLED_DIGITS = 9
"""The least digits of a text that `spelled` changes."""


def spelled(normal: NormalText) -> NormalText | None:
    """Return the paragraphs with digits one by one, with these digits joined; None if there are none."""
    if not _SPELLED.is_in(normal.text):
        return None
    pieces: list[str] = []
    origins: list[int] = []
    for start, paragraph in paragraphs(normal.text):
        runs = list(_SPELLED.places(paragraph))
        if not runs:
            continue
        # The two line ends between paragraphs; no match contains them.
        origins += [start, start] if origins else []
        done = 0
        piece = []
        for first, last in runs:
            country = 2 if paragraph[first].isalpha() else 0
            piece += [paragraph[done : first + country], paragraph[first + country : last : 2]]
            origins += [*range(start + done, start + first + country)]
            origins += [*range(start + first + country, start + last, 2)]
            done = last
        pieces.append("".join([*piece, paragraph[done:]]))
        origins += [*range(start + done, start + len(paragraph))]
    if not pieces:
        return None
    offsets = normal.offsets
    return NormalText(
        "\n\n".join(pieces), tuple(origins if offsets is None else [offsets[at] for at in origins])
    )


def normalise(text: str) -> NormalText:
    """Replace full-width forms, digits of other scripts, special spaces, dashes and quotes, invisible marks.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    if text.isascii():
        return NormalText(text)
    text.encode("utf-8")
    if _TOUCHED.isdisjoint(text):
        return NormalText(text)
    plain = _DASHED.sub("-", text.translate(_TABLE))
    if len(plain) == len(text):
        return NormalText(plain)
    return NormalText(plain, tuple(i for i, char in enumerate(text) if char not in _INVISIBLE))


def parted(text: str) -> NormalText | None:
    """Return the text with spaces for invisible marks; None if none is between letters or digits.

    Such a mark may be within a value or, in copied lines and cells, between two values.
    """
    if text.isascii() or _INVISIBLE.isdisjoint(text) or not _JOINED.search(text):
        return None
    return NormalText(_DASHED.sub("-", text.translate(_TABLE_OF_SPACES)), is_of_fields=True)
