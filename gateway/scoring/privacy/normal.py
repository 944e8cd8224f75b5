"""Text as detectors see it: the disguises of ordinary characters undone, and the way back to the original offsets."""

import sys
import unicodedata
from dataclasses import dataclass, field


def _foldings() -> dict[int, str]:
    table = {
        ord(space): " "
        for space in "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    }
    table |= {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"}
    table |= {ord(quote): "'" for quote in "\u2018\u2019\u201b\u2032"}
    table |= {ord(quote): '"' for quote in "\u201c\u201d\u201f\u2033"}
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for code in range(0x80, sys.maxunicode + 1):
        digit = unicodedata.decimal(chr(code), None)
        if digit is not None:
            table[code] = str(digit)
    return table


_FOLDED = _foldings()
_INVISIBLE = frozenset(
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
_TOUCHED = _INVISIBLE | frozenset(map(chr, _FOLDED))
_TABLE: dict[int, str | None] = {**_FOLDED, **{ord(char): None for char in _INVISIBLE}}


@dataclass(frozen=True, slots=True)
class NormalText:
    """A text for detectors, and where each of its characters stood."""

    text: str = field(repr=False)
    offsets: tuple[int, ...] | None = field(default=None, repr=False)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of a place in `text` that is not empty."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def normalise(text: str) -> NormalText:
    """Undo disguises: full-width and other scripts' digits, odd spaces, dashes, quotes, characters without width.

    Raises UnicodeEncodeError where the text holds what is no character, such as a lone surrogate.
    """
    if text.isascii():
        return NormalText(text)
    text.encode("utf-8")
    if _TOUCHED.isdisjoint(text):
        return NormalText(text)
    plain = text.translate(_TABLE)
    if len(plain) == len(text):
        return NormalText(plain)
    return NormalText(plain, tuple(i for i, char in enumerate(text) if char not in _INVISIBLE))
