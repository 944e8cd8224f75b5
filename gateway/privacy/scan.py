"""One detector over the strings of a request: what it finds, and where in the original that stands."""

from collections.abc import Container, Sequence
from typing import NamedTuple

from gateway.domain.text.search_budget import SearchOverTime
from gateway.privacy.classify import SURE
from gateway.privacy.detector import Detector, Match
from gateway.privacy.escapes import unescaped
from gateway.privacy.named import named_values
from gateway.privacy.normalize import NO_OFFSET, NormalText, normalise, parted, spelled
from gateway.privacy.other_scripts import in_english
from gateway.privacy.split_words import fields_as_words
from gateway.types import Entities, Finding

MAX_SURE = 256
"""Of one detector in one request that are as sure as that; it looks no further. More than can be masked."""
MAX_UNSURE = 2048
"""Places of one detector in one request that are less sure, and are kept: a megabyte of numbers has 100,000.

Of those beyond, one that is surer than all before is kept, so the verdict is the same. Those that are not
kept cannot be masked, and a masked text in which they are still found is not sent.
"""

_WITHOUT_WORDS = frozenset({"SECRET", "EMAIL", "PERSON", "ADDRESS", "CRYPTO", "IP", "MAC", "URL"})
"""Types that no name of a field makes surer, or whose detector reads such names as they are."""


class Located(NamedTuple):
    """A match in the original text, which text that is, and what tells its value from others."""

    message_index: int
    match: Match
    value: str


class ScanFailed(Exception):
    """Not everything could be looked at; says what, and never a word of the text."""


class DetectorRun:
    """One detector at work on one request; it stops at MOST_PLACES, for by then it is clear what there is."""

    def __init__(self, detector: Detector, *, allowed: frozenset[str]) -> None:
        self.detector = detector
        self._allowed = allowed
        self._left = MAX_SURE
        self._unsure_left = MAX_UNSURE
        self._highest: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether places of these types may have been left out."""
        return self._left <= 0

    def find(self, variants: Sequence[NormalText], text: str, index: int) -> list[Located]:
        """Return what is found in one text, with the original's offsets, without overlaps of a type."""
        located: list[Located] = []
        try:
            for normal in variants:
                if self.is_full or (normal.is_of_fields and _WITHOUT_WORDS.issuperset(self.detector.types)):
                    continue
                for match in self.detector.find(normal.text):
                    _check(match, self.detector, normal.text)
                    start, end = normal.span(match.start, match.end)
                    if start == NO_OFFSET or not self._is_kept(match, text[start:end]):
                        continue
                    value = distinct(normal.text[match.start : match.end])
                    located.append(Located(index, Match(match.type, start, end, match.confidence), value))
                    self._left -= match.confidence >= SURE and text[start:end] not in self._allowed
                    if self.is_full:
                        break
        except SearchOverTime:
            raise
        except Exception:  # noqa: BLE001 - whatever goes wrong in a detector, the text has not been judged.
            raise ScanFailed(f"detector {name_of(self.detector)} failed") from None
        found = _without_overlaps(located) if len(located) > 1 else located
        if not self._allowed:
            return found
        return [one for one in found if text[one.match.start : one.match.end] not in self._allowed]

    def _is_kept(self, match: Match, written: str) -> bool:
        if match.confidence >= SURE or written in self._allowed:
            return True
        self._unsure_left -= 1
        if self._unsure_left < 0 and match.confidence <= self._highest.get(match.type, -1.0):
            return False
        self._highest[match.type] = max(match.confidence, self._highest.get(match.type, -1.0))
        return True


def with_entities(
    located: Sequence[Located], entities: Entities, contents: Sequence[str], *, kinds: Container[str]
) -> list[Located]:
    """Return what was found and what entities add: all but what is found as surely in the same place."""
    if entities.failure is not None:
        raise ScanFailed(entities.failure)
    found = list(located)
    for one in entities.findings:
        if not _is_of(one, contents, kinds):
            raise ScanFailed("entities are not of this text")
        match = Match(one.type, one.start, one.end, one.confidence)
        value = distinct(contents[one.message_index][one.start : one.end])
        if not any(_is_as_sure(other, match, one.message_index) for other in located):
            found.append(Located(one.message_index, match, value))
    return found


def _is_of(finding: Finding, contents: Sequence[str], kinds: Container[str]) -> bool:
    return (
        isinstance(finding, Finding)
        and finding.type in kinds
        and 0 <= finding.message_index < len(contents)
        and 0 <= finding.start < finding.end <= len(contents[finding.message_index])
        and 0.0 <= finding.confidence <= 1.0
    )


def _is_as_sure(other: Located, match: Match, index: int) -> bool:
    return (
        other.message_index == index
        and other.match.type == match.type
        and other.match.start < match.end
        and match.start < other.match.end
        and other.match.confidence >= match.confidence
    )


def variants_of(text: str) -> tuple[NormalText, ...]:
    """Return a text as detectors see it, and the readings that add to it.

    They put digits together that stand one by one, part the words in names of fields, have words of other
    scripts in English and escaped characters as they are, part words at invisible marks, and put the name of
    a value before it that has its name elsewhere.
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
        raise ScanFailed("names of values could not be looked for") from None
    return (normal, *(variant for variant in further if variant is not None))


def _check(match: Match, detector: Detector, text: str) -> None:
    if not (
        isinstance(match, Match)
        and match.type in detector.types
        and 0 <= match.start < match.end <= len(text)
        and 0.0 <= match.confidence <= 1.0
    ):
        raise TypeError("not a match of this detector in this text")


def _without_overlaps(located: Sequence[Located]) -> list[Located]:
    """Keep the surest of those that overlap with one of their type, then the longest, then the first."""
    kept: list[Located] = []
    for one in sorted(located, key=_place):
        if kept and kept[-1].match.type == one.match.type and one.match.start < kept[-1].match.end:
            if _strength(one.match) <= _strength(kept[-1].match):
                continue
            kept.pop()
        kept.append(one)
    return kept


def _place(located: Located) -> tuple[str, int, int]:
    return located.match.type, located.match.start, -located.match.end


def _strength(match: Match) -> tuple[float, int]:
    return match.confidence, match.end - match.start


def distinct(text: str) -> str:
    """Return what tells one datum from another, whatever separators it is written with."""
    return text.casefold() if text.isalnum() else "".join(filter(str.isalnum, text)).casefold()


def name_of(detector: Detector) -> str:
    """Return what a detector is called in errors and reasons."""
    return "/".join(detector.types)
