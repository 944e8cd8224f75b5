"""Computes the privacy score and class of a request; a request that cannot be scanned is restricted."""

from collections.abc import Iterable, Sequence

from gateway.clock import Clock
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import Entities, Evidence, Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.domain.strings import (
    RequestString,
    UnreadablePlace,
    opaque_strings,
    strings_of,
    unreadable_places,
)
from gateway.policy.model import PrivacyPolicy
from gateway.privacy.classify import CONFIDENT, MANY, class_of, scale_of, score_of
from gateway.privacy.custom_patterns import custom_detectors
from gateway.privacy.detector import CERTAIN, Detector
from gateway.privacy.detectors.address import AddressDetector
from gateway.privacy.detectors.bank import BankDetector
from gateway.privacy.detectors.birth import BirthDetector
from gateway.privacy.detectors.card import CardDetector
from gateway.privacy.detectors.crypto import CryptoDetector
from gateway.privacy.detectors.defaults import UNREADABLE, WEIGHTS
from gateway.privacy.detectors.email_address import EmailDetector
from gateway.privacy.detectors.iban import IbanDetector
from gateway.privacy.detectors.named_by_model import AidedDetector, NameModelDetector
from gateway.privacy.detectors.national_id import NationalIdDetector
from gateway.privacy.detectors.network import IpDetector, MacDetector, UrlDetector
from gateway.privacy.detectors.person import PersonDetector
from gateway.privacy.detectors.phone import PhoneDetector
from gateway.privacy.detectors.secret import SecretDetector
from gateway.privacy.detectors.special_category import special_detectors
from gateway.privacy.detectors.us_ssn import UsSsnDetector
from gateway.privacy.detectors.vehicle import VehicleDetector
from gateway.privacy.examples import Allowed
from gateway.privacy.scan import Located, ScanFailed, name_of, with_entities
from gateway.privacy.scanner import Scan, Scanner, Summary

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
    AidedDetector(PersonDetector()),
    AidedDetector(AddressDetector()),
    NameModelDetector("LOCATION", "ORG"),
)
"""All detectors that are always asked."""

_NO_ENTITIES = Entities()


class PrivacyScorer:
    """Scores requests for one policy; holds no state of a request, so threads may share it.

    `value_key` keys the hashes of values; scorers whose summaries are exchanged have the same one.
    """

    def __init__(
        self,
        policy: PrivacyPolicy,
        *,
        clock: Clock,
        detectors: Sequence[Detector] = DEFAULT_DETECTORS,
        value_key: bytes = b"",
    ) -> None:
        for detector in detectors:
            for kind in detector.types:
                if kind not in WEIGHTS:
                    raise ValueError(f"detector {name_of(detector)}: {kind} is no type of finding")
        self._report_at = policy.report_at
        self._allowed = Allowed(frozenset(policy.allow), ignores_examples=policy.examples == "ignore")
        self._scanner = Scanner(
            (*detectors, *special_detectors(policy), *custom_detectors(policy)),
            allowed=self._allowed,
            limit_ms=policy.limit_ms,
            clock=clock,
            value_key=value_key,
        )
        self._scale = scale_of(policy)

    def score(self, request: Request, entities: Entities = _NO_ENTITIES) -> PrivacyAssessment:
        """Score all strings of `request` that a backend receives, and its entities; raises nothing."""
        strings = scanned_strings(request)
        return self.assessment(request, strings, self.scan(strings), entities)

    def score_text(self, text: str) -> PrivacyAssessment:
        """Score one text as the only message of a request; raises nothing."""
        message = Message(role=Role.USER, content=text)
        return self.score(Request(request_id="", tenant="", messages=(message,)))

    def scan(
        self,
        strings: Sequence[RequestString],
        known: Sequence[Summary | None] = (),
        *,
        is_cached: bool = False,
    ) -> Scan:
        """Scan `scanned_strings` of a request, as `Scanner.scan` does."""
        return self._scanner.scan(strings, known, is_cached=is_cached)

    def assessment(
        self,
        request: Request,
        strings: Sequence[RequestString],
        scan: Scan,
        entities: Entities = _NO_ENTITIES,
    ) -> PrivacyAssessment:
        """Return what a scan of the strings of a request says of it; raises nothing."""
        try:
            if scan.failure is not None:
                raise ScanFailed(scan.failure)
            located = self._with_entities(scan.located, entities, strings)
        except ScanFailed as failed:
            return PrivacyAssessment(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=str(failed))
        evidence = _evidence(located, scan.crowded)
        unreadable = unreadable_places(request)
        if unreadable:
            evidence[UNREADABLE] = Evidence(highest=CERTAIN, confident=1)
        score = score_of(evidence, self._scale)
        class_, reason = class_of(score, evidence, self._scale, request.hints.privacy_class)
        return PrivacyAssessment(
            score=score,
            privacy_class=class_,
            reason=reason,
            findings=(*_reported(located, strings, self._report_at), *map(_unreadable, unreadable)),
            evidence=evidence,
        )

    def _with_entities(
        self, located: Sequence[Located], entities: Entities, strings: Sequence[RequestString]
    ) -> Sequence[Located]:
        if entities == _NO_ENTITIES:
            return located
        texts = {
            (each.message_index, each.path): (at, each.text)
            for at, each in enumerate(strings)
            if each.message_index >= 0
        }
        return [
            *located,
            *(
                Located(at, found.match, self._scanner.hash(found.value))
                for at, found in with_entities(located, entities, texts, kinds=WEIGHTS)
                if not self._allowed.covers(
                    strings[at].text[found.match.start : found.match.end], found.match.type
                )
            ),
        ]


def scanned_strings(request: Request) -> list[RequestString]:
    """Return all text of a request that is scanned."""
    return [*strings_of(request), *opaque_strings(request)]


def _reported(
    located: Iterable[Located], strings: Sequence[RequestString], report_at: float
) -> list[Finding]:
    # A path of one part sorts behind that of another by the order of the strings.
    reported = [one for one in located if one.match.confidence >= report_at]
    if len(reported) > 1:
        reported.sort(
            key=lambda one: (
                strings[one.string].message_index,
                one.string,
                one.match.start,
                one.match.end,
                one.match.type,
            )
        )
    return [
        Finding(
            type=one.match.type,
            start=one.match.start,
            end=one.match.end,
            confidence=one.match.confidence,
            message_index=strings[one.string].message_index,
            path=strings[one.string].path,
        )
        for one in reported
    ]


def _unreadable(place: UnreadablePlace) -> Finding:
    return Finding(
        type=UNREADABLE,
        start=0,
        end=0,
        confidence=CERTAIN,
        message_index=place.message_index,
        path=place.path,
    )


def _evidence(located: Iterable[Located], crowded: Iterable[str]) -> dict[str, Evidence]:
    highest: dict[str, float] = {}
    values: dict[str, set[bytes]] = {}
    for found in located:
        kind, confidence = found.match.type, found.match.confidence
        highest[kind] = max(highest.get(kind, 0.0), confidence)
        if confidence >= CONFIDENT:
            values.setdefault(kind, set()).add(found.value)
    evidence = {
        kind: Evidence(highest=confidence, confident=len(values.get(kind, ())))
        for kind, confidence in highest.items()
    }
    # A detector that stopped may have missed any value.
    for kind in crowded:
        evidence[kind] = Evidence(highest=CERTAIN, confident=max(MANY, len(values.get(kind, ()))))
    return evidence
