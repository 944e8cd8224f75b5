"""What the name model finds: places and firms, and people and addresses that lists and forms miss."""

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter

from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import LIKELY, POSSIBLE, PROBABLE, Detector, Match
from gateway.privacy.detectors.person_words import TITLES
from gateway.privacy.names.decode import Name, kind_of
from gateway.privacy.names.network import shipped_network
from gateway.privacy.names.once import names_once


class NameModelDetector:
    """Finds what the model is sure of, of one type or several."""

    def __init__(self, *types: str) -> None:
        self.types = types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches, in their order."""
        for name in names_once(text):
            count_candidate()
            kind = kind_of(name)
            if kind in self.types and (confidence := _confidence(name)):
                yield Match(kind, name.start, name.end, confidence)


class AidedDetector:
    """Finds what a detector finds by lists or forms, and what the model finds of its type."""

    def __init__(self, detector: Detector) -> None:
        self.listed = detector
        self._model = NameModelDetector(*detector.types)
        self.types = detector.types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches; where both find a name, it begins where the list says if that is as sure."""
        listed: list[Match] = []
        for match in self.listed.find(text):
            judged = _judged(match, text) if match.type == "PERSON" else match
            listed.append(judged)
            yield judged
        listed.sort(key=attrgetter("start"))
        for match in self._model.find(text):
            at = bisect_left(listed, match.end, key=attrgetter("start")) - 1
            start = match.start
            while at >= 0 and listed[at].end > match.start:
                if listed[at].confidence >= match.confidence:
                    start = max(match.start, listed[at].start)
                at -= 1
            yield match._replace(start=start)


_START = attrgetter("start")
_TITLE_CHARS = 16


def _judged(match: Match, text: str) -> Match:
    """Return a match of a list: only possible where the model sees something else, or no name in a word.

    Names are also words, codes, and parts of the names of streets and firms; not so behind a title.
    """
    before = text[max(0, match.start - _TITLE_CHARS) : match.start].split()
    if not PROBABLE <= match.confidence <= LIKELY or (before and before[-1].rstrip(".").lower() in TITLES):
        return match
    names = names_once(text)
    touching = set()
    at = bisect_left(names, match.end, key=_START) - 1
    while at >= 0 and names[at].end > match.start:
        touching.add(kind_of(names[at]))
        at -= 1
    is_full = match.confidence == LIKELY and any(map(str.isspace, text[match.start : match.end]))
    if "PERSON" in touching or (is_full and not touching):
        return match
    return match._replace(confidence=POSSIBLE)


def _confidence(name: Name) -> float:
    """Return how sure a name is, by how often such names were right in texts that were held out.

    A single word is never likely: a mention of a name is no full name.
    """
    probable, likely = shipped_network().least[name.kind - 1].tolist()
    if name.probability >= likely and name.words > 1:
        return LIKELY
    return PROBABLE if name.probability >= probable else 0.0
