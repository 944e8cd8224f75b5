"""Health and special categories of data: off by default, and only where somebody is spoken of."""

import pytest

from gateway.domain.privacy import Finding, PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.fakes import FakeClock

POLICY = PrivacyPolicy(
    floors={"HEALTH": "confidential"}, weights={"SPECIAL_CATEGORY": 0.4}, report_at=0.1, limit_ms=1000
)


def findings(text: str, policy: PrivacyPolicy = POLICY) -> list[Finding]:
    """Return the findings of the two types."""
    found = PrivacyScorer(policy, clock=FakeClock()).score_text(text).findings
    return [each for each in found if each.type in ("HEALTH", "SPECIAL_CATEGORY")]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Susan Miller is HIV positive", "HIV"),
        ("My son was put on methadone last week", "methadone"),
        ("Tengo c\xe1ncer y estoy de baja", "c\xe1ncer"),
        ("Je suis enceinte de trois mois", "enceinte"),
        ("Ich bin seit Mai schwanger", "schwanger"),
        ("mia moglie ha l'epilessia", "epilessia"),
        ("O meu pai: tenho diabetes como ele", "diabetes"),
        ("Mijn moeder heeft dementie", "dementie"),
        ("Mam depresj\u0119 od roku", "depresj\u0119"),
        ("Jag har diabetes", "diabetes"),
        ("O\u011flum otizmli", "otizmli"),
    ],
)
def test_health_of_somebody(text: str, word: str) -> None:
    """In ten languages a condition of the writer, a relative or somebody with a name is a sure finding."""
    (only,) = findings(text)
    assert (only.type, text[only.start : only.end], only.confidence) == ("HEALTH", word, 0.6)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Anna Schmidt ist katholisch", "katholisch"),
        ("my brother is gay, how do I support him", "gay"),
        ("I'm a shop steward at the plant", "shop steward"),
        ("Marcus Jensen was convicted of fraud", "convicted of"),
    ],
)
def test_special_category_of_somebody(text: str, word: str) -> None:
    """Belief, union, sex life and convictions are found as health is."""
    (only,) = findings(text)
    assert (only.type, text[only.start : only.end]) == ("SPECIAL_CATEGORY", word)


@pytest.mark.parametrize(
    "text",
    [
        "Cancer is the fourth sign of the zodiac",
        "Compare the treatment of diabetes in Norway and Spain",
        "The Catholic church of the 12th century",
        "I need the statistics of trade union membership",
    ],
)
def test_nobody_is_spoken_of(text: str) -> None:
    """Talk of medicine and history without a person is no finding."""
    assert findings(text) == []


def test_an_age_alone_is_unsure() -> None:
    """An exercise of medicine has an age and a condition, so its finding is below every floor."""
    (only,) = findings("A 58-year-old man with diabetes comes to the clinic")
    assert only.confidence == 0.3


def test_somebody_in_another_paragraph() -> None:
    """A name counts within its paragraph only, so that text that is added lowers nothing."""
    assert findings("Susan Miller asks:\n\nwhat is diabetes") == []


def test_off_until_the_policy_names_it() -> None:
    """Without a weight and a floor nothing is found; with a floor the class rises to it."""
    text = "Susan Miller is HIV positive"
    assert findings(text, PrivacyPolicy(limit_ms=1000)) == []
    scored = PrivacyScorer(POLICY, clock=FakeClock()).score_text(text)
    assert scored.privacy_class is PrivacyClass.CONFIDENTIAL
