"""Detectors that an operator adds in the policy: patterns and denied words."""

from collections.abc import Iterator, Sequence

from gateway.domain.text.pattern import Pattern
from gateway.policy.model import ClassName, ExtraPattern, PrivacyPolicy
from gateway.privacy.detector import CERTAIN, Detector, Match, surroundings

OWN_WEIGHT = 0.5
"""The default weight of an operator's own type, as for an e-mail address."""
OWN_FLOOR: ClassName = "confidential"
WITHOUT_CONTEXT = 0.5
"""The factor for a match's confidence if none of the pattern's context words is near."""


def custom_detectors(policy: PrivacyPolicy) -> tuple[Detector, ...]:
    """Return the detectors that a policy adds: one for each pattern, and one for all denied words."""
    patterns: list[Detector] = [PatternDetector(pattern) for pattern in policy.patterns]
    return (*patterns, DeniedDetector(policy.deny)) if policy.deny else tuple(patterns)


class PatternDetector:
    """Finds what one pattern of a policy matches."""

    def __init__(self, pattern: ExtraPattern) -> None:
        self.types = (pattern.name,)
        self._pattern = Pattern(pattern.regex)
        self._confidence = pattern.confidence
        self._words = tuple(word.casefold() for word in pattern.context)
        self.question_words = self._words
        """Words in an earlier message that make a match certain that is alone in its line."""

    def find(self, text: str) -> Iterator[Match]:
        """Yield the non-empty matches, with less confidence if no context word is near."""
        for span in self._pattern.find(text):
            if span.start == span.end:
                continue
            confidence = self._confidence
            if self._words:
                near = surroundings(text, (span.start, span.end), before=80, after=40).casefold()
                if not any(word in near for word in self._words):
                    confidence *= WITHOUT_CONTEXT
            yield Match(self.types[0], span.start, span.end, confidence)


class DeniedDetector:
    """Finds the denied words and phrases of a policy, as whole words and in any case."""

    types = ("SECRET",)

    def __init__(self, denied: Sequence[str]) -> None:
        self._denied = tuple(_lowered(value) for value in denied)

    def find(self, text: str) -> Iterator[Match]:
        """Yield every occurrence of every value."""
        lowered = _lowered(text)
        for value in self._denied:
            start = lowered.find(value)
            while start >= 0:
                end = start + len(value)
                if not (_joins(lowered, start) or _joins(lowered, end)):
                    yield Match("SECRET", start, end, CERTAIN)
                start = lowered.find(value, start + 1)


def _lowered(text: str) -> str:
    """Return a text in lower case, with all offsets unchanged."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join([char.lower() if len(char.lower()) == 1 else char for char in text])


def _joins(text: str, at: int) -> bool:
    """Whether a word continues at `at`: a letter or digit on both sides."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
