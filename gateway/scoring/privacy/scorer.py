"""From the strings of a request to its privacy score and class; whatever cannot be judged is restricted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.clock import Clock, Deadline
from gateway.policy.model import PrivacyPolicy
from gateway.scoring.pattern import PatternSet
from gateway.scoring.privacy.added import added_detectors
from gateway.scoring.privacy.address import AddressDetector
from gateway.scoring.privacy.bank import BankDetector
from gateway.scoring.privacy.birth import BirthDetector
from gateway.scoring.privacy.card import CardDetector
from gateway.scoring.privacy.crypto import CryptoDetector
from gateway.scoring.privacy.defaults import WEIGHTS
from gateway.scoring.privacy.detector import Detector, Match, NumberDetector, digits_in
from gateway.scoring.privacy.email_address import EmailDetector
from gateway.scoring.privacy.iban import IbanDetector
from gateway.scoring.privacy.national_id import NationalIdDetector
from gateway.scoring.privacy.network import IpDetector, MacDetector, UrlDetector
from gateway.scoring.privacy.normal import NormalText, normalise, spelled
from gateway.scoring.privacy.person import PersonDetector
from gateway.scoring.privacy.phone import PhoneDetector
from gateway.scoring.privacy.secret import SecretDetector
from gateway.scoring.privacy.us_ssn import UsSsnDetector
from gateway.scoring.privacy.vehicle import VehicleDetector
from gateway.scoring.privacy.verdict import SURE, class_of, scale_of, score_of
from gateway.types import Evidence, Finding, Privacy, PrivacyClass, Request

DEFAULT_DETECTORS: tuple[Detector, ...] = (
    SecretDetector(),
    CardDetector(),
    UsSsnDetector(),
    NationalIdDetector(),
    IbanDetector(),
    BankDetector(),
    EmailDetector(),
    PhoneDetector(),
    BirthDetector(),
    VehicleDetector(),
    CryptoDetector(),
    IpDetector(),
    MacDetector(),
    UrlDetector(),
    PersonDetector(),
    AddressDetector(),
)
"""Every detector that needs no model."""

_CHARS_PER_MS = 2048
_OUTSIDE_MESSAGES = -1


class _Located(NamedTuple):
    """A match in the original text, which text that is, and what tells its value from others."""

    message_index: int
    match: Match
    value: str


class _Unjudged(Exception):
    """Not everything could be looked at; says what, and never a word of the text."""


class PrivacyScorer:
    """Scores requests for one policy; holds no state of a request, so threads may share it."""

    def __init__(
        self, policy: PrivacyPolicy, *, clock: Clock, detectors: Sequence[Detector] = DEFAULT_DETECTORS
    ) -> None:
        for detector in detectors:
            for kind in detector.types:
                if kind not in WEIGHTS:
                    raise ValueError(f"detector {_name(detector)}: {kind} is no type of finding")
        self._policy = policy
        self._clock = clock
        self._allowed = frozenset(policy.allow)
        self._detectors = (*detectors, *added_detectors(policy))
        signed = [each for each in self._detectors if isinstance(each, NumberDetector)]
        self._signed = {id(each): place for place, each in enumerate(signed)}
        self._signs = PatternSet([each.sign for each in signed], ignore_case=True)
        self._scale = scale_of(policy)

    def score(self, request: Request) -> Privacy:
        """Score every string of `request` that a backend is sent; raises nothing."""
        texts = [(index, message.content) for index, message in enumerate(request.messages)]
        texts += [(_OUTSIDE_MESSAGES, text) for text in request.config.stop]
        if request.config.json_schema is not None:
            texts.append((_OUTSIDE_MESSAGES, request.config.json_schema))
        return self._score(texts, request.hints.privacy_class)

    def score_text(self, text: str) -> Privacy:
        """Score one text by itself, as if it were the only message; raises nothing."""
        return self._score([(0, text)], None)

    def _score(self, texts: Sequence[tuple[int, str]], hint: PrivacyClass | None) -> Privacy:
        try:
            located = self._locate(texts)
        except _Unjudged as unjudged:
            return Privacy(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=str(unjudged))
        evidence = _evidence(located)
        score = score_of(evidence, self._scale)
        class_, reason = class_of(score, evidence, self._scale, hint)
        return Privacy(
            score=score,
            privacy_class=class_,
            reason=reason,
            findings=self._report(located),
            evidence=evidence,
        )

    def _locate(self, texts: Sequence[tuple[int, str]]) -> list[_Located]:
        limit_s = (self._policy.limit_ms + sum(len(text) for _, text in texts) / _CHARS_PER_MS) / 1000
        deadline = Deadline.after(limit_s, self._clock)
        located: list[_Located] = []
        for index, text in texts:
            readings = _readings(text)
            for detector in self._worth_running(readings):
                located += self._but_allowed(_found(detector, readings, index), text)
                if deadline.has_passed(self._clock):
                    raise _Unjudged("detectors over time")
        return located

    def _but_allowed(self, located: list[_Located], text: str) -> list[_Located]:
        """Leave out the values that the policy allows, exactly as they are written there."""
        if not self._allowed or not located:
            return located
        return [one for one in located if text[one.match.start : one.match.end] not in self._allowed]

    def _worth_running(self, readings: Sequence[NormalText]) -> list[Detector]:
        """Return the detectors without those of numbers of which no reading of a text has a sign."""
        seen: set[int] = set()
        for reading in readings:
            if digits_in(reading.text):
                try:
                    seen.update(self._signs.matching(reading.text))
                except MemoryError:
                    raise _Unjudged("signs of numbers could not be looked for") from None
        places = self._signed
        return [each for each in self._detectors if id(each) not in places or places[id(each)] in seen]

    def _report(self, located: Iterable[_Located]) -> tuple[Finding, ...]:
        found = [
            Finding(
                type=one.match.type,
                start=one.match.start,
                end=one.match.end,
                confidence=one.match.confidence,
                message_index=one.message_index,
            )
            for one in located
            if one.match.confidence >= self._policy.report_at
        ]
        return tuple(sorted(found, key=lambda f: (f.message_index, f.start, f.end, f.type)))


def _evidence(located: Iterable[_Located]) -> Mapping[str, Evidence]:
    highest: dict[str, float] = {}
    values: dict[str, set[str]] = {}
    for found in located:
        kind, confidence = found.match.type, found.match.confidence
        highest[kind] = max(highest.get(kind, 0.0), confidence)
        if confidence >= SURE:
            values.setdefault(kind, set()).add(found.value)
    return {
        kind: Evidence(highest=confidence, sure=len(values.get(kind, ())))
        for kind, confidence in highest.items()
    }


def _readings(text: str) -> tuple[NormalText, ...]:
    """Return a text as detectors see it, and once more where digits stand one by one: that adds to it."""
    try:
        normal = normalise(text)
    except UnicodeEncodeError:
        raise _Unjudged("text cannot be read") from None
    again = spelled(normal)
    return (normal,) if again is None else (normal, again)


def _found(detector: Detector, readings: Sequence[NormalText], index: int) -> list[_Located]:
    """Return what one detector finds in one text, with the original's offsets, without overlaps of a type."""
    located: list[_Located] = []
    try:
        for normal in readings:
            for match in detector.find(normal.text):
                _check(match, detector, normal.text)
                start, end = normal.span(match.start, match.end)
                at = Match(match.type, start, end, match.confidence)
                located.append(_Located(index, at, _value(normal.text[match.start : match.end])))
    except Exception:  # noqa: BLE001 - whatever goes wrong in a detector, the text has not been judged.
        raise _Unjudged(f"detector {_name(detector)} failed") from None
    return _without_overlaps(located) if len(located) > 1 else located


def _check(match: Match, detector: Detector, text: str) -> None:
    if not (
        isinstance(match, Match)
        and match.type in detector.types
        and 0 <= match.start < match.end <= len(text)
        and 0.0 <= match.confidence <= 1.0
    ):
        raise TypeError("not a match of this detector in this text")


def _without_overlaps(located: Sequence[_Located]) -> list[_Located]:
    """Keep the surest of those that overlap with one of their type, then the longest, then the first."""
    kept: list[_Located] = []
    for one in sorted(located, key=_place):
        if kept and kept[-1].match.type == one.match.type and one.match.start < kept[-1].match.end:
            if _strength(one.match) <= _strength(kept[-1].match):
                continue
            kept.pop()
        kept.append(one)
    return kept


def _place(located: _Located) -> tuple[str, int, int]:
    return located.match.type, located.match.start, -located.match.end


def _strength(match: Match) -> tuple[float, int]:
    return match.confidence, match.end - match.start


def _value(text: str) -> str:
    """Return what tells one datum from another, whatever separators it is written with."""
    return text.casefold() if text.isalnum() else "".join(filter(str.isalnum, text)).casefold()


def _name(detector: Detector) -> str:
    return "/".join(detector.types)
