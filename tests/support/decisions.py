"""Decisions on requests of which only what matters to a test is said."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.domain.capability import needs_of
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, Masked, RequestTexts, RoutingInput, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import GenerationConfig, Request
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


def request_of(
    *contents: str, json_schema: str | None = None, labels: Mapping[str, str] | None = None
) -> Request:
    """Return a request with these contents."""
    return Request(
        request_id="r",
        tenant="acme",
        messages=tuple(Message(role=Role.USER, content=content) for content in contents or ("hello",)),
        config=GenerationConfig(json_schema=json_schema),
        labels=labels or {},
    )


def decided(
    policy: Policy,
    *,
    request: Request | None = None,
    complexity: float = 0.1,
    budget: float = 0.0,
    privacy: PrivacyClass = PrivacyClass.PUBLIC,
    state: RoutingState | None = None,
) -> Decision:
    """Decide on a request of which only what matters is said."""
    return decide(
        request or request_of(),
        scores=Scores(complexity=complexity, privacy=0.0, budget=budget),
        privacy=PrivacyAssessment(score=0.0, privacy_class=privacy, reason="test"),
        policy=policy,
        state=state or RoutingState(deadline_s=60.0),
    )
