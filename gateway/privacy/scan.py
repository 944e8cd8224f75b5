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
from gateway.privacy.escapes import unescaped
from gateway.privacy.examples import Allowed
from gateway.privacy.named import named_values
from gateway.privacy.normalize import NO_OFFSET, NormalText, OwnText, normalise, parted, spelled
from gateway.privacy.other_scripts import in_english
from gateway.privacy.split_words import fields_as_words

MAX_CONFIDENT = 256
"""Matches of one detector in one request from CONFIDENT on; then it stops. More than can be masked."""
MAX_DOUBTFUL = 2048
"""Matches of one detector in one request below CONFIDENT that are kept: a megabyte of numbers has 100,000.

A further one is kept only if its confidence is the highest so far, so the class is the same. A match that is
not kept is not masked, and a masked text in which it is still found is not sent.
"""

_WITHOUT_WORDS = frozenset(
    {"SECRET", "EMAIL", "PERSON", "ADDRESS", "LOCATION", "ORG", "CRYPTO", "IP", "MAC", "URL"}
)
"""Types for which field names add no confidence, or whose detector reads such names itself."""


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


class ScanFailed(Exception):
    """A part of the request could not be scanned; the message holds no text of the request."""


class DetectorRun:
    """One detector's scan of one string; stops after MAX_CONFIDENT matches, when the verdict is certain."""

    def __init__(self, detector: Detector, *, allowed: Allowed) -> None:
        self.detector = detector
        self._allowed = allowed
        self._left = MAX_CONFIDENT
        self._doubtful_left = MAX_DOUBTFUL
        self._highest: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether the scan stopped, so that matches may be missing."""
        return self._left <= 0

    def find(self, variants: Sequence[NormalText], text: str) -> list[Found]:
        """Return the matches in one text, with offsets in the original, without overlaps within a type."""
        found: list[Found] = []
        try:
            for normal in variants:
                if self.is_full or (normal.is_of_fields and _WITHOUT_WORDS.issuperset(self.detector.types)):
                    continue
                for match in self.detector.find(normal.text):
                    _check(match, self.detector, normal.text)
                    start, end = normal.span(match.start, match.end)
                    if start == NO_OFFSET or not self._is_reported(match, text[start:end]):
                        continue
                    value = distinct(normal.text[match.start : match.end])
                    found.append(Found(Match(match.type, start, end, match.confidence), value))
                    self._left -= match.confidence >= CONFIDENT and not self._allowed.covers(
                        text[start:end], match.type
                    )
                    if self.is_full:
                        break
        except SearchOverTime:
            raise
        except Exception:  # noqa: BLE001 - after any error of a detector the text is not fully scanned.
            raise ScanFailed(f"detector {name_of(self.detector)} failed") from None
        found = _without_overlaps(found) if len(found) > 1 else found
        cells = [cell for normal in variants for cell in normal.cells]
        if found and cells and not _WITHOUT_WORDS.issuperset(self.detector.types):
            found = self._as_cells(found, cells)
        if not self._allowed:
            return found
        return [one for one in found if not self._is_allowed(one.match, text)]

    def _is_allowed(self, match: Match, text: str) -> bool:
        return self._allowed.covers(text[match.start : match.end], match.type)

    def _as_cells(self, found: Sequence[Found], cells: Sequence[OwnText]) -> list[Found]:
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
                for match in (each for text in cells[at].texts for each in self.detector.find(text)):
                    own[at][match.type] = max(match.confidence, own[at].get(match.type, 0.0))
            confidence = min(one.match.confidence, own[at].get(one.match.type, 0.0))
            if confidence:
                kept.append(one._replace(match=one.match._replace(confidence=confidence)))
        return kept

    def _is_reported(self, match: Match, written: str) -> bool:
        if match.confidence >= CONFIDENT or self._allowed.covers(written, match.type):
            return True
        self._doubtful_left -= 1
        if self._doubtful_left < 0 and match.confidence <= self._highest.get(match.type, -1.0):
            return False
        self._highest[match.type] = max(match.confidence, self._highest.get(match.type, -1.0))
        return True


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


def variants_of(text: str) -> tuple[NormalText, ...]:
    """Return the normalised text, and the variants that make more data visible to detectors.

    The variants join digits that are written one by one, split field names into words, put the name of a
    value before it, translate words of other scripts into English, unescape characters, and split words at
    invisible marks.
    """
    try:
        normal = normalise(text)
    except UnicodeEncodeError:
        raise ScanFailed("text cannot be read") from None
    try:
        english = in_english(normal)
        further = (
            spelled(normal),
            fields_as_words(normal),
            named_values(english or normal),
            english,
            unescaped(normal),
            parted(text),
        )
    except MemoryError:
        raise ScanFailed("names of values could not be searched") from None
    return (normal, *(variant for variant in further if variant is not None))


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
