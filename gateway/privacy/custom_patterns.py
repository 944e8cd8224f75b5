"""What an operator adds to the detectors and takes from them: patterns, words to keep, values to ignore."""

from collections.abc import Iterator, Sequence

from gateway.domain.text.pattern import Pattern
from gateway.policy.model import ClassName, ExtraPattern, PrivacyPolicy
from gateway.privacy.detector import CERTAIN, Detector, Match, context

OWN_WEIGHT = 0.5
"""Of a type that the policy names without saying more: as for an e-mail address."""
OWN_FLOOR: ClassName = "confidential"
WITHOUT_CONTEXT = 0.5
"""What is left of a pattern's confidence where none of its context words is near."""


def custom_detectors(policy: PrivacyPolicy) -> tuple[Detector, ...]:
    """Return the detectors that a policy adds: one for each pattern, and one for the words it denies."""
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
        """The words that, in an earlier message, make a match sure that stands alone in its line."""

    def find(self, text: str) -> Iterator[Match]:
        """Yield the matches that are not empty, less sure where no context word is near."""
        for span in self._pattern.find(text):
            if span.start == span.end:
                continue
            confidence = self._confidence
            if self._words:
                near = context(text, (span.start, span.end), before=80, after=40).casefold()
                if not any(word in near for word in self._words):
                    confidence *= WITHOUT_CONTEXT
            yield Match(self.types[0], span.start, span.end, confidence)


class DeniedDetector:
    """Finds the words and phrases that a policy keeps at home, whole and in any case."""

    types = ("SECRET",)

    def __init__(self, denied: Sequence[str]) -> None:
        self._denied = tuple(_lowered(value) for value in denied)

    def find(self, text: str) -> Iterator[Match]:
        """Yield every place of every value."""
        lowered = _lowered(text)
        for value in self._denied:
            start = lowered.find(value)
            while start >= 0:
                end = start + len(value)
                if not (_joins(lowered, start) or _joins(lowered, end)):
                    yield Match("SECRET", start, end, CERTAIN)
                start = lowered.find(value, start + 1)


def _lowered(text: str) -> str:
    """Return a text in small letters, with every character where it was."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join([char.lower() if len(char.lower()) == 1 else char for char in text])


def _joins(text: str, at: int) -> bool:
    """Whether two letters or digits meet at a place, so that a word goes on there."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
