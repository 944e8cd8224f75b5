"""The interface of a detector, the levels of confidence, and helpers that most detectors use."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from gateway.domain.text.pattern import Pattern
from gateway.privacy.things import is_of_something_else

CERTAIN = 1.0
"""A format that means nothing else."""
CHECKED = 0.95
"""A valid check digit, or a value directly after the words that name it."""
LIKELY = 0.75
"""A format that seldom means anything else."""
PROBABLE = 0.6
"""A plausible value with a word in its paragraph that names it."""
POSSIBLE = 0.3
"""A plausible value without further evidence; too little for floors, MANY and reports."""


FAINT = 0.2
"""A bare number with a valid check digit only; too little to make a text internal by itself."""


class Match(NamedTuple):
    """A span of a text, [start, end) in characters, that looks like data of a type."""

    type: str
    start: int
    end: int
    confidence: float


class Detector(Protocol):
    """Finds data of some types in a text; pure, so threads may share it."""

    @property
    def types(self) -> tuple[str, ...]:
        """The types that it may find, all in `gateway.policy.model.FindingType`."""
        ...

    def find(self, text: str) -> Iterable[Match]:
        """Return the matches in `text`; none spans a blank line or depends on text beyond one."""
        ...


@runtime_checkable
class PrefilteredDetector(Detector, Protocol):
    """A detector with a prefilter: one pass over a text decides for all of them which ones to run.

    A detector, with a prefilter or without, may also have `min_digits`: a text with fewer ASCII digits has no
    finding. It is 1 for one with a prefilter, and else 0, where it is not said.
    """

    @property
    def prefilter(self) -> str:
        """A case-insensitive pattern for `as_data`; a text without a match has no finding."""
        ...


def min_digits_of(detector: Detector) -> int:
    """Return the least digits of a text in which a detector may find something."""
    least: int = getattr(detector, "min_digits", int(isinstance(detector, PrefilteredDetector)))
    return least


_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))


def digits_of(text: str) -> str:
    """Return the ASCII digits of a text."""
    return text.encode("latin-1", "replace").translate(None, _NO_DIGITS).decode("ascii")


def digits_in(text: str) -> int:
    """Return how many ASCII digits a text has."""
    return len(text.encode("latin-1", "replace").translate(None, _NO_DIGITS))


_MAX_CHARS = 24
"""Characters of a number with its separators."""
_LAST_BLANK_LINE = re.compile(r".*\n[ \t\r\f\v]*\n", re.DOTALL)
_BLANK_LINE_WITHIN = re.compile(r"\n[ \t\r\f\v]*\n")
_BLANK_LINE = Pattern(r"\n(?:[ \t\r\f\v]*\n)+")


def context(text: str, span: tuple[int, int], *, before: int, after: int = 0) -> str:
    """Return the surroundings of a value, in which words may name it.

    Nothing if the words right before a number name something that is nobody's, such as an order.
    """
    around = surroundings(text, span, before=before, after=after)
    if digits_in(text[slice(*span)]) and is_of_something_else(text, span[0]):
        return ""
    return around


def surroundings(text: str, span: tuple[int, int], *, before: int, after: int = 0) -> str:
    """Return up to `before` characters before a span and `after` behind it, from its paragraph only."""
    start, end = span
    head = text[max(0, start - before) : start]
    if "\n" in head:
        # Not RE2: for so short a text its wrapper takes ten times as long as the search.
        blank = _LAST_BLANK_LINE.match(head)
        head = head[blank.end() :] if blank else head
    if not after:
        return head
    return f"{head} {text[end : end_of_paragraph(text, end, end + after)]}"


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the start and the text of each paragraph."""
    start = 0
    if "\n" in text:
        for blank in _BLANK_LINE.find(text):
            yield start, text[start : blank.start]
            start = blank.end
    yield start, text[start:]


def has_blank_line(text: str) -> bool:
    """Whether a text has more than one paragraph."""
    return text.count("\n") > 1 and _BLANK_LINE.is_in(text)


def sole_paragraph(text: str) -> tuple[int, int] | None:
    """Return the span of the first paragraph if it is as short as a number; later ones do not matter."""
    start, paragraph = next(paragraphs(text))
    bare = paragraph.strip()
    if not bare or len(bare) > _MAX_CHARS:
        return None
    at = start + paragraph.index(bare[0])
    return at, at + len(bare)


def end_of_paragraph(text: str, start: int, limit: int) -> int:
    """Return the start of the blank line after `start`, or `limit` if there is none before it."""
    limit = min(limit, len(text))
    if (blank := _BLANK_LINE_WITHIN.search(text, start, limit)) is not None:
        return blank.start()
    # One that begins before the limit may end behind it.
    at = text.rfind("\n", start, limit)
    return at if at >= 0 and _BLANK_LINE_WITHIN.match(text, at) else limit


def accepted(
    pattern: Pattern, data: bytes, match_at: Callable[[int, int], Match | None], *, is_whole: bool = False
) -> Iterator[Match]:
    """Yield the match that `match_at` returns for each span of a pattern in the output of `as_data`.

    Without a match the search continues at the next group of characters in the span, because a number and
    its neighbour may look like one number. If the pattern matches whole tokens (`is_whole`), it continues
    behind the span.
    """
    place = pattern.place(data, 0)
    while place is not None:
        start, end = place
        match = match_at(start, end)
        if match is not None:
            end = match.end
            yield match
        elif not is_whole:
            group = _GROUP.match(data, start, end)
            end = group.end() if group else end
        place = pattern.place(data, end)


_GROUP = re.compile(rb"[0-9A-Za-z]+[^0-9A-Za-z]+")


def is_whole_token(data: bytes, start: int, end: int) -> bool:
    """Whether [start, end) of the output of `as_data` is not a part of a longer word or number.

    ASCII letters and digits continue a value; those of other scripts do not. A mark that may occur within a
    number, with a digit behind it, continues a value that contains the same mark, unless it ends a date. A
    full stop also continues a value that it makes a fraction, or gives more decimals than an amount has.
    """
    if start:
        before = data[start - 1]
        if before in _JOINING and (data[start] != _PLUS or before in _DIGITS):
            return False
        if before in _INSIDE and data[start - 2 : start - 1].isdigit():
            if before == _POINT and data[start] in _DIGITS:
                return False
            if data.find(before, start, end) >= 0 and not _DATE.match(data, max(0, start - _DATE_CHARS)):
                return False
    if end < len(data):
        after = data[end]
        if after in _JOINING:
            return False
        if after in _INSIDE and data[end + 1 : end + 2].isdigit():
            if data.find(after, start, end) >= 0:
                return False
            if after == _POINT and data[end - 1] in _DIGITS and not _DECIMALS.match(data, end):
                return False
    return not is_in_uuid(data, start, end)


def is_in_uuid(data: bytes, start: int, end: int) -> bool:
    """Whether a span is a part of a UUID, whose groups may look like any number."""
    if _DASH not in data[max(0, start - 1) : start] + data[end : end + 1]:
        return False
    first = max(0, start - _UUID_CHARS)
    around = _UUID.finditer(data, first, end + _UUID_CHARS)
    return any(found.start() <= start and end <= found.end() for found in around)


_DIGITS = frozenset(b"0123456789")
_JOINING = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_INSIDE = frozenset(b".-/")
"""Marks that may occur within a number, between digits."""
_POINT = ord(".")
_PLUS = ord("+")
"""Begins a number, whatever letter is before it."""
_DASH = b"-"
_UUID = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
_UUID_CHARS = 36
_DECIMALS = re.compile(rb"\.(?:0+|[0-9]{1,2})(?![0-9A-Za-z]|[.][0-9])")
"""Decimals of an amount, or of a whole number in a spreadsheet or a column of decimals."""
_DATE = re.compile(rb"(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]-")
_DATE_CHARS = 11
"""Characters of a date at the start of a file name."""
