"""What a policy adds to the detectors and takes from them, and how it is refused when it is loaded."""

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import ExtraPattern, PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.fakes import FakeClock

NUMBER = ExtraPattern(name="EMPLOYEE_NUMBER", regex=r"\bE-\d{6}\b")


def scorer(**keys: object) -> PrivacyScorer:
    """Return a scorer with these keys under `privacy`."""
    return PrivacyScorer(PrivacyPolicy.model_validate(keys), clock=FakeClock())


def test_a_pattern_finds_what_it_names() -> None:
    """A name of the operator's own has a weight and a floor, and stands among the findings."""
    privacy = scorer(patterns=[NUMBER]).score_text("badge E-123456 is lost")
    assert [(f.type, f.start, f.end, f.confidence) for f in privacy.findings] == [
        ("EMPLOYEE_NUMBER", 6, 14, 0.9)
    ]
    assert (privacy.score, privacy.privacy_class) == (0.45, PrivacyClass.CONFIDENTIAL)


def test_weight_and_floor_of_a_name_of_its_own_can_be_said() -> None:
    """They stand beside the pattern."""
    said = NUMBER.model_copy(update={"weight": 1.0, "floor": "restricted"})
    assert scorer(patterns=[said]).score_text("E-123456").privacy_class is PrivacyClass.RESTRICTED


def test_a_pattern_of_a_fixed_type_has_its_weight_and_floor() -> None:
    """A pattern that names a type of the list adds to what the detector finds."""
    own = ExtraPattern(name="EMAIL", regex=r"\bcn=[a-z]+\b")
    privacy = scorer(patterns=[own]).score_text("cn=jo or jo@example.org")
    assert [f.type for f in privacy.findings] == ["EMAIL", "EMAIL"]
    assert privacy.privacy_class is PrivacyClass.CONFIDENTIAL


def test_context_halves_what_stands_without_it() -> None:
    """With its word in the paragraph a match keeps its confidence, without it, it has half."""
    own = NUMBER.model_copy(update={"context": ("Employee",)})
    scores = PrivacyScorer(PrivacyPolicy(patterns=(own,), report_at=0.0), clock=FakeClock())

    def confidence(text: str) -> float:
        return next(f.confidence for f in scores.score_text(text).findings if f.type == own.name)

    assert confidence("employee E-123456") == 0.9
    assert confidence("order E-123456") == 0.45
    assert confidence("employee\n\nE-123456") == 0.45, "words reach within their paragraph"


def test_patterns_never_take_a_finding_away() -> None:
    """What the detectors find is found whatever a pattern matches around it."""
    text = "jo@example.org, 4111 1111 1111 1111 and 219-09-9999"
    plain = scorer().score_text(text)
    added = scorer(patterns=[ExtraPattern(name="EMAIL", regex=r".+", confidence=0.1)]).score_text(text)
    assert set(plain.findings) <= set(added.findings)
    assert added.score >= plain.score


def test_allow_takes_the_exact_value_only() -> None:
    """Another spelling of an allowed value, and a longer one that holds it, are found as before."""
    scores = scorer(allow=["help@example.org"])
    assert scores.score_text("write to help@example.org").findings == ()
    assert scores.score_text("write to help@example.org").privacy_class is PrivacyClass.PUBLIC
    for other in ("Help@example.org", "help@example.org.uk", "no-help@example.org"):
        assert len(scores.score_text(f"write to {other}").findings) == 1, other


def test_denied_words_are_secret_wherever_they_stand() -> None:
    """Whole words in any case are found; a piece of a longer word is not."""
    scores = scorer(deny=["Project Falcon", "\u0130stanbul"])
    for text in ("about project falcon.", "PROJECT FALCON", "\u0130\u0130 Project Falcon"):
        privacy = scores.score_text(text)
        assert [text[f.start : f.end].lower() for f in privacy.findings if f.type == "SECRET"] == [
            "project falcon"
        ]
        assert privacy.privacy_class is PrivacyClass.RESTRICTED
    assert scores.score_text("project falconry").privacy_class is PrivacyClass.PUBLIC


POLICY = """\
version: 1
models: {edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
privacy:
  allow: [Falcon]
  patterns:
    - name: EMPLOYEE_NUMBER
      regex: '\\bE-\\d{6}\\b'
rules:
  - {name: staff, when: "'EMPLOYEE_NUMBER' in findings", route: [edge]}
  - {name: default, route: [edge]}
replies: [{id: sorry, text: Sorry.}]
"""


def test_a_policy_with_three_lines_for_an_employee_number_loads() -> None:
    """Rules see the finding by its name."""
    policy = parse_policy(POLICY, name="p.yaml")
    assert policy.privacy.patterns[0].name == "EMPLOYEE_NUMBER"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"\bE-\d{6}\b", r"(\d{6}", "p.yaml:7: privacy.patterns[0].regex: is no regular expression of RE2"),
        (r"\bE-\d{6}\b", "x*", "p.yaml:7: privacy.patterns[0].regex: matches the empty text"),
        (r"\bE-\d{6}\b", r"(\w{30}x){900}", "p.yaml:7: privacy.patterns[0].regex: is"),
        (r"\bE-\d{6}\b", r"(?:\w{1,500}x){2}\w{500}", "p.yaml:7: privacy.patterns[0].regex: is too large"),
        (r"\bE-\d{6}\b", r"(a)\1", "p.yaml:7: privacy.patterns[0].regex: is no regular expression of RE2"),
        (r"\bE-\d{6}\b", "\u0416+", "p.yaml:7: privacy.patterns[0].regex: has letters beyond Latin-1"),
        (r"'\bE-\d{6}\b'", "'" + "a" * 501 + "'", "p.yaml:7: privacy.patterns[0].regex: "),
        ("- name: EMPLOYEE_NUMBER", "- name: employee", "p.yaml:6: privacy.patterns[0].name: "),
        (
            "- name: EMPLOYEE_NUMBER",
            "- name: EMAIL\n      weight: 0.1",
            "p.yaml:7: privacy.patterns[0].weight: is for a name of your own; for EMAIL write",
        ),
        (
            "allow: [Falcon]",
            "allow: [Falcon]\n  deny: [falcon]",
            "p.yaml:4: privacy.allow[0]: is also in privacy.deny",
        ),
        ("'EMPLOYEE_NUMBER' in", "'EMPLOYEE_NUMBR' in", "did you mean 'EMPLOYEE_NUMBER'?"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    """A pattern that RE2 does not take, or that costs too much, is refused when the policy is loaded."""
    assert old in POLICY
    with pytest.raises(PolicyError) as refused:
        parse_policy(POLICY.replace(old, new, 1), name="p.yaml")
    assert said in str(refused.value)
