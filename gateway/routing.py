"""Which models may answer a request, in which order, and why the others may not.

Pure: no I/O, no clock, no log. Rules express wishes and order models; filters express law and remove
models, whatever a rule says. What needs state (budgets, breakers) is dispatch's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.masking.judge import Masked
from gateway.policy.model import CompiledRule, Facts, LlamaCppModel, OpenAIModel, Policy, privacy_class
from gateway.schema_bounds import AT_THE_EDGE
from gateway.types import (
    _ROUTING_SEAL,
    Decision,
    EgressPermit,
    Privacy,
    PrivacyClass,
    Reason,
    Refusal,
    Request,
    Scores,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of the moment: the caller's time, and how fast each model has been."""

    deadline_s: float
    """Seconds that the caller's deadline leaves."""
    finish_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds within which each model is expected to finish this answer, by what was measured lately; one
    without a measurement is not held back."""
    budget_plan: float = 0.0
    """How far spending is ahead of its plan (above 0) or behind it; see `scoring.budget.score_plan`."""


def estimate_prompt_tokens(request: Request) -> int:
    """Return a rough count of the prompt's tokens: UTF-8 bytes of all contents / 4, rounded up."""
    return -(-sum(_utf8_bytes(message.content) for message in request.messages) // 4)


def decide(
    request: Request,
    *,
    scores: Scores,
    privacy: Privacy,
    policy: Policy,
    view: View,
    masked: Mapping[str, Masked] = MappingProxyType({}),
) -> Decision:
    """Choose the chain: the first rule that holds puts models in order, filters remove those that may not.

    A model whose clearance is below the request's class may get its request of `masked`, if that one's
    class is not above it.
    """
    prompt_tokens = estimate_prompt_tokens(request)
    facts = Facts(
        complexity=scores.complexity,
        privacy=scores.privacy,
        budget=scores.budget,
        budget_plan=view.budget_plan,
        privacy_class=privacy.privacy_class,
        findings=tuple(sorted({finding.type for finding in privacy.findings})),
        tenant=request.tenant,
        labels=request.labels,
        prompt_tokens=prompt_tokens,
        deadline_s=view.deadline_s,
    )
    rule, rule_errors = _first_that_holds(policy.rules, facts)
    is_schema_bounded = not AT_THE_EDGE.problem(request.config.json_schema or "")
    chain: list[str] = []
    refused: list[Refusal] = []
    permits: dict[str, EgressPermit] = {}
    for name in rule.route:
        spec = policy.models[name]
        class_, mask = _class_for(spec, privacy, masked.get(name))
        reason = _refuse(
            spec,
            class_=class_,
            facts=facts,
            is_schema_bounded=is_schema_bounded,
            finish_s=view.finish_s.get(name, 0.0),
        )
        if reason is not None:
            refused.append(Refusal(model=name, reason=reason))
            continue
        chain.append(name)
        if isinstance(spec, OpenAIModel):
            permits[name] = _permit(name, request, mask, class_=class_, policy=policy)
    return Decision(
        scores=scores,
        privacy_class=privacy.privacy_class,
        privacy_reason=privacy.reason,
        findings=privacy.findings,
        rule=rule.name,
        rule_errors=rule_errors,
        chain=tuple(chain),
        refused=tuple(refused),
        policy_hash=policy.hash,
        permits=permits,
        masked=_most_masked(masked[name] for name in permits if permits[name].values),
    )


def _class_for(
    spec: LlamaCppModel | OpenAIModel, privacy: Privacy, masked: Masked | None
) -> tuple[PrivacyClass, Masked | None]:
    """Return the class of what the model would be sent, and the mask if it is sent that."""
    if masked is None or privacy_class(spec.clearance) >= privacy.privacy_class:
        return privacy.privacy_class, None
    return masked.privacy_class, masked


def _permit(
    model: str, request: Request, mask: Masked | None, *, class_: PrivacyClass, policy: Policy
) -> EgressPermit:
    return EgressPermit(
        request_id=request.request_id,
        model=model,
        privacy_class=class_,
        clearance=privacy_class(policy.models[model].clearance),
        policy_hash=policy.hash,
        request=request if mask is None else mask.request,
        values={} if mask is None else mask.values,
        seal=_ROUTING_SEAL,
    )


def _most_masked(masks: Iterable[Masked]) -> Mapping[str, int]:
    """Return the counts by type, the highest where models have different masks."""
    most: dict[str, int] = {}
    for mask in masks:
        for kind, count in mask.counts.items():
            most[kind] = max(count, most.get(kind, 0))
    return most


def _first_that_holds(rules: tuple[CompiledRule, ...], facts: Facts) -> tuple[CompiledRule, tuple[str, ...]]:
    """Return the first rule that holds; one whose condition has no value does not, and is reported."""
    errors: list[str] = []
    for rule in rules:
        try:
            if rule.when is None or rule.when.holds(facts):
                return rule, tuple(errors)
        except ValueError as error:
            errors.append(f"{rule.name}: {error}")
    raise ValueError("a policy's last rule has no condition")


def _refuse(
    spec: LlamaCppModel | OpenAIModel,
    *,
    class_: PrivacyClass,
    facts: Facts,
    is_schema_bounded: bool,
    finish_s: float,
) -> Reason | None:
    """Return the first law that keeps a model from answering a request of `class_`."""
    if privacy_class(spec.clearance) < class_:
        return Reason.CLEARANCE
    # Half of the estimate is 8 bytes a token, which hardly any text reaches, so what is removed here
    # surely does not fit; what may not fit is counted by the backend, exactly.
    if facts.prompt_tokens > 2 * spec.context:
        return Reason.CONTEXT_LENGTH_EXCEEDED
    if isinstance(spec, LlamaCppModel) and not is_schema_bounded:
        return Reason.CAPABILITY
    if finish_s > facts.deadline_s:
        return Reason.DEADLINE
    return None


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
