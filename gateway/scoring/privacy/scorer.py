"""From the strings of a request to its privacy score and class; whatever cannot be judged is restricted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.clock import Clock, Deadline
from gateway.policy.model import PrivacyPolicy, privacy_class
from gateway.scoring.privacy.address import AddressDetector
from gateway.scoring.privacy.bank import BankDetector
from gateway.scoring.privacy.birth import BirthDetector
from gateway.scoring.privacy.card import CardDetector
from gateway.scoring.privacy.crypto import CryptoDetector
from gateway.scoring.privacy.defaults import FLOORS, WEIGHTS
from gateway.scoring.privacy.detector import Detector, Match
from gateway.scoring.privacy.email_address import EmailDetector
from gateway.scoring.privacy.iban import IbanDetector
from gateway.scoring.privacy.national_id import NationalIdDetector
from gateway.scoring.privacy.network import IpDetector, MacDetector, UrlDetector
from gateway.scoring.privacy.normal import NormalText, normalise
from gateway.scoring.privacy.person import PersonDetector
from gateway.scoring.privacy.phone import PhoneDetector
from gateway.scoring.privacy.secret import SecretDetector
from gateway.scoring.privacy.us_ssn import UsSsnDetector
from gateway.scoring.privacy.vehicle import VehicleDetector
from gateway.types import Finding, Privacy, PrivacyClass, Request

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

SURE = 0.5
"""From this confidence on a finding counts for floors and towards MANY."""
MANY = 20
"""From this many distinct values of a type on a text is a list of people, not a mention of one."""
_CHARS_PER_MS = 2048
_OUTSIDE_MESSAGES = -1
_DECIMALS = 9
"""So that a weight of 0.2 alone scores 0.2, and reaches a class that begins there."""


@dataclass(frozen=True, slots=True)
class _Located:
    """A match and the text it is in."""

    index: int
    match: Match
    value: str = field(repr=False)


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
        self._detectors = tuple(detectors)
        self._weights: dict[str, float] = dict(WEIGHTS)
        self._weights.update((str(kind), weight) for kind, weight in policy.weights.items())
        self._floors: dict[str, PrivacyClass] = dict(FLOORS)
        self._floors.update((kind, privacy_class(name)) for kind, name in policy.floors.items())

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
        score = self._combine(located)
        class_, reason = self._classify(score, located, hint)
        return Privacy(score=score, privacy_class=class_, reason=reason, findings=self._report(located))

    def _locate(self, texts: Sequence[tuple[int, str]]) -> list[_Located]:
        limit_s = (self._policy.limit_ms + sum(len(text) for _, text in texts) / _CHARS_PER_MS) / 1000
        deadline = Deadline.after(limit_s, self._clock)
        located: list[_Located] = []
        for index, text in texts:
            normal = _readable(text)
            for detector in self._detectors:
                located += _found(detector, normal, index)
                if deadline.has_passed(self._clock):
                    raise _Unjudged("detectors over time")
        return located

    def _combine(self, located: Iterable[_Located]) -> float:
        highest: dict[str, float] = {}
        for found in located:
            kind = found.match.type
            highest[kind] = max(highest.get(kind, 0.0), found.match.confidence)
        innocent = 1.0
        for kind in sorted(highest):
            innocent *= 1.0 - self._weights[kind] * highest[kind]
        return round(1.0 - innocent, _DECIMALS)

    def _classify(
        self, score: float, located: Sequence[_Located], hint: PrivacyClass | None
    ) -> tuple[PrivacyClass, str]:
        values: dict[str, set[str]] = {}
        for found in located:
            if found.match.confidence >= SURE:
                values.setdefault(found.match.type, set()).add(found.value)
        reasons = [(self._floors[kind], f"floor {kind}") for kind in sorted(values) if kind in self._floors]
        reasons.append((self._class_of(score), "score" if located else "nothing found"))
        class_, reason = max(reasons, key=lambda pair: pair[0])
        many = sorted(kind for kind, distinct in values.items() if len(distinct) >= MANY)
        if many and class_ < PrivacyClass.RESTRICTED:
            class_, reason = PrivacyClass(class_ + 1), f"many {many[0]}"
        if hint is not None and hint > class_:
            class_, reason = hint, "hint"
        return class_, reason

    def _class_of(self, score: float) -> PrivacyClass:
        starts = self._policy.classes
        if score >= starts.restricted:
            return PrivacyClass.RESTRICTED
        if score >= starts.confidential:
            return PrivacyClass.CONFIDENTIAL
        return PrivacyClass.INTERNAL if score >= starts.internal else PrivacyClass.PUBLIC

    def _report(self, located: Iterable[_Located]) -> tuple[Finding, ...]:
        found = [
            Finding(
                type=one.match.type,
                start=one.match.start,
                end=one.match.end,
                confidence=one.match.confidence,
                message_index=one.index,
            )
            for one in located
            if one.match.confidence >= self._policy.report_at
        ]
        return tuple(sorted(found, key=lambda f: (f.message_index, f.start, f.end, f.type)))


def _readable(text: str) -> NormalText:
    try:
        return normalise(text)
    except UnicodeEncodeError:
        raise _Unjudged("text cannot be read") from None


def _found(detector: Detector, normal: NormalText, index: int) -> list[_Located]:
    """Return what one detector finds in one text, with the original's offsets, without overlaps of a type."""
    try:
        matches = [_checked(match, detector, normal.text) for match in detector.find(normal.text)]
    except Exception:  # noqa: BLE001 - whatever goes wrong in a detector, the text has not been judged.
        raise _Unjudged(f"detector {_name(detector)} failed") from None
    if not matches:
        return []
    located = []
    for match in _without_overlaps(matches):
        start, end = normal.span(match.start, match.end)
        at = Match(type=match.type, start=start, end=end, confidence=match.confidence)
        located.append(_Located(index, at, _value(normal.text[match.start : match.end])))
    return located


def _checked(match: Match, detector: Detector, text: str) -> Match:
    right = (
        isinstance(match, Match)
        and match.type in detector.types
        and 0 <= match.start < match.end <= len(text)
        and 0.0 <= match.confidence <= 1.0
    )
    if not right:
        raise TypeError("not a match of this detector in this text")
    return match


def _without_overlaps(matches: Sequence[Match]) -> list[Match]:
    """Keep the surest of those that overlap with one of their type, then the longest, then the first."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (m.type, m.start, -m.end)):
        if kept and kept[-1].type == match.type and match.start < kept[-1].end:
            if _strength(match) <= _strength(kept[-1]):
                continue
            kept.pop()
        kept.append(match)
    return kept


def _strength(match: Match) -> tuple[float, int]:
    return match.confidence, match.end - match.start


def _value(text: str) -> str:
    """Return what tells one datum from another, whatever separators it is written with."""
    return "".join(char for char in text if char.isalnum()).casefold()


def _name(detector: Detector) -> str:
    return "/".join(detector.types)
