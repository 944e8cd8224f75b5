"""Regular expressions for text of strangers: linear time, offsets in characters."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import re2

from gateway.domain.text.search_budget import count_candidate

_ANYWHERE = re2._Anchor.UNANCHORED
"""What the wrapper of RE2 tells its library when it searches; see `Pattern`."""
_MEMORY_BYTES = 64 << 20
"""What the states of one pattern or set may take; RE2's default is an eighth."""


class Span(NamedTuple):
    """A place where a pattern matched, with the places of its groups."""

    start: int
    end: int
    groups: tuple[tuple[int, int], ...]


class Pattern:
    r"""A regular expression that runs in linear time, with offsets in characters.

    The text goes to RE2 as one byte a character, which keeps offsets right and is faster than handing it a
    str. What is not in Latin-1 becomes a question mark; `\w` and `\b` are ASCII's.
    """

    def __init__(self, source: str, *, ignore_case: bool = False) -> None:
        # What stands under the wrapper: its objects cost twice what the search itself does.
        self._match = re2.compile(source.encode("latin-1"), _options(ignore_case=ignore_case))._regexp.Match

    def find(self, text: str | bytes) -> Iterator[Span]:
        """Yield the leftmost places that do not overlap, in order."""
        match, end = self._match, len(text)
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        at = 0
        while at <= end:
            count_candidate()
            (start, stop), *groups = match(_ANYWHERE, encoded, at, end)
            if start < 0:
                return
            yield Span(start, stop, tuple(groups))
            at = stop if start < stop else stop + 1

    def places(self, text: str | bytes) -> Iterator[tuple[int, int]]:
        """Yield start and end of what `find` yields, for less; not for what matches the empty text."""
        match, end = self._match, len(text)
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        place: tuple[int, int] = match(_ANYWHERE, encoded, 0, end)[0]
        while place[0] >= 0:
            count_candidate()
            yield place
            place = match(_ANYWHERE, encoded, place[1], end)[0]

    def place(self, encoded: bytes, at: int) -> tuple[int, int] | None:
        """Return the first place from `at` on of what `as_seen` or `as_data` made, to look again."""
        count_candidate()
        place: tuple[int, int] = self._match(_ANYWHERE, encoded, at, len(encoded))[0]
        return place if place[0] >= 0 else None

    def is_in(self, text: str | bytes) -> bool:
        """Whether it matches anywhere."""
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        return bool(self._match(_ANYWHERE, encoded, 0, len(encoded))[0][0] >= 0)


def as_seen(text: str | bytes) -> bytes:
    """Return a text as a pattern sees it, one byte a character; what was made so already stays."""
    return text.encode("latin-1", "replace") if isinstance(text, str) else text


_UNIT_SEPARATOR = b"\x1f"
"""ASCII's own mark between two fields; a pattern sees no letter, digit or separator of numbers in it."""
_ESCAPE = re.compile(
    rb"(?:\x1b|\\(?:x1[bB]|u001[bB]|033|e))\[[0-9;]{0,20}[A-Za-z]"
    rb"|\\(?:[bfnrtv]|u00[0-9A-Fa-f]{2}|x[0-9A-Fa-f]{2})"
    rb"|%B(?=[0-9]{12})|%(?:[01289A-Fa-f][0-9A-Fa-f]|3[A-Fa-f]|[46]0|[57][B-Fb-f])"
)
"""Colours of terminals, and marks and spaces as strings of JSON and programs, and URLs, write them.

The track of a card begins with %B and its number (ISO/IEC 7813).
"""


def as_data(text: str) -> bytes:
    """Return a text as a pattern for data sees it: an underscore or an escaped mark parts two values."""
    return without_escapes(text).replace(b"_", _UNIT_SEPARATOR)


def without_escapes(text: str) -> bytes:
    """Return a text as a pattern sees it, but with an escaped mark as one that parts two values."""
    seen = text.encode("latin-1", "replace")
    if b"\\" in seen or b"%" in seen or b"\x1b" in seen:
        return _ESCAPE.sub(lambda found: _UNIT_SEPARATOR * len(found[0]), seen)
    return seen


def refuse_pattern(source: str, *, most_instructions: int) -> str | None:
    """Return what is wrong with a pattern that an operator wrote, in words for after its name; or None."""
    try:
        encoded = source.encode("latin-1")
    except UnicodeEncodeError:
        return "has letters beyond Latin-1, which a pattern cannot see"
    options = _options(ignore_case=False)
    options.log_errors = False
    try:
        regexp = re2.compile(encoded, options)
    except re2.error as error:
        return f"is no regular expression of RE2: {_said(error)}"
    if regexp.programsize > most_instructions:
        return f"is too large: {regexp.programsize} instructions of at most {most_instructions}"
    return "matches the empty text" if regexp.search(b"") is not None else None


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("latin-1") if isinstance(said, bytes) else str(said)


class PatternSet:
    """Many patterns looked for in one pass, for the question which of them are worth running."""

    def __init__(self, sources: Sequence[str], *, ignore_case: bool = False) -> None:
        self._set = re2.Set.SearchSet(_options(ignore_case=ignore_case))
        for source in sources:
            self._set.Add(source.encode("latin-1"))
        # RE2 says "nothing" also when it ran out of memory; what always matches tells the two apart.
        self._always = self._set.Add(b"")
        self._set.Compile()

    def matching(self, text: str | bytes) -> list[int]:
        """Return the places in `sources` of those that match anywhere, in order; raises MemoryError."""
        found = set(self._set.Match(as_seen(text)) or ())
        if self._always not in found:
            raise MemoryError("RE2 ran out of memory for a set of patterns")
        return sorted(found - {self._always})


def _options(*, ignore_case: bool) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not ignore_case
    options.max_mem = _MEMORY_BYTES
    return options
