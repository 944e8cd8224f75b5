"""Finds URLs in an answer: what a client may fetch, or show as a link, when it shows the answer.

Markdown, HTML, JSON and bare text are parsed alike and roughly: in doubt a position is within a URL.
"""

import re

_FORWARD = r"(?:/|&(?:sol|#0{0,6}47|#x0{0,6}2f);?)"
_SLASH = r"(?:[/\\]|&(?:sol|bsol|#0{0,6}(?:47|92)|#x0{0,6}(?:2f|5c));?)"
"""Browsers accept both slashes; HTML may write them by name or number."""
_COLON = r"(?::|&(?:colon|#0{0,6}58|#x0{0,6}3a);?)"
_MARKDOWN = r"(?P<target>\]\()(?P<angle><?)"
_ATTRIBUTE = (
    r"\b(?:src|srcset|srcdoc|href|action|formaction|poster|background|ping|style)\s{0,9}=\s{0,9}"
    r"""\\?(?P<quote>["']?)"""
)
"""An attribute that is fetched, also with a relative URL; the backslash is for JSON strings."""
_ADDRESS = (
    r"""(?P<opening>["'<]?)(?:"""
    rf"\b(?:https?|wss?|ftp){_COLON}|\b[a-z][a-z0-9+.-]{{1,30}}{_COLON}{_SLASH}{{2}}|{_FORWARD}{_SLASH}"
    r"|\bwww\.|\w\.\w[\w-]{0,62}(?::\d{1,5})?[/?#])"
)
"""A scheme, a network path, or a host without either."""
_BEGINS = re.compile(f"{_MARKDOWN}|{_ATTRIBUTE}|{_ADDRESS}", re.IGNORECASE)
_MAX_CHARS = 128
"""The most characters that `_BEGINS` matches."""
_PARTNERS = {opening: re.compile(closing) for opening, closing in ('""', "''", "<>")}
_SPACE = re.compile(r"\s")
_SPACE_OR_TAG = re.compile(r"[\s<]")
_SPACE_OR_END = re.compile(r"[\s>]")
_FETCHES_NOTHING = frozenset({"mailto:", "tel:"})
"""Schemes of links that fetch nothing and open a program on a click."""


class UrlReader:
    """Reads one answer from its beginning, and tracks whether a URL is open at the current position."""

    def __init__(self) -> None:
        self._pieces: list[str] = [""]
        """The text since the last call of `is_inside`, which parses it; chunk borders do not matter."""
        self._end: re.Pattern[str] | None = None
        """The pattern that ends the open URL."""

    def read(self, text: str) -> None:
        """Add text."""
        self._pieces.append(text)

    def is_inside(self) -> bool:
        """Return whether the next character is a part of a URL."""
        text = "".join(self._pieces)
        at = 0
        begun: re.Match[str] | None = None
        while True:
            if self._end is not None:
                end = self._end.search(text, at)
                if end is None:
                    self._pieces = [""]
                    return begun is None or not _fetches_nothing(begun)
                at, self._end = end.start(), None
            begun = _BEGINS.search(text, at)
            if begun is None:
                self._pieces = [text[max(at, len(text) - _MAX_CHARS) :]]
                return False
            at, self._end = begun.end(), _end_of(begun)


def _end_of(begun: re.Match[str]) -> re.Pattern[str]:
    opening = begun["angle"] or begun["quote"] or begun["opening"]
    if opening:
        return _PARTNERS[opening]
    if begun["target"]:
        return _SPACE
    return _SPACE_OR_TAG if begun["quote"] is None else _SPACE_OR_END


def _fetches_nothing(begun: re.Match[str]) -> bool:
    return begun["opening"] is None and begun.string[begun.end() :].lower() in _FETCHES_NOTHING
