"""Computes the privacy score and class of a request; a request that cannot be scanned is restricted."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from gateway.clock import Clock, Deadline
from gateway.domain.privacy import Entities, Evidence, Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.domain.text.pattern import PatternSet, as_data
from gateway.domain.text.search_budget import SearchBudget, SearchOverTime, bounded
from gateway.policy.model import PrivacyPolicy
from gateway.privacy.classify import MANY, SURE, class_of, scale_of, score_of
from gateway.privacy.custom_patterns import custom_detectors
from gateway.privacy.detector import CERTAIN, Detector, NumberDetector, digits_in
from gateway.privacy.detectors.address import AddressDetector
from gateway.privacy.detectors.bank import BankDetector
from gateway.privacy.detectors.birth import BirthDetector
from gateway.privacy.detectors.card import CardDetector
from gateway.privacy.detectors.crypto import CryptoDetector
from gateway.privacy.detectors.defaults import WEIGHTS
from gateway.privacy.detectors.email_address import EmailDetector
from gateway.privacy.detectors.iban import IbanDetector
from gateway.privacy.detectors.national_id import NationalIdDetector
from gateway.privacy.detectors.network import IpDetector, MacDetector, UrlDetector
from gateway.privacy.detectors.person import PersonDetector
from gateway.privacy.detectors.phone import PhoneDetector
from gateway.privacy.detectors.secret import SecretDetector
from gateway.privacy.detectors.us_ssn import UsSsnDetector
from gateway.privacy.detectors.vehicle import VehicleDetector
from gateway.privacy.normalize import NormalText
from gateway.privacy.question_context import Questions
from gateway.privacy.scan import DetectorRun, Located, ScanFailed, name_of, variants_of, with_entities

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
"""All detectors that need no model."""

_CHARS_PER_MS = 2048
_OUTSIDE_MESSAGES = -1
_NO_ENTITIES = Entities()


class PrivacyScorer:
    """Scores requests for one policy; holds no state of a request, so threads may share it."""

    def __init__(
        self, policy: PrivacyPolicy, *, clock: Clock, detectors: Sequence[Detector] = DEFAULT_DETECTORS
    ) -> None:
        for detector in detectors:
            for kind in detector.types:
                if kind not in WEIGHTS:
                    raise ValueError(f"detector {name_of(detector)}: {kind} is no type of finding")
        self._policy = policy
        self._clock = clock
        self._allowed = frozenset(policy.allow)
        self._detectors = (*detectors, *custom_detectors(policy))
        number_detectors = [each for each in self._detectors if isinstance(each, NumberDetector)]
        self._prefilter_of = [
            number_detectors.index(each) if each in number_detectors else None for each in self._detectors
        ]
        self._prefilters = PatternSet([each.prefilter for each in number_detectors], ignore_case=True)
        self._questions = Questions(self._detectors)
        self._scale = scale_of(policy)

    def score(self, request: Request, entities: Entities = _NO_ENTITIES) -> PrivacyAssessment:
        """Score all strings of `request` that a backend receives, and its entities; raises nothing."""
        texts = [(index, message.content) for index, message in enumerate(request.messages)]
        texts += [(_OUTSIDE_MESSAGES, text) for text in request.config.stop]
        if request.config.json_schema is not None:
            texts.append((_OUTSIDE_MESSAGES, request.config.json_schema))
        return self._score(texts, request.hints.privacy_class, entities)

    def score_text(self, text: str) -> PrivacyAssessment:
        """Score one text as the only message of a request; raises nothing."""
        return self._score([(0, text)], None, _NO_ENTITIES)

    def _score(
        self, texts: Sequence[tuple[int, str]], hint: PrivacyClass | None, entities: Entities
    ) -> PrivacyAssessment:
        runs = [DetectorRun(detector, allowed=self._allowed) for detector in self._detectors]
        try:
            located = self._locate(texts, runs)
            contents = [text for index, text in texts if index >= 0]
            located = self._with_entities(located, entities, contents)
        except ScanFailed as failed:
            return PrivacyAssessment(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=str(failed))
        crowded = frozenset(kind for each in runs if each.is_full for kind in each.detector.types)
        evidence = _evidence(located, crowded)
        score = score_of(evidence, self._scale)
        class_, reason = class_of(score, evidence, self._scale, hint)
        return PrivacyAssessment(
            score=score,
            privacy_class=class_,
            reason=reason,
            findings=self._report(located),
            evidence=evidence,
        )

    def _locate(self, texts: Sequence[tuple[int, str]], runs: Sequence[DetectorRun]) -> list[Located]:
        limit_s = (self._policy.limit_ms + sum(len(text) for _, text in texts) / _CHARS_PER_MS) / 1000
        deadline = Deadline.after(limit_s, self._clock)
        try:
            with bounded(SearchBudget(lambda: deadline.has_passed(self._clock))):
                return self._located(texts, runs, deadline)
        except SearchOverTime:
            raise ScanFailed("detectors over time") from None

    def _located(
        self, texts: Sequence[tuple[int, str]], runs: Sequence[DetectorRun], deadline: Deadline
    ) -> list[Located]:
        located: list[Located] = []
        named: frozenset[int] = frozenset()
        last = max((index for index, _ in texts), default=0)
        for index, text in texts:
            variants = variants_of(text)
            answers = self._questions.answers(named, variants) if index > 0 else {}
            for detector in self._worth_running(variants, answers):
                those = (*variants, answers[detector]) if detector in answers else variants
                located += runs[detector].find(those, text, index)
                if deadline.has_passed(self._clock):
                    raise SearchOverTime
            if 0 <= index < last:
                named |= self._named_in(variants)
        return located

    def _named_in(self, variants: Sequence[NormalText]) -> frozenset[int]:
        try:
            return self._questions.named_in(variants)
        except MemoryError:
            raise ScanFailed("questions could not be searched") from None

    def _with_entities(
        self, located: list[Located], entities: Entities, contents: Sequence[str]
    ) -> list[Located]:
        if entities == _NO_ENTITIES:
            return located
        found = with_entities(located, entities, contents, kinds=WEIGHTS)
        if not self._allowed:
            return found
        return [
            one
            for one in found
            if one.message_index < 0
            or contents[one.message_index][one.match.start : one.match.end] not in self._allowed
        ]

    def _worth_running(self, variants: Sequence[NormalText], answers: Container[int]) -> Iterator[int]:
        """Yield the indexes of the detectors whose prefilter matches a variant, or that have none."""
        seen: set[int] = set()
        for variant in variants:
            if digits_in(variant.text):
                try:
                    seen.update(self._prefilters.matching(as_data(variant.text)))
                except MemoryError:
                    raise ScanFailed("prefilters of detectors could not be searched") from None
        for index, prefilter in enumerate(self._prefilter_of):
            if prefilter is None or prefilter in seen or index in answers:
                yield index

    def _report(self, located: Iterable[Located]) -> tuple[Finding, ...]:
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


def _evidence(located: Iterable[Located], crowded: Iterable[str]) -> Mapping[str, Evidence]:
    highest: dict[str, float] = {}
    values: dict[str, set[str]] = {}
    for found in located:
        kind, confidence = found.match.type, found.match.confidence
        highest[kind] = max(highest.get(kind, 0.0), confidence)
        if confidence >= SURE:
            values.setdefault(kind, set()).add(found.value)
    evidence = {
        kind: Evidence(highest=confidence, sure=len(values.get(kind, ())))
        for kind, confidence in highest.items()
    }
    # A detector that stopped may have missed any value.
    for kind in crowded:
        evidence[kind] = Evidence(highest=CERTAIN, sure=max(MANY, len(values.get(kind, ()))))
    return evidence
