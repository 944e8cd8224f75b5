"""From findings to score and class, and what happens when something cannot be judged."""

from collections.abc import Iterable

import pytest

from gateway.domain.privacy import Finding, PrivacyClass
from gateway.domain.request import GenerationConfig
from gateway.policy.model import Classes, PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, FLOORS, WEIGHTS, Match, PrivacyScorer
from tests.support.fakes import FakeClock
from tests.support.privacy_doubles import (
    Numbered,
    check_what_is_everywhere_is_not_listed,
    verdict,
)
from tests.support.requests import request_of


class Spots:
    """A detector that finds fixed words, each with its type and confidence."""

    def __init__(self, **found: tuple[str, float]) -> None:
        self.found = found
        self.types = tuple(sorted({kind for kind, _ in found.values()}))

    def find(self, text: str) -> Iterable[Match]:
        """Yield every place of every word."""
        for word, (kind, confidence) in self.found.items():
            start = text.find(word)
            while start >= 0:
                yield Match(type=kind, start=start, end=start + len(word), confidence=confidence)
                start = text.find(word, start + 1)


def scorer(*detectors: Spots, policy: PrivacyPolicy | None = None) -> PrivacyScorer:
    """Return a scorer whose clock stands still."""
    return PrivacyScorer(policy or PrivacyPolicy(), clock=FakeClock(), detectors=detectors)


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("hello", (0.0, PrivacyClass.PUBLIC, "nothing found"), "nothing private"),
        ("ip", (0.2, PrivacyClass.INTERNAL, "score"), "the score alone reaches internal"),
        ("url", (0.0, PrivacyClass.PUBLIC, "score"), "a type without weight or floor"),
        ("mail", (0.5, PrivacyClass.CONFIDENTIAL, "floor EMAIL"), "a floor"),
        ("half", (0.25, PrivacyClass.CONFIDENTIAL, "floor PHONE"), "a floor needs a confidence of 0.5"),
        ("faint", (0.245, PrivacyClass.INTERNAL, "score"), "below 0.5 there is no floor, but a score"),
        ("mail half", (0.625, PrivacyClass.CONFIDENTIAL, "floor EMAIL"), "types combine"),
        ("mail mail mail", (0.5, PrivacyClass.CONFIDENTIAL, "floor EMAIL"), "a type counts once"),
        ("faint half", (0.25, PrivacyClass.CONFIDENTIAL, "floor PHONE"), "the highest confidence of a type"),
        ("card", (0.9, PrivacyClass.RESTRICTED, "floor CREDIT_CARD"), "the highest floor"),
        ("ip mail half vin", (0.79, PrivacyClass.CONFIDENTIAL, "floor EMAIL"), "just below restricted"),
        ("ip mail half vin bdate", (0.895, PrivacyClass.RESTRICTED, "score"), "the score passes every floor"),
    ],
)
def test_score_and_class(text: str, expected: tuple[float, PrivacyClass, str], why: str) -> None:
    """The score combines the surest finding of each type, and the class is the highest that anything asks."""
    spots = Spots(
        ip=("IP", 1.0), url=("URL", 1.0), mail=("EMAIL", 1.0), half=("PHONE", 0.5), faint=("PHONE", 0.49),
        card=("CREDIT_CARD", 1.0), vin=("VEHICLE", 1.0), bdate=("DOB", 1.0),
    )  # fmt: skip
    assert verdict(scorer(spots).score(request_of(text))) == expected, why


def test_the_policy_overrides_weights_floors_and_classes() -> None:
    """What the policy names replaces the default; what it does not name stays."""
    policy = PrivacyPolicy(
        weights={"EMAIL": 0.1},
        floors={"EMAIL": "public", "IP": "confidential"},
        classes=Classes(internal=0.05),
    )
    spots = Spots(mail=("EMAIL", 1.0), ip=("IP", 1.0), card=("CREDIT_CARD", 1.0))
    scores = scorer(spots, policy=policy)
    assert verdict(scores.score(request_of("mail"))) == (0.1, PrivacyClass.INTERNAL, "score")
    assert verdict(scores.score(request_of("ip"))) == (0.2, PrivacyClass.CONFIDENTIAL, "floor IP")
    assert scores.score(request_of("card")).privacy_class is PrivacyClass.RESTRICTED


def test_every_string_that_a_backend_is_sent_is_scored() -> None:
    """Contents of all messages, stop sequences and the JSON schema count, each finding with its place."""
    config = GenerationConfig(stop=("x", "a mail"), json_schema='{"const": "mail"}')
    privacy = scorer(Spots(mail=("EMAIL", 1.0))).score(request_of("no", "mail", "a mail", config=config))
    assert [(f.message_index, f.start, f.end) for f in privacy.findings] == [
        (-1, 2, 6),
        (-1, 11, 15),
        (1, 0, 4),
        (2, 2, 6),
    ]


def test_a_hint_only_raises_the_class() -> None:
    """The caller's class wins where it is higher than what was found, and is ignored where it is lower."""
    scores = scorer(Spots(mail=("EMAIL", 1.0)))
    raised = scores.score(request_of("hello", hint=PrivacyClass.RESTRICTED))
    assert verdict(raised) == (0.0, PrivacyClass.RESTRICTED, "hint")
    kept = scores.score(request_of("mail", hint=PrivacyClass.PUBLIC))
    assert verdict(kept) == (0.5, PrivacyClass.CONFIDENTIAL, "floor EMAIL")


@pytest.mark.parametrize(
    ("words", "confidence", "reason", "why"),
    [
        ([f"w{n}" for n in range(20)], 1.0, "many EMAIL", "twenty distinct values"),
        ([f"w{n}" for n in range(19)] + ["w0"] * 9, 1.0, "floor EMAIL", "nineteen distinct values"),
        (
            [f"w{n % 19}" + "." * (n // 19) for n in range(38)],
            1.0,
            "floor EMAIL",
            "separators tell nothing apart",
        ),
        ([f"w{n}" for n in range(20)], 0.4, "score", "what is not sure is not counted"),
    ],
)
def test_many_distinct_values_raise_the_class_by_one(
    words: list[str], confidence: float, reason: str, why: str
) -> None:
    """Twenty distinct values of a type are a list of people: one class more, in one message or in many."""
    scores = PrivacyScorer(PrivacyPolicy(), clock=FakeClock(), detectors=[Numbered(confidence)])
    together = scores.score_text(" ".join(words))
    assert together.reason == reason, why
    assert verdict(scores.score(request_of(*words))) == verdict(together)


def test_many_values_raise_no_class_above_the_highest() -> None:
    """Restricted stays restricted, and the reason stays the floor."""
    spots = Spots(**{f"w{chr(97 + n)}": ("CREDIT_CARD", 1.0) for n in range(25)})
    privacy = scorer(spots).score(request_of(" ".join(spots.found)))
    assert verdict(privacy) == (0.9, PrivacyClass.RESTRICTED, "floor CREDIT_CARD")


def test_findings_are_those_sure_enough_in_order_and_without_overlaps_of_a_type() -> None:
    """Of those of a type that overlap the surest stays; other types may overlap; the policy sets the bar."""
    spots = Spots(
        abcd=("EMAIL", 0.6), cdef=("EMAIL", 0.9), cd=("PHONE", 0.7), ef=("PHONE", 0.3), zz=("EMAIL", 1.0)
    )
    privacy = scorer(spots).score_text("abcdef zz")
    assert privacy.findings == (
        Finding(type="PHONE", start=2, end=4, confidence=0.7),
        Finding(type="EMAIL", start=2, end=6, confidence=0.9),
        Finding(type="EMAIL", start=7, end=9, confidence=1.0),
    )
    everything = scorer(spots, policy=PrivacyPolicy(report_at=0.0)).score_text("abcdef zz")
    assert len(everything.findings) == 4
    assert everything.score == privacy.score


def test_findings_count_characters_of_the_original() -> None:
    """A place is where the original string has it, whatever was undone for the detectors."""
    written = "żółw\u200b m\u200bail"
    (found,) = scorer(Spots(mail=("EMAIL", 1.0))).score_text(written).findings
    assert written[found.start : found.end] == "m\u200bail"


class Raises:
    """A detector that fails with the text in its message."""

    types = ("PHONE", "IP")

    def find(self, text: str) -> Iterable[Match]:
        """Raise, after the first match."""
        yield Match(type="PHONE", start=0, end=1, confidence=1.0)
        raise RuntimeError(text)


class Gives:
    """A detector that returns what it is told to."""

    types = ("PHONE",)

    def __init__(self, result: object) -> None:
        self.result = result

    def find(self, text: str) -> Iterable[Match]:
        """Return the result, whatever its type."""
        return self.result  # type: ignore[return-value]  # The point of this double.


def match(start: int = 0, end: int = 1, confidence: float = 1.0, kind: str = "PHONE") -> Match:
    """Return a match that is right unless told otherwise."""
    return Match(type=kind, start=start, end=end, confidence=confidence)


@pytest.mark.parametrize(
    ("detector", "reason", "why"),
    [
        (Raises(), "detector PHONE/IP failed", "it raises"),
        (Gives(None), "detector PHONE failed", "it returns nothing to go through"),
        (Gives(7), "detector PHONE failed", "it returns a number"),
        (Gives(["555"]), "detector PHONE failed", "it returns strings"),
        (Gives([match(kind="IP")]), "detector PHONE failed", "a type that it did not announce"),
        (Gives([match(start=-1)]), "detector PHONE failed", "a place before the text"),
        (Gives([match(end=99)]), "detector PHONE failed", "a place behind the text"),
        (Gives([match(end=0)]), "detector PHONE failed", "an empty place"),
        (Gives([match(confidence=1.5)]), "detector PHONE failed", "more than certain"),
        (Gives([match(confidence=float("nan"))]), "detector PHONE failed", "no number"),
    ],
)
def test_a_detector_that_fails_restricts_the_request(detector: Raises | Gives, reason: str, why: str) -> None:
    """Whatever a detector does wrong, the class is restricted, and the reason is its name alone."""
    scores = PrivacyScorer(PrivacyPolicy(), clock=FakeClock(), detectors=[detector])
    assert verdict(scores.score_text("some text")) == (1.0, PrivacyClass.RESTRICTED, reason), why


def test_detectors_over_their_time_restrict_the_request() -> None:
    """Past the limit the rest is skipped and the class is restricted; within it nothing happens."""
    clock = FakeClock()

    class Slow(Spots):
        """A detector that takes 30 ms."""

        def find(self, text: str) -> Iterable[Match]:
            """Let time pass."""
            clock.advance(0.030)
            return super().find(text)

    slow = Slow(mail=("EMAIL", 1.0))
    policy = PrivacyPolicy(limit_ms=50.0)
    once = PrivacyScorer(policy, clock=clock, detectors=[slow]).score_text("mail")
    assert once.reason == "floor EMAIL"
    twice = PrivacyScorer(policy, clock=clock, detectors=[slow, slow]).score_text("mail")
    assert verdict(twice) == (1.0, PrivacyClass.RESTRICTED, "detectors over time")
    long = PrivacyScorer(policy, clock=clock, detectors=[slow, slow]).score_text("mail" + " " * 40_000)
    assert long.reason == "floor EMAIL", "1 ms more for every 2 kB"
    messages = PrivacyScorer(policy, clock=clock, detectors=[slow]).score(request_of("mail", "mail"))
    assert messages.reason == "detectors over time", "the limit is for the request, not for a message"


@pytest.mark.parametrize("unreadable", ["\ud800", "hello \udfff there", "mail \ud83d"])
def test_text_that_cannot_be_read_restricts_the_request(unreadable: str) -> None:
    """A lone surrogate in any string makes the class restricted."""
    scores = scorer(Spots(mail=("EMAIL", 1.0)))
    expected = (1.0, PrivacyClass.RESTRICTED, "text cannot be read")
    assert verdict(scores.score_text(unreadable)) == expected
    assert verdict(scores.score(request_of("fine", config=GenerationConfig(stop=(unreadable,))))) == expected


def test_nothing_of_the_text_is_in_the_result() -> None:
    """A result holds types and places, never a word of what was found."""
    scores = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
    privacy = scores.score_text("write to zebra.quagga@example.org at once")
    assert [found.type for found in privacy.findings] == ["EMAIL"]
    assert "zebra" not in repr(privacy)
    failed = PrivacyScorer(PrivacyPolicy(), clock=FakeClock(), detectors=[Raises()]).score_text("zebra")
    assert "zebra" not in repr(failed)


def test_a_detector_of_an_unknown_type_is_refused() -> None:
    """A type without a weight would count for nothing, so the scorer is not made."""
    with pytest.raises(ValueError, match="detector SHOE_SIZE: SHOE_SIZE is no type of finding"):
        scorer(Spots(big=("SHOE_SIZE", 1.0)))


def test_defaults_are_those_of_the_documented_groups() -> None:
    """Floors follow from the groups of weights: restricted from 0.9, confidential at 0.5, none below."""
    assert {kind for kind, floor in FLOORS.items() if floor is PrivacyClass.RESTRICTED} == {
        "SECRET", "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT",
    }  # fmt: skip
    confidential = {kind for kind, floor in FLOORS.items() if floor is PrivacyClass.CONFIDENTIAL}
    assert confidential == {"EMAIL", "PHONE", "ADDRESS", "DOB"}
    assert {WEIGHTS[kind] for kind in ("PERSON", "VEHICLE", "CRYPTO")} == {0.3}
    assert {WEIGHTS[kind] for kind in ("IP", "MAC")} == {0.2}
    assert sum(weight == 0.0 for weight in WEIGHTS.values()) == 11


def test_detectors_can_be_named_apart() -> None:
    """No two default detectors answer for the same type, so that a reason names one of them."""
    types = [kind for detector in DEFAULT_DETECTORS for kind in detector.types]
    assert len(types) == len(set(types))


def test_unsure_and_allowed_places_do_not_end_the_search() -> None:
    """A sure finding behind thousands that are unsure, or that the policy allows, is found."""
    words = " ".join(["same"] * 1000)
    unsure = PrivacyScorer(PrivacyPolicy(), clock=FakeClock(), detectors=[Numbered(0.4)])
    assert verdict(unsure.score_text(words)) == (0.2, PrivacyClass.INTERNAL, "score")
    policy = PrivacyPolicy(allow=("same",))
    allowed = PrivacyScorer(policy, clock=FakeClock(), detectors=[Numbered(1.0)])
    privacy = allowed.score_text(f"{words} other")
    assert [(f.start, f.end) for f in privacy.findings] == [(len(words) + 1, len(words) + 6)]
    assert privacy.reason == "floor EMAIL"


def test_what_is_everywhere_is_not_listed_to_the_end() -> None:
    """After MAX_CONFIDENT sure ones a detector looks no further: its type counts as certain and as many."""
    check_what_is_everywhere_is_not_listed()
