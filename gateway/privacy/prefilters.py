"""Decides in one pass over a text which detectors may find something in it."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.domain.text.pattern import as_data, known_set
from gateway.privacy.detector import Detector, PrefilteredDetector, digits_in, min_digits_of
from gateway.privacy.normalize import NormalText

_WITHOUT_WORDS = frozenset(
    {"SECRET", "EMAIL", "PERSON", "ADDRESS", "LOCATION", "ORG", "CRYPTO", "IP", "MAC", "URL"}
)
"""Types for which field names add no confidence, or whose detector reads such names itself."""


class Prefilters:
    """The prefilters of the detectors of one policy."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        prefiltered = [
            (index, each) for index, each in enumerate(detectors) if isinstance(each, PrefilteredDetector)
        ]
        self._patterns = known_set(tuple(each.prefilter for _, each in prefiltered))
        self._of_pattern = [(index, min_digits_of(each)) for index, each in prefiltered]
        self._others = [
            (index, min_digits_of(each))
            for index, each in enumerate(detectors)
            if not isinstance(each, PrefilteredDetector)
        ]
        self._without_words = frozenset(
            index for index, each in enumerate(detectors) if _WITHOUT_WORDS.issuperset(each.types)
        )

    def is_without_words(self, index: int) -> bool:
        """Whether words near a value mean nothing to a detector, or it reads names of fields itself."""
        return index in self._without_words

    def worth_running(
        self, variants: Sequence[NormalText], answers: Mapping[int, NormalText]
    ) -> Iterable[tuple[int, Sequence[NormalText]]]:
        """Return the indexes of the detectors that may find something, each with the variants in which.

        `answers` are further variants, each for one detector. Raises MemoryError.
        """
        if len(variants) == 1 and not answers:
            return [(index, variants) for index in self._in_variant(variants[0])]
        worth: dict[int, list[NormalText]] = {}
        for variant in variants:
            for index in self._in_variant(variant):
                worth.setdefault(index, []).append(variant)
        for index, variant in answers.items():
            worth.setdefault(index, []).append(variant)
        return sorted(worth.items())

    def _in_variant(self, variant: NormalText) -> list[int]:
        present = self._patterns.matching(as_data(variant.text))
        digits = digits_in(variant.text)
        worth = [index for index, least in self._others if digits >= least]
        for at in present:
            index, least = self._of_pattern[at]
            if digits >= least:
                worth.append(index)
        if variant.is_of_fields:
            return [index for index in worth if index not in self._without_words]
        worth.sort()
        return worth
