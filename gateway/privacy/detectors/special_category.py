"""Health and other special categories of personal data, in sentences that speak of somebody."""

import re
from collections.abc import Iterator, Mapping

from gateway.domain.text.pattern import Pattern
from gateway.policy.model import PrivacyPolicy
from gateway.privacy.detector import POSSIBLE, PROBABLE, Match, context
from gateway.privacy.detectors.name_lists import GIVEN, plain
from gateway.privacy.detectors.special_words import AGED, HEALTH, SOMEBODY, SPECIAL_CATEGORY

_BEFORE = 100
_AFTER = 60
"""How many characters before a word, and behind it, its sentence is looked for somebody."""
_FULL_NAME = re.compile(r"([A-Z\xc0-\u017d][\w'-]+)(?= (?:[A-Z]\. )?[A-Z\xc0-\u017d][a-z\xdf-\u017e])")
"""A capitalised word with another one behind it."""


def _any_of(words: Mapping[str, str]) -> Pattern:
    """Return a pattern of the words of all languages, which are between commas."""
    listed = sorted({each.strip() for line in words.values() for each in line.split(",")})
    seen = [each.encode("latin-1", "replace").decode("latin-1") for each in listed]
    source = "|".join(re.escape(each).replace(r"\*", "[a-z\xdf-\xff?]{0,12}") for each in seen)
    return Pattern(rf"(?:^|[^A-Za-z\xc0-\xff])({source})(?:$|[^A-Za-z\xc0-\xff])", ignore_case=True)


_SOMEBODY = _any_of(SOMEBODY)
_AGED = Pattern(AGED, ignore_case=True)


class SpecialCategoryDetector:
    """Finds words of one special category where the writer, a full name or an age is beside them."""

    def __init__(self, kind: str, words: Mapping[str, str]) -> None:
        self.types = (kind,)
        self._words = _any_of(words)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the words; of less confidence where there is only an age, as in an exercise."""
        for span in self._words.find(text):
            start, end = span.groups[0]
            confidence = _confidence(context(text, (start, end), before=_BEFORE, after=_AFTER))
            if confidence:
                yield Match(self.types[0], start, end, confidence)


def _confidence(around: str) -> float:
    if _SOMEBODY.is_in(around) or any(plain(name[1]) in GIVEN for name in _FULL_NAME.finditer(around)):
        return PROBABLE
    return POSSIBLE if _AGED.is_in(around) else 0.0


_DETECTORS = (
    SpecialCategoryDetector("HEALTH", HEALTH),
    SpecialCategoryDetector("SPECIAL_CATEGORY", SPECIAL_CATEGORY),
)


def special_detectors(policy: PrivacyPolicy) -> tuple[SpecialCategoryDetector, ...]:
    """Return the detectors of the categories to which a policy gives a weight or a floor."""
    named = policy.floors.keys() | {kind for kind, weight in policy.weights.items() if weight}
    return tuple(each for each in _DETECTORS if not named.isdisjoint(each.types))
