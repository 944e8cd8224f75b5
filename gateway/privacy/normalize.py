"""Text as detectors see it: disguises of ordinary characters undone, with the way back to the original."""

import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import digits_in, paragraphs

_SPACES = [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
_DASHES = [
    *(0x58A, 0x5BE, 0x1400, 0x1806, *range(0x2010, 0x2016), 0x2E17, 0x2E1A, 0x2E3A, 0x2E3B, 0x2E40, 0x2E5D),
    *(0x301C, 0x3030, 0x30A0, 0xFE31, 0xFE32, 0xFE58, 0xFE63, 0x10EAD),
    *(0x2D7, 0x2043, 0x2212, 0x223C, 0xFF5E),
]
"""General category Pd, and what is used as one: modifiers, bullets, minus, tilde operator, wide tilde."""
_BETWEEN_DIGITS = "\u30fc\u00b7\u2022\u30fb"
"""Marks that part digits; elsewhere they are a long vowel, a middle dot, a bullet."""
_APOSTROPHES = [0x2018, 0x2019, 0x201B, 0x2032]
_QUOTES = [0x201C, 0x201D, 0x201F, 0x2033]
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_WITH_DIGITS = range(0x80, 0x20000)
"""The planes of scripts; to look through all seventeen would take a tenth of a second at every start."""
_DIGITS = re.compile(r"\d")
_DEFAULT_IGNORABLE = """
00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8
1BCA0-1BCA3 1D173-1D17A E0000-E0FFF
"""
"""Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16.0: what is shown as nothing."""
_INVISIBLE_CODES = [
    code
    for first, _, last in (each.partition("-") for each in _DEFAULT_IGNORABLE.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
]


def _foldings() -> dict[int, str]:
    """Return what each look-alike stands for: one character for one, so that no offset moves."""
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
"""Where a character of a reading stood that the original does not have."""


@dataclass(frozen=True, slots=True)
class NormalText:
    """A text for detectors, and where each of its characters stood."""

    text: str = field(repr=False)
    offsets: tuple[int, ...] | None = field(default=None, repr=False)
    is_of_fields: bool = False
    """Whether only names of fields were changed, which matters to those that look for words of context."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of a place in `text` that is not empty.

        It begins at NO_PLACE where a part of it is not in the original, so that it means nothing there.
        """
        if self.offsets is None:
            return start, end
        first, last = self.offsets[start], self.offsets[end - 1]
        return (NO_OFFSET, 0) if NO_OFFSET in (first, last) else (first, last + 1)


class Edit(NamedTuple):
    """Other characters in place of [start, end) of a text, and where they stand in it, or NO_PLACE."""

    start: int
    end: int
    written: str
    place: int = NO_OFFSET


MAX_EDITS = 4096
"""Of one reading; what stands behind them is read as it is."""


def rewritten(normal: NormalText, edits: Iterable[Edit], *, is_of_fields: bool = False) -> NormalText | None:
    """Return a text with edits, in order, of which the first ones count; None where there are none."""
    text, done = normal.text, 0
    pieces: list[str] = []
    kept: list[int] = []
    for start, end, written, place in islice(edits, MAX_EDITS):
        pieces += [text[done:start], written]
        kept += range(done, start)
        kept += [place] * len(written)
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    kept += range(done, len(text))
    if normal.offsets is not None:
        kept = [at if at == NO_OFFSET else normal.offsets[at] for at in kept]
    return NormalText("".join(pieces), tuple(kept), is_of_fields=is_of_fields)


_MIN_SPELLED = 9
_SPELLED = Pattern(r"\b(?:[A-Z]{2})?(?:\d(?: \d){8,30}|\d(?:\.\d){8,30}|\d(?:-\d){8,30})\b")
"""Digits one by one, as they are dictated; as many as the shortest of numbers has, and as the longest."""


def spelled(normal: NormalText) -> NormalText | None:
    """Return the text with digits that were written one by one put together; None where there are none."""
    if digits_in(normal.text) < _MIN_SPELLED or not _SPELLED.is_in(normal.text):
        return None
    pieces: list[str] = []
    kept: list[int] = []
    for start, paragraph in paragraphs(normal.text):
        runs = list(_SPELLED.places(paragraph))
        if not runs:
            continue
        # Between two paragraphs stand two line ends, which no match holds.
        kept += [start, start] if kept else []
        done = 0
        piece = []
        for first, last in runs:
            country = 2 if paragraph[first].isalpha() else 0
            piece += [paragraph[done : first + country], paragraph[first + country : last : 2]]
            kept += [*range(start + done, start + first + country)]
            kept += [*range(start + first + country, start + last, 2)]
            done = last
        pieces.append("".join([*piece, paragraph[done:]]))
        kept += [*range(start + done, start + len(paragraph))]
    if not pieces:
        return None
    offsets = normal.offsets
    return NormalText("\n\n".join(pieces), tuple(kept if offsets is None else [offsets[at] for at in kept]))


def normalise(text: str) -> NormalText:
    """Undo disguises: full-width forms, other scripts' digits, odd spaces, dashes, quotes, invisible marks.

    Raises UnicodeEncodeError where the text holds what is no character, such as a lone surrogate.
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
    """Return the text with spaces for invisible marks; None where none stands between letters or digits.

    Such a mark may stand within a value or, where lines and cells were copied, between two.
    """
    if text.isascii() or _INVISIBLE.isdisjoint(text) or not _JOINED.search(text):
        return None
    return NormalText(_DASHED.sub("-", text.translate(_TABLE_OF_SPACES)), is_of_fields=True)
