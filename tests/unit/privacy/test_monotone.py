"""More text never makes a request less private."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.detector_texts import TEXTS
from tests.support.draws import examples
from tests.support.fakes import FakeClock
from tests.support.requests import request_of

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())


BLANK_LINE = st.sampled_from(["\n\n", "\n \n", "\n\t\n", "\r\n\r\n", "\n\n\n"])


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, BLANK_LINE, TEXTS)
def test_a_further_paragraph_never_lowers_score_or_class(first: str, blank: str, second: str) -> None:
    """A paragraph after a blank line adds what it holds and takes nothing from what stands before it."""
    before, after = SCORER.score_text(first), SCORER.score_text(first + blank + second)
    assert after.score >= before.score
    assert after.privacy_class >= before.privacy_class


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS, st.integers(0, 3))
def test_a_further_message_never_lowers_score_or_class(contents: list[str], added: str, at: int) -> None:
    """A message anywhere in the conversation adds what it holds and takes nothing from the others."""
    before = SCORER.score(request_of(*contents))
    after = SCORER.score(request_of(*[*contents[:at], added, *contents[at:]]))
    assert after.score >= before.score
    assert after.privacy_class >= before.privacy_class


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_findings_lie_in_the_text_in_order(text: str) -> None:
    """Every finding is a place in the original string; those of one type do not overlap."""
    findings = SCORER.score_text(text).findings
    assert list(findings) == sorted(findings, key=lambda found: (found.message_index, found.start))
    last_end: dict[str, int] = {}
    for found in findings:
        assert last_end.get(found.type, 0) <= found.start < found.end <= len(text)
        last_end[found.type] = found.end
