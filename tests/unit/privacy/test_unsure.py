"""What a detector is unsure of is kept up to a bound, and the verdict is that of all of it."""

import pytest

from benchmarks.privacy_inputs import LARGE
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, PrivacyScorer
from gateway.privacy import scan as search
from gateway.privacy.classify import CONFIDENT
from tests.support.fakes import FakeClock

KEPT = 2
LEVELS = 5
"""Of confidence below CONFIDENT, at most, of one detector: a place surer than all before is kept, too."""


@pytest.mark.parametrize("kind", LARGE)
def test_unsure_places_that_are_not_kept_change_no_verdict(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded; score, class and evidence are those of all places, values that are allowed apart."""
    scorer = PrivacyScorer(PrivacyPolicy(report_at=0.0, allow=("::1",)), clock=FakeClock())
    text = LARGE[kind][:3000]
    whole = scorer.score_text(text)
    monkeypatch.setattr(search, "MAX_DOUBTFUL", KEPT)
    bounded = scorer.score_text(text)
    assert bounded.evidence == whole.evidence
    assert (bounded.score, bounded.privacy_class) == (whole.score, whole.privacy_class)
    unsure = [found for found in bounded.findings if found.confidence < CONFIDENT]
    assert len(unsure) <= (KEPT + LEVELS) * len(DEFAULT_DETECTORS)
