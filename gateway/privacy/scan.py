"""Runs one detector over one string of a request, and maps its matches to the original text.

A string is searched in several variants, such as normalised or unescaped, since private data may be hidden in
any of them. A string that a detector could not search raises ScanFailed, and the request is restricted.
"""

from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from gateway.domain.privacy import Entities, Finding
from gateway.domain.text.search_budget import SearchOverTime
from gateway.privacy.classify import CONFIDENT
from gateway.privacy.detector import Detector, Match
from gateway.privacy.examples import Allowed
from gateway.privacy.normalize import NO_OFFSET, NormalText, OwnText

MAX_CONFIDENT = 256
"""Matches of one detector in one request from CONFIDENT on; then it stops. More than can be masked."""
MAX_DOUBTFUL = 2048
"""Matches of one detector in one request below CONFIDENT that are kept: a megabyte of numbers has 100,000.

A further one is kept only if its confidence is the highest so far, so the class is the same. A match that is
not kept is not masked, and a masked text in which it is still found is not sent.
"""


class Located(NamedTuple):
    """A match in one string, with a keyed hash of its value where it is sure."""

    string: int
    """The index of the string."""
    match: Match
    value: bytes


class Found(NamedTuple):
    """A match in the original text, and its normalised value."""

    match: Match
    value: str
    """Empty where it is not sure."""


class ScanFailed(Exception):
    """A part of the request could not be scanned; the message holds no text of the request."""


class DetectorRun(NamedTuple):
    """What one detector found in one string."""

    found: Sequence[Found]
    is_full: bool
    """Whether it stopped after MAX_CONFIDENT matches, when the verdict is certain; others may be missing."""


_NOTHING = DetectorRun((), is_full=False)


def run_detector(
    detector: Detector,
    variants: Sequence[NormalText],
    text: str,
    allowed: Allowed,
    cells: Sequence[OwnText] = (),
) -> DetectorRun:
    """Run a detector over variants of a text.

    Returns its matches, with offsets in the text, without overlaps within a type, and without the values
    that are allowed. Those within `cells` of tables are as sure as they are in their cell alone.
    """
    try:
        kept = _kept(detector, variants, text, allowed)
        if kept is None:
            return _NOTHING
        found = _without_overlaps(kept.found) if len(kept.found) > 1 else kept.found
        if cells:
            found = _as_cells(detector, found, cells)
    except SearchOverTime:
        raise
    except Exception:  # noqa: BLE001 - after any error of a detector the text is not fully scanned.
        raise ScanFailed(f"detector {name_of(detector)} failed") from None
    if allowed:
        found = [
            one for one in found if not allowed.covers(text[one.match.start : one.match.end], one.match.type)
        ]
    return DetectorRun(found, kept.is_full)


def _kept(detector: Detector, variants: Sequence[NormalText], text: str, allowed: Allowed) -> "_Kept | None":
    """Return what is kept of a detector's matches; None where there are none."""
    kept = None
    for normal in variants:
        for match in detector.find(normal.text):
            _check(match, detector, normal.text)
            if kept is None:
                kept = _Kept(text, allowed)
            kept.add(match, normal)
            if kept.is_full:
                return kept
    return kept


def _as_cells(detector: Detector, found: Sequence[Found], cells: Sequence[OwnText]) -> list[Found]:
    """Return the matches, those within a cell of a table as sure as they are in that cell alone."""
    starts = [cell.start for cell in cells]
    own: dict[int, dict[str, float]] = {}
    kept = []
    for one in found:
        at = bisect_right(starts, one.match.start) - 1
        if at < 0 or one.match.end > cells[at].end:
            kept.append(one)
            continue
        if at not in own:
            own[at] = {}
            for match in (each for text in cells[at].texts for each in detector.find(text)):
                own[at][match.type] = max(match.confidence, own[at].get(match.type, 0.0))
        confidence = min(one.match.confidence, own[at].get(one.match.type, 0.0))
        if confidence:
            kept.append(one._replace(match=one.match._replace(confidence=confidence)))
    return kept


class _Kept:
    """The matches of one detector in one string, as many as are kept."""

    __slots__ = ("_allowed", "_doubtful_left", "_highest", "_left", "_text", "found", "is_full")

    def __init__(self, text: str, allowed: Allowed) -> None:
        self.found: list[Found] = []
        self.is_full = False
        self._text = text
        self._allowed = allowed
        self._left, self._doubtful_left = MAX_CONFIDENT, MAX_DOUBTFUL
        self._highest: dict[str, float] = {}

    def add(self, match: Match, normal: NormalText) -> None:
        """Keep a match in a variant, if it may change the verdict."""
        kind, start, end, confidence = match
        is_sure = confidence >= CONFIDENT
        is_too_many = not is_sure and self._doubtful_left <= 0 and confidence <= self._highest.get(kind, -1.0)
        if is_too_many and not self._allowed:
            return
        value = distinct(normal.text[start:end]) if is_sure else ""
        if normal.offsets is not None:
            start, end = normal.span(start, end)
            if start == NO_OFFSET:
                return
            match = Match(kind, start, end, confidence)
        if not (self._allowed and self._allowed.covers(self._text[start:end], kind)):
            if is_sure:
                self._left -= 1
                self.is_full = self._left <= 0
            elif is_too_many:
                return
            else:
                self._doubtful_left -= 1
                self._highest[kind] = max(confidence, self._highest.get(kind, -1.0))
        self.found.append(Found(match, value))


def with_entities(
    located: Sequence[Located],
    entities: Entities,
    texts: Mapping[tuple[int, str], tuple[int, str]],
    *,
    kinds: Container[str],
) -> list[tuple[int, Found]]:
    """Return the entities that no match covers with equal confidence, each with the index of its string.

    `texts` are the index and the text of each string by its message and path.
    """
    if entities.failure is not None:
        raise ScanFailed(entities.failure)
    found: list[tuple[int, Found]] = []
    for one in entities.findings:
        if not isinstance(one, Finding) or (one.message_index, one.path) not in texts:
            raise ScanFailed("entities are not of this text")
        string, text = texts[one.message_index, one.path]
        if not _is_of(one, text, kinds):
            raise ScanFailed("entities are not of this text")
        match = Match(one.type, one.start, one.end, one.confidence)
        if not any(_is_as_confident(other, match, string) for other in located):
            found.append((string, Found(match, distinct(text[one.start : one.end]))))
    return found


def _is_of(finding: Finding, text: str, kinds: Container[str]) -> bool:
    return (
        finding.type in kinds
        and 0 <= finding.start < finding.end <= len(text)
        and 0.0 <= finding.confidence <= 1.0
    )


def _is_as_confident(other: Located, match: Match, string: int) -> bool:
    return (
        other.string == string
        and other.match.type == match.type
        and other.match.start < match.end
        and match.start < other.match.end
        and other.match.confidence >= match.confidence
    )


def _check(match: Match, detector: Detector, text: str) -> None:
    if not (
        isinstance(match, Match)
        and match.type in detector.types
        and 0 <= match.start < match.end <= len(text)
        and 0.0 <= match.confidence <= 1.0
    ):
        raise TypeError("not a match of this detector in this text")


def _without_overlaps(found: Sequence[Found]) -> list[Found]:
    """Keep, of matches of one type that overlap, the one with the most confidence, then the longest."""
    merged: list[Found] = []
    for one in sorted(found, key=_place):
        if merged and merged[-1].match.type == one.match.type and one.match.start < merged[-1].match.end:
            if _strength(one.match) <= _strength(merged[-1].match):
                continue
            merged.pop()
        merged.append(one)
    return merged


def _place(found: Found) -> tuple[str, int, int]:
    return found.match.type, found.match.start, -found.match.end


def _strength(match: Match) -> tuple[float, int]:
    return match.confidence, match.end - match.start


def distinct(text: str) -> str:
    """Return a value in lower case without separators, to count distinct values."""
    return text.casefold() if text.isalnum() else "".join(filter(str.isalnum, text)).casefold()


def name_of(detector: Detector) -> str:
    """Return the name of a detector for errors and reasons."""
    return "/".join(detector.types)
