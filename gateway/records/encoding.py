"""Encodes a finished call as the fields of a record, without any text."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway.domain.answer import Attempt
from gateway.domain.conversation import Message
from gateway.domain.decision import Decision, Refusal, RoutingInput, RoutingState, ShadowDecision
from gateway.domain.mirrored import MirrorResult
from gateway.domain.request import Feedback
from gateway.policy.model import Policy, privacy_class
from gateway.telemetry.report import CallReport

VERSION = 1
"""Version of the format; a reader refuses any other."""


def fields_of(report: CallReport) -> Mapping[str, Any]:
    """Return the record of a decided call."""
    decision, answer, policy = report.decision, report.answer, report.policy
    if decision is None or decision.routing_input is None or decision.state is None or policy is None:
        raise ValueError("only a call that was decided is recorded")
    fields: dict[str, Any] = {
        "kind": "request",
        "at_unix_s": report.ended_unix_s,
        "duration_ms": round(report.duration_s * 1000, 3),
        "method": report.method,
        "request_id": report.request_id,
        "tenant": report.tenant,
        "key_name": decision.routing_input.key_name,
        "code": report.code,
        "reason": _text(report.reason),
        "policy_hash": decision.policy_hash,
        "decision": _decision(decision),
        "facts": _facts(decision.routing_input, decision.state, policy),
        "attempts": [_attempt(attempt) for attempt in report.attempts],
        "cost_usd_nanos": sum(attempt.cost_usd_nanos for attempt in report.attempts),
    }
    if answer is not None:
        fields |= {
            "route": str(answer.route),
            "model": answer.model,
            "finish_reason": _text(answer.finish_reason),
            "usage": answer.usage and answer.usage.counts(),
            "cached_age_s": answer.cached_age_s,
            "degraded": None if answer.degraded is None else str(answer.degraded.reason),
        }
        fields |= _tool_calls(answer.message, policy)
    fields |= _features(decision, policy)
    return fields | ({} if report.shadow is None else {"shadow": _shadow(report.shadow)})


def feedback_fields(feedback: Feedback, policy: Policy, *, at_unix_s: float) -> Mapping[str, Any]:
    """Return the record of a caller's feedback, with those of its labels that the policy names."""
    return {
        "kind": "feedback",
        "at_unix_s": at_unix_s,
        "request_id": feedback.request_id,
        "tenant": feedback.tenant,
        "score": feedback.score,
        "labels": _recorded_labels(feedback.labels, policy),
    }


def mirror_fields(mirrored: MirrorResult, policy: Policy, *, at_unix_s: float) -> Mapping[str, Any]:
    """Return the record of a mirrored answer: an outcome to learn from, where both answers were compared."""
    fields: dict[str, Any] = {
        "kind": "outcome",
        "at_unix_s": at_unix_s,
        "request_id": mirrored.request_id,
        "tenant": mirrored.tenant,
        "policy_hash": mirrored.decision.policy_hash,
        "privacy_class": mirrored.decision.privacy_class.name,
        "how": str(mirrored.result),
        "weak": mirrored.agreement,
        "strong": None if mirrored.agreement is None else 1.0,
        "weak_model": mirrored.weak_model,
        "strong_model": mirrored.strong_model,
        "facts": {"signals": mirrored.decision.signals.values()},
        "attempts": [_attempt(attempt) for attempt in mirrored.attempts],
        "cost_usd_nanos": sum(attempt.cost_usd_nanos for attempt in mirrored.attempts),
    }
    return {**fields, **_features(mirrored.decision, policy)}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _decision(decision: Decision) -> Mapping[str, Any]:
    counts = Counter(finding.type for finding in decision.findings)
    return {
        "rule": decision.rule,
        "rule_errors": list(decision.rule_errors),
        "chain": list(decision.chain),
        "refused": [_refusal(each) for each in decision.refused],
        "privacy_class": decision.privacy_class.name,
        "privacy_reason": decision.privacy_reason,
        "findings": dict(sorted(counts.items())),
        "masked": dict(decision.masked),
        "limits": decision.limits and decision.limits.fields(),
        "trimmed": {model: each.counts() for model, each in decision.trimmed.items()},
    }


def _refusal(refusal: Refusal) -> Mapping[str, Any]:
    fields: dict[str, Any] = {"model": refusal.model, "reason": str(refusal.reason)}
    return fields | ({"missing": list(map(str, refusal.missing))} if refusal.missing else {})


def _facts(routing_input: RoutingInput, state: RoutingState, policy: Policy) -> Mapping[str, Any]:
    recorded = _recorded_labels(routing_input.labels, policy)
    evidence = routing_input.evidence
    return {
        "complexity": routing_input.complexity,
        "privacy": routing_input.privacy,
        "budget": state.budget,
        "budget_plan": state.budget_plan,
        "findings": list(routing_input.findings),
        "labels": recorded,
        "labels_left_out": len(routing_input.labels) - len(recorded),
        "prompt_tokens": routing_input.prompt_tokens,
        "least_tokens": {str(trim): tokens for trim, tokens in routing_input.least_tokens.items()},
        "deadline_s": state.deadline_s,
        "hint": None if routing_input.hint is None else routing_input.hint.name,
        "finish_s": {model: value for model, value in state.finish_s.items() if value},
        "idle": sorted(state.idle),
        "lacking": {model: sorted(lacking) for model, lacking in state.lacking.items() if lacking},
        "signals": routing_input.signals.values(),
        "session": state.session.fields(),
        "model": policy.names.entry(routing_input.model),
        "needs": [str(need) for need in routing_input.needs],
        "masked_classes": {model: class_.name for model, class_ in routing_input.masked_classes.items()},
        "own_class": routing_input.privacy_class.name,
        "evidence": None
        if evidence is None
        else {kind: [found.highest, found.confident] for kind, found in sorted(evidence.items())},
    }


def _features(decision: Decision, policy: Policy) -> Mapping[str, Any]:
    routing_input = decision.routing_input
    if routing_input is None or decision.privacy_class > privacy_class(policy.records.features_up_to):
        return {}
    return {"features": list(routing_input.features)}


def _recorded_labels(labels: Mapping[str, str], policy: Policy) -> Mapping[str, str]:
    return {key: value for key, value in labels.items() if key in policy.records.labels}


def _attempt(attempt: Attempt) -> Mapping[str, Any]:
    return {
        "model": attempt.model,
        "outcome": str(attempt.outcome),
        "reason": _text(attempt.reason),
        "start_ms": round(attempt.start_ms, 3),
        "duration_ms": round(attempt.duration_ms, 3),
        "usage": attempt.usage and attempt.usage.counts(),
        "cost_usd_nanos": attempt.cost_usd_nanos,
        "http_status": attempt.http_status,
        "upstream_code": attempt.upstream_code,
    }


def _tool_calls(message: Message, policy: Policy) -> Mapping[str, Any]:
    """Return how many calls of tools an answer has, and how many of each that the policy names."""
    calls = message.tool_calls
    listed = Counter(call.name for call in calls if call.name in policy.records.tool_names)
    counts = {"count": len(calls), "invalid": sum(call.arguments_invalid for call in calls)}
    return {"tool_calls": {**counts, "names": dict(listed)}} if calls else {}


def _shadow(shadow: ShadowDecision) -> Mapping[str, Any]:
    return {
        "policy_hash": shadow.policy_hash,
        "privacy_class": shadow.privacy_class.name,
        "rule": shadow.rule,
        "chain": list(shadow.chain),
        "differs": shadow.differs,
    }
