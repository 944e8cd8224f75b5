"""Regular expressions for untrusted text: linear time, offsets in characters.

They are compiled when they are first searched for: all detectors have some 800, a gateway's start would wait
for them, and most texts need a few.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import re2

from gateway.domain.text.search_budget import count_candidate, encoded_texts, loading

_ANYWHERE = re2._Anchor.UNANCHORED
"""The argument of RE2's wrapper for a search; see `Pattern`."""
_MEMORY_BYTES = 64 << 20
"""Most memory for the states of one pattern or set, in bytes; RE2's default is an eighth."""


class Span(NamedTuple):
    """A match, with the spans of its groups."""

    start: int
    end: int
    groups: tuple[tuple[int, int], ...]


class Pattern:
    r"""A regular expression that runs in linear time, with offsets in characters.

    The text is passed to RE2 as one byte a character, which keeps offsets right and is faster than a str. A
    character outside Latin-1 becomes a question mark; `\w` and `\b` are ASCII's.
    """

    __slots__ = ("_ignore_case", "_match", "_source")
    _match: Any

    def __init__(self, source: str, *, ignore_case: bool = False) -> None:
        self._source = source.encode("latin-1")
        self._ignore_case = ignore_case

    def __getattr__(self, name: str) -> Any:
        """Compile it where `_match` is asked for the first time."""
        if name != "_match":
            raise AttributeError(name)
        with loading():
            options = _options(ignore_case=self._ignore_case)
            # Below RE2's Python wrapper, whose objects cost twice as much as the search.
            compiled = re2.compile(self._source, options)._regexp
            compiled.ReverseProgramSize()  # Compiles it backwards, too, which the first match would do.
            self._match = compiled.Match
        return self._match

    def find(self, text: str | bytes) -> Iterator[Span]:
        """Yield the leftmost matches that do not overlap, in order."""
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
        """Yield start and end of each match, faster than `find`; not for patterns that match the empty
        text."""
        match, end = self._match, len(text)
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        place: tuple[int, int] = match(_ANYWHERE, encoded, 0, end)[0]
        while place[0] >= 0:
            count_candidate()
            yield place
            place = match(_ANYWHERE, encoded, place[1], end)[0]

    def place(self, encoded: bytes, at: int) -> tuple[int, int] | None:
        """Return the first match from `at` on, in the result of `as_seen` or `as_data`."""
        count_candidate()
        place: tuple[int, int] = self._match(_ANYWHERE, encoded, at, len(encoded))[0]
        return place if place[0] >= 0 else None

    def is_in(self, text: str | bytes) -> bool:
        """Whether it matches anywhere."""
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        return bool(self._match(_ANYWHERE, encoded, 0, len(encoded))[0][0] >= 0)


def as_seen(text: str | bytes) -> bytes:
    """Return a text in the encoding of patterns, one byte a character; bytes are returned unchanged."""
    return text.encode("latin-1", "replace") if isinstance(text, str) else text


_UNIT_SEPARATOR = b"\x1f"
"""ASCII's separator of fields; patterns treat it as no letter, digit or separator of numbers."""
_ESCAPE = re.compile(
    rb"(?:\x1b|\\(?:x1[bB]|u001[bB]|033|e))\[[0-9;]{0,20}[A-Za-z]"
    rb"|\\(?:[bfnrtv]|u00[0-9A-Fa-f]{2}|x[0-9A-Fa-f]{2})"
    rb"|%B(?=[0-9]{12})|%(?:[01289A-Fa-f][0-9A-Fa-f]|3[A-Fa-f]|[46]0|[57][B-Fb-f])"
)
"""Terminal colours, and escaped punctuation and spaces of JSON, source code and URLs.

A card track begins with %B and its number (ISO/IEC 7813).
"""


def as_data(text: str) -> bytes:
    """Return a text in the encoding of data patterns: an underscore or an escape separates values.

    Most detectors ask for it: within a bounded search it is made once for each text.
    """
    known = encoded_texts()
    if known is None:
        return without_escapes(text).replace(b"_", _UNIT_SEPARATOR)
    data = known.get(text)
    if data is None:
        data = known[text] = without_escapes(text).replace(b"_", _UNIT_SEPARATOR)
    return data


def without_escapes(text: str) -> bytes:
    """Return a text in the encoding of patterns, with escapes replaced by separators."""
    seen = text.encode("latin-1", "replace")
    if b"\\" in seen or b"%" in seen or b"\x1b" in seen:
        return _ESCAPE.sub(lambda found: _UNIT_SEPARATOR * len(found[0]), seen)
    return seen


def refuse_pattern(source: str, *, most_instructions: int) -> str | None:
    """Return what is wrong with an operator's pattern, as a predicate to follow its name; None if valid."""
    try:
        encoded = source.encode("latin-1")
    except UnicodeEncodeError:
        return "has letters beyond Latin-1, which a pattern cannot see"
    options = _options(ignore_case=False)
    options.log_errors = False
    try:
        regexp = re2.compile(encoded, options)
    except re2.error as error:
        return f"is no regular expression of RE2: {_message(error)}"
    if regexp.programsize > most_instructions:
        return f"is too large: {regexp.programsize} instructions of at most {most_instructions}"
    return "matches the empty text" if regexp.search(b"") is not None else None


def _message(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("latin-1") if isinstance(said, bytes) else str(said)


class PatternSet:
    """Many patterns searched in one pass, to find which of them match."""

    __slots__ = ("_ignore_case", "_match", "_sources")
    _match: Any

    def __init__(self, sources: Sequence[str], *, ignore_case: bool = False) -> None:
        self._sources = tuple(source.encode("latin-1") for source in sources)
        self._ignore_case = ignore_case

    def __getattr__(self, name: str) -> Any:
        """Compile it where `_match` is asked for the first time."""
        if name != "_match":
            raise AttributeError(name)
        with loading():
            patterns = re2.Set.SearchSet(_options(ignore_case=self._ignore_case))
            for source in self._sources:
                patterns.Add(source)
            # RE2 also returns no match if it runs out of memory; a pattern that always matches shows which.
            patterns.Add(b"")
            patterns.Compile()
            # Below the wrapper, as in `Pattern`.
            self._match = patterns._set.Match
        return self._match

    def matching(self, text: str | bytes) -> list[int]:
        """Return the indexes in `sources` of the patterns that match, in order; raises MemoryError."""
        encoded = text if isinstance(text, bytes) else text.encode("latin-1", "replace")
        found: list[int] = self._match(encoded)
        found.sort()
        if not found or found.pop() != len(self._sources):
            raise MemoryError("RE2 ran out of memory for a set of patterns")
        return found


@lru_cache(maxsize=32)
def known_set(sources: tuple[str, ...]) -> PatternSet:
    """Return the set of these patterns in any case; to compile it takes up to 50 ms, so policies share it."""
    return PatternSet(sources, ignore_case=True)


def _options(*, ignore_case: bool) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not ignore_case
    options.max_mem = _MEMORY_BYTES
    return options
