"""What the name model finds: places and firms, and people and addresses that lists and forms miss."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from operator import attrgetter

from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import LIKELY, POSSIBLE, PROBABLE, Detector, Match, digits_in
from gateway.privacy.names.decode import Name
from gateway.privacy.names.network import KINDS, shipped_network
from gateway.privacy.names.once import names_once


class ModelDetector:
    """Finds what the model is sure of, of one type or several."""

    def __init__(self, *types: str) -> None:
        self.types = types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches, in their order."""
        for match in _sure(names_once(text), self.types, are_of_types=True):
            count_candidate()
            yield match


class AidedDetector:
    """Finds what a detector finds by lists or forms, and what the model finds of its type."""

    def __init__(self, detector: Detector) -> None:
        self.listed = detector
        self._model = ModelDetector(*detector.types)
        self.types = detector.types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches; those of lists in what the model is sure is another kind count less.

        Where both find a name, it begins where the list says, if the list is as sure as the model.
        """
        names = [*_sure(names_once(text), self.types, are_of_types=False)]
        listed: list[Match] = []
        for match in self.listed.find(text):
            if names and match.confidence > POSSIBLE and _is_in_one(match, names, text):
                yield match._replace(confidence=POSSIBLE)
            else:
                listed.append(match)
                yield match
        listed.sort(key=attrgetter("start"))
        for match in self._model.find(text):
            at = bisect_left(listed, match.end, key=attrgetter("start")) - 1
            start = match.start
            while at >= 0 and listed[at].end > match.start:
                if listed[at].confidence >= match.confidence:
                    start = max(match.start, listed[at].start)
                at -= 1
            yield match._replace(start=start)


def _sure(names: Iterable[Name], types: Container[str], *, are_of_types: bool) -> Iterator[Match]:
    """Yield what the model is sure of, of some types or of all others."""
    for name in names:
        kind = KINDS[name.kind - 1]
        if (kind in types) == are_of_types and (confidence := _confidence(name)):
            yield Match(kind, name.start, name.end, confidence)


def _is_in_one(match: Match, names: Sequence[Match], text: str) -> bool:
    """Whether a match is a part of one of the names, which are in their order.

    Of an address its cell counts, which must have a number: a column of names is next to all kinds of numbers.
    """
    at = bisect_right(names, match.start, key=attrgetter("start")) - 1
    if at < 0 or match.end > names[at].end or match[1:3] == names[at][1:3]:
        return False
    before = _CELL_END.split(text[names[at].start : match.start])[-1]
    behind = _CELL_END.split(text[match.end : names[at].end], maxsplit=1)[0]
    return names[at].type != "ADDRESS" or digits_in(before + behind) > 0


_CELL_END = re.compile(r"[\n\t,;|]")


def _confidence(name: Name) -> float:
    """Return how sure a name is, by how often such names were right in texts that were held out.

    A single word is never likely: a mention of a name is no full name.
    """
    probable, likely = shipped_network().least[name.kind - 1].tolist()
    if name.probability >= likely and name.words > 1:
        return LIKELY
    return PROBABLE if name.probability >= probable else 0.0
