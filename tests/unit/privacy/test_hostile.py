"""Detectors on input that nobody writes: bytes, nesting, megabytes of one character."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.privacy import PrivacyClass
from gateway.domain.text.pattern import PatternSet, as_data
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, Detector, PrivacyScorer
from gateway.privacy.detector import PrefilteredDetector, digits_in, min_digits_of
from gateway.privacy.normalize import normalise
from gateway.privacy.variants import VARIANT_RULES, VariantRule
from tests.support.detector_texts import FINDS, TEXTS
from tests.support.draws import examples
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
EVERYTHING = PrivacyScorer(PrivacyPolicy(report_at=0.0), clock=FakeClock())
MEGABYTE = 1_000_000


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")), st.text(max_size=200)))
def test_any_characters_are_judged_with_places_in_characters(text: str) -> None:
    """Whatever the characters, detectors come back, and a finding is a place in the original string."""
    privacy = EVERYTHING.score_text(text)
    assert "failed" not in privacy.reason
    for finding in privacy.findings:
        assert 0 <= finding.start < finding.end <= len(text)


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=30), st.sampled_from(["jo@example.org", "4111 1111 1111 1111", "219-09-9999"]))
def test_a_datum_is_where_the_original_has_it(before: str, datum: str) -> None:
    """Characters of any width and plane in front of a datum do not shift its place."""
    text = f"{before}\n\n{datum}"
    places = [text[f.start : f.end] for f in EVERYTHING.score_text(text).findings if f.start > len(before)]
    assert datum in places


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("7" * MEGABYTE, "digits"),
        ("@" * MEGABYTE, "at"),
        ("(" * (MEGABYTE // 2) + ")" * (MEGABYTE // 2), "nested brackets"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested objects"),
        ("a" * MEGABYTE, "one word"),
        (" " * MEGABYTE, "spaces"),
        ("\n" * MEGABYTE, "blank lines"),
        ("password=" * 100_000, "names without values"),
        ("-----BEGIN PRIVATE KEY-----\n" * 30_000, "armour without an end"),
        ("\u200b" * MEGABYTE, "nothing that is seen"),
        ("1 " * 200_000, "digits one by one"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_a_megabyte_of_one_thing_is_judged(text: str, why: str) -> None:
    """No detector fails on it or finds what is not there; time is bounded by construction."""
    privacy = SCORER.score_text(text)
    assert "failed" not in privacy.reason, why
    if not text.startswith(("-----BEGIN", "password")):
        assert privacy.privacy_class is PrivacyClass.PUBLIC, why


def may_find(detector: Detector, text: str) -> bool:
    """Whether the scanner would run this detector on a text."""
    if digits_in(text) < min_digits_of(detector):
        return False
    if not isinstance(detector, PrefilteredDetector):
        return True
    return bool(PatternSet([detector.prefilter], ignore_case=True).matching(as_data(text)))


@pytest.mark.parametrize("detector", DEFAULT_DETECTORS, ids=lambda each: str(each.types[0]))
def test_there_is_nothing_to_find_without_a_sign(detector: Detector) -> None:
    """A detector that is passed over because a text lacks its sign would have found nothing in it."""
    for _, text, _, why in FINDS:
        plain = normalise(text).text
        assert may_find(detector, plain) or not list(detector.find(plain)), why


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.sampled_from(DEFAULT_DETECTORS))
def test_the_sign_holds_for_made_up_texts_too(text: str, detector: Detector) -> None:
    """The same, for texts of pieces of private data that are cut and joined at random."""
    plain = normalise(text).text
    assert may_find(detector, plain) or not list(detector.find(plain))


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.sampled_from(VARIANT_RULES))
def test_no_variant_is_missed_for_want_of_its_sign(text: str, rule: VariantRule) -> None:
    """A text without the sign of a kind of variant has none of that kind."""
    normal = normalise(text)
    has_sign = PatternSet([rule.prefilter], ignore_case=True).matching(normal.text)
    assert (has_sign and digits_in(normal.text) >= rule.min_digits) or rule.make(normal) is None


def test_every_detector_is_a_detector() -> None:
    """What ships keeps to the seam that operators' detectors keep to."""
    detectors: tuple[Detector, ...] = DEFAULT_DETECTORS
    assert all(each.types for each in detectors)
    assert any(isinstance(each, PrefilteredDetector) for each in detectors)
