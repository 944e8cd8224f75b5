"""Scans the strings of a request in their order, each by itself but for the words of those before it.

What was found in a string is its summary, which holds no text. A summary that is given spares the scan.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

from gateway.clock import Clock, Deadline
from gateway.domain.strings import RequestString
from gateway.domain.text.search_budget import SearchBudget, SearchOverTime, bounded
from gateway.privacy.classify import CONFIDENT
from gateway.privacy.detector import Detector, Match
from gateway.privacy.examples import Allowed
from gateway.privacy.normalize import NormalText
from gateway.privacy.prefilters import Prefilters
from gateway.privacy.question_context import Questions
from gateway.privacy.scan import (
    MAX_CONFIDENT,
    MAX_DOUBTFUL,
    Found,
    Located,
    ScanFailed,
    run_detector,
)
from gateway.privacy.variants import variants_of

CHARS_PER_MS = 2048
_HASH_BYTES = 8
_CODED = re.compile(r"[A-Za-z0-9+/_=-]{64,}")
"""A part of a signature. 1 in 400 of them holds by chance what looks like a key or a vehicle's number."""
_CALL, _NOT_CALL = "call_", "item_"
"""How ids of calls begin, which names a number to call, and what is read in its place."""
_NONE: frozenset[int] = frozenset()


class Summary(NamedTuple):
    """What was found in one string."""

    found: tuple[tuple[int, Match, bytes], ...]
    """The index of the detector, the match, and a keyed hash of its value where it is sure."""
    full: frozenset[int] = _NONE
    """Detectors that stopped, so that matches may be missing."""
    named: frozenset[int] = _NONE
    """The kinds of data that it names."""
    has_answers: bool = False
    """Whether a line of it would be a finding behind words that name it."""
    asked: frozenset[int] = _NONE
    """What the strings before it named when it was scanned; matters with `has_answers` only."""

    def holds_for(self, asked: frozenset[int]) -> bool:
        """Whether the string need not be scanned again behind strings that name `asked`."""
        return not self.has_answers or self.asked == asked


class Scan(NamedTuple):
    """What was found in the strings of a request."""

    located: Sequence[Located] = ()
    crowded: frozenset[str] = frozenset()
    """Types of detectors that stopped, so that matches may be missing."""
    summaries: Sequence[Summary | None] = ()
    """One for each string; None for one that was not scanned by all detectors."""
    failure: str | None = None
    """Why the strings could not be scanned."""


class Scanner:
    """Scans for one policy; holds nothing of a request, so threads may share it."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        *,
        allowed: Allowed,
        limit_ms: float,
        clock: Clock,
        value_key: bytes = b"",
    ) -> None:
        self.detectors = detectors
        self._allowed = allowed
        self._limit_ms = limit_ms
        self._clock = clock
        self._value_key = value_key or token_bytes(16)
        self._prefilters = Prefilters(detectors)
        self._questions = Questions(detectors)

    def scan(
        self,
        strings: Sequence[RequestString],
        known: Sequence[Summary | None] = (),
        *,
        is_cached: bool = False,
    ) -> Scan:
        """Scan the strings without a summary in `known`; raises nothing.

        `is_cached`: the summaries are used for later requests.
        """
        unread = 0
        for at, string in enumerate(strings):
            if not known or known[at] is None:
                unread += len(string.text)
        deadline = Deadline.after((self._limit_ms + unread / CHARS_PER_MS) / 1000, self._clock)
        try:
            with bounded(budget := SearchBudget(deadline, self._clock)):
                return self._scanned(strings, known, budget, is_cached=is_cached)
        except SearchOverTime:
            return Scan(failure="detectors over time")
        except ScanFailed as failed:
            return Scan(failure=str(failed))

    def hash(self, value: str) -> bytes:
        """Return the keyed hash by which equal values are told from others."""
        return blake2b(
            value.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES, key=self._value_key
        ).digest()

    def _scanned(
        self,
        strings: Sequence[RequestString],
        known: Sequence[Summary | None],
        budget: SearchBudget,
        *,
        is_cached: bool,
    ) -> Scan:
        tally = _Tally(self.detectors)
        located: list[Located] = []
        summaries: list[Summary | None] = []
        named = _NONE
        last_message = len(strings) - 1
        while last_message > 0 and strings[last_message].message_index < 0:
            last_message -= 1
        for at, string in enumerate(strings):
            asked = named if named and is_answerable(string) else _NONE
            summary = known[at] if known else None
            is_whole = True
            if summary is None or not summary.holds_for(asked):
                is_asking = string.message_index >= 0 and (is_cached or at < last_message)
                is_whole = not tally.full
                summary = self._summary(
                    string, asked, budget, skipped=tally.full, is_asking=is_asking, is_cached=is_cached
                )
            located += tally.taken(at, summary)
            if summary.named:
                named |= summary.named
            summaries.append(summary if is_whole else None)
        return Scan(located, tally.crowded, summaries)

    def _summary(
        self,
        string: RequestString,
        asked: frozenset[int],
        budget: SearchBudget,
        *,
        skipped: Container[int],
        is_asking: bool,
        is_cached: bool,
    ) -> Summary:
        text = string.text
        if string.is_id and text.startswith(_CALL):
            text = _NOT_CALL + text.removeprefix(_CALL)
        variants = _variants_of(text)
        is_open = is_cached and is_answerable(string) and self._questions.has_answers(variants)
        answers = self._questions.answers(asked, variants) if asked else {}
        found: list[tuple[int, Match, bytes]] = []
        full = []
        cells = [cell for variant in variants for cell in variant.cells]
        for index, those in self._runs(variants, answers):
            if index in skipped:
                continue
            matches, is_full = run_detector(
                self.detectors[index],
                those,
                text,
                self._allowed,
                () if self._prefilters.is_without_words(index) else cells,
            )
            if matches:
                if string.is_opaque:
                    matches = _not_coded(matches, text)
                found += [(index, each.match, self._value_of(each)) for each in matches]
                if is_full:
                    full.append(index)
            budget.check()
        return Summary(
            tuple(found),
            frozenset(full) if full else _NONE,
            self._named_in(variants) if is_asking else _NONE,
            is_open,
            asked if is_open else _NONE,
        )

    def _value_of(self, found: Found) -> bytes:
        return self.hash(found.value) if found.match.confidence >= CONFIDENT else b""

    def _runs(
        self, variants: Sequence[NormalText], answers: Mapping[int, NormalText]
    ) -> Iterable[tuple[int, Sequence[NormalText]]]:
        try:
            return self._prefilters.worth_running(variants, answers)
        except MemoryError:
            raise ScanFailed("prefilters of detectors could not be searched") from None

    def _named_in(self, variants: Sequence[NormalText]) -> frozenset[int]:
        try:
            return self._questions.named_in(variants)
        except MemoryError:
            raise ScanFailed("questions could not be searched") from None


def _variants_of(text: str) -> Sequence[NormalText]:
    try:
        return variants_of(text)
    except UnicodeEncodeError:
        raise ScanFailed("text cannot be read") from None
    except MemoryError:
        raise ScanFailed("variants of a text could not be searched") from None


def is_answerable(string: RequestString) -> bool:
    """Whether a bare value in it may answer a string before it: not in ids, which look like anything."""
    return string.message_index >= 0 and not (string.is_id or string.is_opaque)


def _not_coded(found: Sequence[Found], text: str) -> list[Found]:
    """Return the matches that are not within a long run of Base64."""
    coded = [match.span() for match in _CODED.finditer(text)]
    return [
        one
        for one in found
        if not any(start <= one.match.start and one.match.end <= end for start, end in coded)
    ]


class _Tally:
    """The matches of a request, detector by detector: as many as are kept of one string."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self._confident_left: dict[int, int] = {}
        self._doubtful_left: dict[int, int] = {}
        self._highest: dict[tuple[int, str], float] = {}
        self.full: set[int] = set()
        """Detectors of which no more is kept."""

    @property
    def crowded(self) -> frozenset[str]:
        """The types of detectors that stopped."""
        return frozenset(kind for index in self.full for kind in self._detectors[index].types)

    def taken(self, string: int, summary: Summary) -> Iterator[Located]:
        """Yield what is kept of one string, and count it."""
        for index, match, value in summary.found:
            if index not in self.full and self._is_reported(index, match):
                yield Located(string, match, value)
        self.full |= summary.full

    def _is_reported(self, index: int, match: Match) -> bool:
        if match.confidence >= CONFIDENT:
            left = self._confident_left[index] = self._confident_left.get(index, MAX_CONFIDENT) - 1
            if left <= 0:
                self.full.add(index)
            return True
        key = index, match.type
        left = self._doubtful_left[index] = self._doubtful_left.get(index, MAX_DOUBTFUL) - 1
        if left < 0 and match.confidence <= self._highest.get(key, -1.0):
            return False
        self._highest[key] = max(match.confidence, self._highest.get(key, -1.0))
        return True
