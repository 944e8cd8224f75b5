"""Pieces of text, joined so that no character is cut in two."""

import re
from typing import Final

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNFINISHED = "\ufffd" + "".join(map(chr, range(0xD800, 0xDC00)))
"""With what a piece may end whose last character is cut: a first half, or what a provider puts for one."""
_LONGEST_HELD: Final = 4
"""A character has at most four bytes, and a provider puts one mark for each of them that it has so far."""


class TextJoiner:
    """Joins pieces of text: a character that comes in two halves is given out when it is whole."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        """Return what can be given out after one piece more."""
        if not self._held and piece.isascii():
            return piece
        text = self._held + piece
        at = max(0, len(text) - _LONGEST_HELD)
        at += len(text[at:].rstrip(_UNFINISHED))
        self._held = text[at:]
        return _mended(text[:at])

    def end(self, *, is_cut: bool) -> str:
        """Return what was held back; nothing if the model was cut off in the middle of a character."""
        held, self._held = self._held, ""
        return "" if is_cut else _mended(held)


def _mended(text: str) -> str:
    """Return the text with halves of surrogate pairs joined; one without its other half becomes U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
