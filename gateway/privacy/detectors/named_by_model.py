"""What the name model finds: places and firms, and people and addresses that lists and forms miss."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import LIKELY, POSSIBLE, PROBABLE, Detector, Match
from gateway.privacy.names.decode import Name
from gateway.privacy.names.network import KINDS, shipped_network
from gateway.privacy.names.once import names_once


class ModelDetector:
    """Finds what the model is sure of, of one type or several."""

    def __init__(self, *types: str) -> None:
        self.types = types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches, in their order."""
        for name in names_once(text):
            count_candidate()
            kind = KINDS[name.kind - 1]
            if kind in self.types and (confidence := _confidence(name)):
                yield Match(kind, name.start, name.end, confidence)


class AidedDetector:
    """Finds what a detector finds by lists or forms, and what the model finds of its type."""

    def __init__(self, detector: Detector) -> None:
        self._listed = detector
        self._model = ModelDetector(*detector.types)
        self.types = detector.types

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches; those of lists in what the model is sure is another kind count less."""
        others = [
            name for name in names_once(text) if KINDS[name.kind - 1] not in self.types and _confidence(name)
        ]
        for match in self._listed.find(text):
            if others and match.confidence > POSSIBLE and _is_in_any(match, others):
                match = match._replace(confidence=POSSIBLE)
            yield match
        yield from self._model.find(text)


def _is_in_any(match: Match, names: Sequence[Name]) -> bool:
    """Whether one of the names, which are in their order, contains a match."""
    at = bisect_right(names, match.start, key=attrgetter("start")) - 1
    return at >= 0 and match.end <= names[at].end


def _confidence(name: Name) -> float:
    """Return how sure a name is, by how often such names were right in texts that were held out.

    A single word is never likely: a mention of a name is no full name.
    """
    probable, likely = shipped_network().least[name.kind - 1].tolist()
    if name.probability >= likely and name.words > 1:
        return LIKELY
    return PROBABLE if name.probability >= probable else 0.0
