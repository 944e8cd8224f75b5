"""Detectors that find what a test says, and what a scorer makes of it."""

from collections.abc import Iterable

from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import Match, PrivacyScorer
from gateway.privacy.scan import MAX_CONFIDENT
from tests.support.fakes import FakeClock
from tests.support.requests import request_of


def verdict(privacy: PrivacyAssessment) -> tuple[float, PrivacyClass, str]:
    """Return what is said of the whole request."""
    return privacy.score, privacy.privacy_class, privacy.reason


class Numbered:
    """A detector that takes every word for an e-mail address."""

    types = ("EMAIL",)

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence

    def find(self, text: str) -> Iterable[Match]:
        """Yield the words."""
        at = 0
        for word in text.split(" "):
            yield Match(type="EMAIL", start=at, end=at + len(word), confidence=self.confidence)
            at += len(word) + 1


class Counting(Numbered):
    """The same, and it counts how many words it was asked for."""

    asked = 0

    def find(self, text: str) -> Iterable[Match]:
        """Yield the words."""
        for found in super().find(text):
            self.asked += 1
            yield found


def check_what_is_everywhere_is_not_listed() -> None:
    """After MAX_CONFIDENT sure ones a detector looks no further: its type counts as certain and as many."""
    counting = Counting(0.6)
    scores = PrivacyScorer(PrivacyPolicy(), clock=FakeClock(), detectors=[counting])
    privacy = scores.score(request_of("same " * 99_999 + "same", "another"))
    assert verdict(privacy) == (0.5, PrivacyClass.RESTRICTED, "many EMAIL")
    assert len(privacy.findings) == MAX_CONFIDENT
    assert counting.asked == MAX_CONFIDENT
