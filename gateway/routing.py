"""Which models may answer a request, in which order, and why the others may not.

Pure: no I/O, no clock, no log. Rules express wishes and order models; filters express law and remove
models, whatever a rule says. What needs state (budgets, breakers) is dispatch's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.policy.model import CompiledRule, Facts, LlamaCppModel, OpenAIModel, Policy, privacy_class
from gateway.types import _ROUTING_SEAL, Decision, EgressPermit, Privacy, Reason, Refusal, Request, Scores

MAX_SCHEMA_BYTES = 65_536
"""The largest JSON schema, in UTF-8, that a llama.cpp model takes: its grammar grows with it."""
MAX_SCHEMA_DEPTH = 32
"""The deepest nesting of brackets in a JSON schema that a llama.cpp model takes."""

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of the moment: the caller's time, and how fast each model has been."""

    deadline_s: float
    """Seconds that the caller's deadline leaves."""
    first_token_s: Mapping[str, float] = field(default_factory=dict)
    """Measured seconds to a first token, by model; a model without a measurement is not held back."""
    budget_plan: float = 0.0
    """How far spending is ahead of its plan (above 0) or behind it; see `scoring.budget.score_plan`."""


def estimate_prompt_tokens(request: Request) -> int:
    """Return a rough count of the prompt's tokens: UTF-8 bytes of all contents / 4, rounded up."""
    return -(-sum(_utf8_bytes(message.content) for message in request.messages) // 4)


def decide(request: Request, *, scores: Scores, privacy: Privacy, policy: Policy, view: View) -> Decision:
    """Choose the chain: the first rule that holds puts models in order, filters remove those that may not."""
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
    is_schema_bounded = request.config.json_schema is None or _is_bounded(request.config.json_schema)
    chain: list[str] = []
    refused: list[Refusal] = []
    for name in rule.route:
        reason = _refuse(
            policy.models[name],
            facts=facts,
            is_schema_bounded=is_schema_bounded,
            first_token_s=view.first_token_s.get(name, 0.0),
        )
        if reason is None:
            chain.append(name)
        else:
            refused.append(Refusal(model=name, reason=reason))
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
        permits={
            name: _permit(name, request, privacy=privacy, policy=policy)
            for name in chain
            if isinstance(policy.models[name], OpenAIModel)
        },
    )


def _permit(model: str, request: Request, *, privacy: Privacy, policy: Policy) -> EgressPermit:
    return EgressPermit(
        request_id=request.request_id,
        model=model,
        privacy_class=privacy.privacy_class,
        clearance=privacy_class(policy.models[model].clearance),
        policy_hash=policy.hash,
        request=request,
        seal=_ROUTING_SEAL,
    )


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
    spec: LlamaCppModel | OpenAIModel, *, facts: Facts, is_schema_bounded: bool, first_token_s: float
) -> Reason | None:
    """Return the first law that keeps a model from answering."""
    if privacy_class(spec.clearance) < facts.privacy_class:
        return Reason.CLEARANCE
    # Half of the estimate is 8 bytes a token, which hardly any text reaches, so what is removed here
    # surely does not fit; what may not fit is counted by the backend, exactly.
    if facts.prompt_tokens > 2 * spec.context:
        return Reason.CONTEXT_LENGTH_EXCEEDED
    if isinstance(spec, LlamaCppModel) and not is_schema_bounded:
        return Reason.CAPABILITY
    if first_token_s > facts.deadline_s:
        return Reason.DEADLINE
    return None


def _is_bounded(json_schema: str) -> bool:
    if _utf8_bytes(json_schema) > MAX_SCHEMA_BYTES:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(json_schema):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > MAX_SCHEMA_DEPTH:
            return False
    return True


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
