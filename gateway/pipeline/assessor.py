"""From a request to what routing looks at of it, under one policy, in the process that asks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.clock import Clock
from gateway.complexity.complexity import complexity_of, features_of
from gateway.domain.capability import needs_of
from gateway.domain.decision import RequestTexts, RoutingInput
from gateway.domain.privacy import Entities, PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.domain.signals import signals_of
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.trimming import Trim
from gateway.policy.model import Policy
from gateway.privacy import PrivacyScorer
from gateway.privacy.detector import Detector
from gateway.privacy.masking.known_masks import KnownMasks
from gateway.privacy.masking.masker import Mask, Masker
from gateway.privacy.scanner import Summary
from gateway.privacy.scorer import DEFAULT_DETECTORS, scanned_strings
from gateway.trimming.trim import least_tokens

NO_ENTITIES = Entities()


class Assessment(NamedTuple):
    """What was measured of a request's texts, and how models that need a mask would see them."""

    features: tuple[float, ...]
    """What the complexity scorer counted."""
    privacy: PrivacyAssessment
    masks: Mapping[str, Mask]
    """By model that needs one."""
    summaries: Sequence[Summary | None] = ()
    """What was found in each string, where `known` was given."""


def unassessed(reason: str) -> Assessment:
    """Return the assessment of texts that could not be scored: restricted, and `reason` says why."""
    return Assessment(
        features=features_of(()),
        privacy=PrivacyAssessment(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=reason),
        masks={},
    )


class Assessor:
    """Scores and masks requests under one policy; holds nothing of a request."""

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Clock,
        detectors: Sequence[Detector] = DEFAULT_DETECTORS,
        value_key: bytes = b"",
        known_masks: KnownMasks | None = None,
    ) -> None:
        self._policy = policy
        self._trims = frozenset(rule.context.trim for rule in policy.rules if rule.context is not None)
        self._scorer = PrivacyScorer(policy.privacy, clock=clock, detectors=detectors, value_key=value_key)
        self._masker = Masker(
            policy, clock=clock, detectors=detectors, value_key=value_key, known=known_masks
        )

    def assess(self, request: Request, entities: Entities = NO_ENTITIES) -> RoutingInput:
        """Score and mask a request, for routing; raises nothing."""
        return self.routing_input(request, self.measure(request, entities))

    def measure(
        self,
        request: Request,
        entities: Entities = NO_ENTITIES,
        known: Sequence[Summary | None] | None = None,
    ) -> Assessment:
        """Score and mask the texts, which is the work; raises nothing.

        `known`: what was found before in each of `scanned_strings`, or None for what has to be scanned.
        """
        strings = scanned_strings(request)
        is_cached = known is not None
        scan = self._scorer.scan(strings, known or (), is_cached=is_cached)
        privacy = self._scorer.assessment(request, strings, scan, entities)
        return Assessment(
            features=features_of(request.messages),
            privacy=privacy,
            masks=self._masker.masks(request, privacy, entities, strings, scan if is_cached else None),
            summaries=scan.summaries if is_cached else (),
        )

    def routing_input(self, request: Request, measured: Assessment) -> RoutingInput:
        """Return all that there is to know of a request, wherever its texts were measured."""
        privacy, signals = measured.privacy, signals_of(request)
        masked = {name: mask.applied_to(request) for name, mask in measured.masks.items()}
        prompt_tokens = estimate_prompt_tokens(request)
        return RoutingInput(
            complexity=complexity_of(measured.features, self._policy.scorer, signals),
            privacy=privacy.score,
            privacy_class=privacy.privacy_class,
            privacy_reason=privacy.reason,
            findings=tuple(sorted({finding.type for finding in privacy.findings})),
            tenant=request.tenant,
            key_name=request.key_name,
            labels=request.labels,
            prompt_tokens=prompt_tokens,
            least_tokens=self._least_tokens(request, prompt_tokens),
            needs=needs_of(request),
            signals=signals,
            model=request.model,
            masked_classes={name: mask.privacy_class for name, mask in masked.items()},
            evidence=privacy.evidence,
            hint=request.hints.privacy_class,
            features=measured.features,
            texts=RequestTexts(request=request, masked=masked, findings=privacy.findings),
        )

    def _least_tokens(self, request: Request, prompt_tokens: int) -> Mapping[Trim, int]:
        """Return how short a conversation can become that is too long for a model; nothing for another."""
        if not self._trims or prompt_tokens <= min(spec.context for spec in self._policy.models.values()):
            return {}
        return {trim: least_tokens(request, trim) for trim in self._trims}
