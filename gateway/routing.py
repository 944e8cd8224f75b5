"""Which models may answer a request, in which order, and why the others may not.

Pure: no I/O, no clock, no log. Rules express wishes and order models; filters express law and remove
models, whatever a rule says. What needs state (budgets, breakers) is dispatch's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.domain.masked import Masked
from gateway.domain.text.schema_bounds import AT_THE_EDGE
from gateway.policy.model import CompiledRule, ModelSpec, Policy, privacy_class
from gateway.types import (
    _ROUTING_SEAL,
    Decision,
    EgressPermit,
    Facts,
    Message,
    PrivacyAssessment,
    PrivacyClass,
    Reason,
    Refusal,
    Request,
    Role,
    RoutingInput,
    Scores,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingState:
    """What is known of the moment: the caller's time, and how fast each model has been."""

    deadline_s: float
    """Seconds that the caller's deadline leaves."""
    finish_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds within which each model is expected to finish this answer, by what was measured lately; one
    without a measurement is not held back."""
    idle: frozenset[str] = frozenset()
    """The models that have nothing to do."""
    budget_plan: float = 0.0
    """How far spending is ahead of its plan (above 0) or behind it; see `scoring.budget.score_plan`."""


def estimate_prompt_tokens(request: Request) -> int:
    """Return a rough count of the prompt's tokens: UTF-8 bytes of all contents / 4, rounded up."""
    return -(-sum(_utf8_bytes(message.content) for message in request.messages) // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSelection:
    """What a policy makes of a case: the chain, and why it is no other one."""

    rule: str
    rule_errors: tuple[str, ...]
    chain: tuple[str, ...]
    refused: tuple[Refusal, ...]
    masked: frozenset[str]
    """The models of the chain that may see the request only masked."""


def choose(case: RoutingInput, policy: Policy) -> ChainSelection:
    """Return the chain: the first rule that holds puts models in order, filters remove those that may not.

    A model whose clearance is below the request's class is sent the masked request, if that one's class is
    not above it. Where time would leave nobody, the models that have nothing to do are tried all the same:
    the deadline bounds what that costs.
    """
    rule, rule_errors = _first_that_holds(policy.rules, case.facts)
    reasons: dict[str, Reason | None] = {}
    masked: set[str] = set()
    for name in rule.route:
        spec = policy.models[name]
        is_masked = name in case.masked_classes and privacy_class(spec.clearance) < case.facts.privacy_class
        class_ = case.masked_classes[name] if is_masked else case.facts.privacy_class
        reasons[name] = _refuse(spec, class_=class_, case=case, finish_s=case.finish_s.get(name, 0.0))
        if is_masked:
            masked.add(name)
    chain = tuple(name for name, reason in reasons.items() if reason is None) or tuple(
        name for name, reason in reasons.items() if reason is Reason.DEADLINE and name in case.idle
    )
    return ChainSelection(
        rule=rule.name,
        rule_errors=rule_errors,
        chain=chain,
        refused=tuple(
            Refusal(model=name, reason=reason)
            for name, reason in reasons.items()
            if reason is not None and name not in chain
        ),
        masked=frozenset(masked.intersection(chain)),
    )


def case_of(
    request: Request,
    *,
    scores: Scores,
    privacy: PrivacyAssessment,
    view: RoutingState,
    masked: Mapping[str, Masked],
    features: tuple[float, ...],
) -> RoutingInput:
    """Return what there is to know of a request, without its text."""
    facts = Facts(
        complexity=scores.complexity,
        privacy=scores.privacy,
        budget=scores.budget,
        budget_plan=view.budget_plan,
        privacy_class=privacy.privacy_class,
        findings=tuple(sorted({finding.type for finding in privacy.findings})),
        tenant=request.tenant,
        labels=request.labels,
        prompt_tokens=estimate_prompt_tokens(request),
        deadline_s=view.deadline_s,
    )
    return RoutingInput(
        facts=facts,
        is_schema_bounded=not AT_THE_EDGE.problem(request.config.json_schema or ""),
        finish_s=view.finish_s,
        idle=view.idle,
        masked_classes={name: mask.privacy_class for name, mask in masked.items()},
        evidence=privacy.evidence,
        hint=request.hints.privacy_class,
        features=features,
    )


def decide(
    request: Request,
    *,
    scores: Scores,
    privacy: PrivacyAssessment,
    policy: Policy,
    view: RoutingState,
    masked: Mapping[str, Masked] = MappingProxyType({}),
    features: tuple[float, ...] = (),
) -> Decision:
    """Choose the chain, and mint a permit for each of its cloud models."""
    case = case_of(request, scores=scores, privacy=privacy, view=view, masked=masked, features=features)
    choice = choose(case, policy)
    permits = {
        name: _permit(
            name,
            request,
            masked[name] if name in choice.masked else None,
            class_=case.masked_classes[name] if name in choice.masked else privacy.privacy_class,
            policy=policy,
        )
        for name in choice.chain
        if policy.models[name].leaves_host
    }
    return Decision(
        scores=scores,
        privacy_class=privacy.privacy_class,
        privacy_reason=privacy.reason,
        findings=privacy.findings,
        rule=choice.rule,
        rule_errors=choice.rule_errors,
        chain=choice.chain,
        refused=choice.refused,
        policy_hash=policy.hash,
        permits=permits,
        masked=_most_masked(masked[name] for name in permits if permits[name].values),
        case=case,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a model may be sent to go on from an answer that was begun."""

    request: Request
    """Its last message is the text so far, as the assistant's."""
    permit: EgressPermit | None
    """For a cloud model."""


def begun_request(request: Request, *, text: str, max_tokens: int) -> Request:
    """Return the request that asks for what follows `text`, in at most `max_tokens`; it is to be judged."""
    return replace(
        request,
        messages=(*request.messages, Message(role=Role.ASSISTANT, content=text)),
        config=replace(request.config, max_tokens=max_tokens),
    )


def permit_continuation(
    begun: Request, *, model: str, privacy: PrivacyAssessment, decision: Decision, policy: Policy
) -> Continuation | None:
    """Return leave for a model of the chain to go on from an answer that was begun; None: it may not.

    `privacy` is what was found in `begun`, the text so far included: an answer may hold more than its request
    did. So a model that sees the request only masked gets none.
    """
    spec = policy.models[model]
    class_ = max(privacy.privacy_class, decision.privacy_class)
    if model not in decision.chain or decision.policy_hash != policy.hash:
        return None
    if privacy_class(spec.clearance) < class_ or estimate_prompt_tokens(begun) > 2 * spec.context:
        return None
    permit = None
    if spec.leaves_host:
        permit = _permit(model, begun, None, class_=class_, policy=policy)
    return Continuation(request=begun, permit=permit)


def alone(decision: Decision, model: str) -> Decision:
    """Return the decision with one model of its chain; a cloud model keeps the permit that it has there."""
    if model not in decision.chain:
        raise ValueError("only a model of the chain may be asked")
    permits = {name: permit for name, permit in decision.permits.items() if name == model}
    return replace(decision, chain=(model,), permits=permits)


def decide_for(request: Request, model: str, *, judged: Decision, policy: Policy) -> Decision | None:
    """Return leave for one model to answer what the gateway itself asks; None: the law forbids it.

    `judged` is what the policy decided of `request`; its rules, which are for callers, do not matter.
    """
    case = judged.case
    if case is None or judged.policy_hash != policy.hash:
        return None
    class_, spec = judged.privacy_class, policy.models[model]
    if _refuse(spec, class_=class_, case=case, finish_s=case.finish_s.get(model, 0.0)) is not None:
        return None
    permits = {}
    if spec.leaves_host:
        permits[model] = _permit(model, request, None, class_=class_, policy=policy)
    return replace(judged, chain=(model,), permits=permits, refused=(), masked={})


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
    spec: ModelSpec,
    *,
    class_: PrivacyClass,
    case: RoutingInput,
    finish_s: float,
) -> Reason | None:
    """Return the first law that keeps a model from answering a request of `class_`."""
    if privacy_class(spec.clearance) < class_:
        return Reason.CLEARANCE
    # Half of the estimate is 8 bytes a token, which hardly any text reaches, so what is removed here
    # surely does not fit; what may not fit is counted by the backend, exactly.
    if case.facts.prompt_tokens > 2 * spec.context:
        return Reason.CONTEXT_LENGTH_EXCEEDED
    if spec.has_engine and not case.is_schema_bounded:
        return Reason.CAPABILITY
    if finish_s > case.facts.deadline_s:
        return Reason.DEADLINE
    return None


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
