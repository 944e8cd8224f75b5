"""Decisions on requests of which only what matters to a test is said."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.domain.capability import needs_of
from gateway.domain.decision import Decision, Masked, RequestTexts, RoutingInput, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment
from gateway.domain.request import Request
from gateway.domain.signals import signals_of
from gateway.domain.strings import estimate_prompt_tokens
from gateway.policy.model import Policy
from gateway.routing import Decider


def decide(
    request: Request,
    *,
    scores: Scores,
    privacy: PrivacyAssessment,
    policy: Policy,
    state: RoutingState,
    masked: Mapping[str, Masked] = MappingProxyType({}),
    features: tuple[float, ...] = (),
) -> Decision:
    """Return what a policy decides by scores that a test makes up."""
    routing_input = RoutingInput(
        complexity=scores.complexity,
        privacy=scores.privacy,
        privacy_class=privacy.privacy_class,
        privacy_reason=privacy.reason,
        findings=tuple(sorted({finding.type for finding in privacy.findings})),
        tenant=request.tenant,
        labels=request.labels,
        prompt_tokens=estimate_prompt_tokens(request),
        needs=needs_of(request),
        signals=signals_of(request),
        model=request.model,
        masked_classes={name: mask.privacy_class for name, mask in masked.items()},
        evidence=privacy.evidence,
        hint=request.hints.privacy_class,
        features=features,
        texts=RequestTexts(request=request, masked=masked, findings=privacy.findings),
    )
    return Decider(policy).decide(routing_input, replace(state, budget=scores.budget))
