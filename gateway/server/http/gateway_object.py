"""The object `gateway` in a body: where an answer comes from and why, in the words of the gRPC contract."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway.domain.answer import Answer, Attempt, Degraded, Usage
from gateway.domain.decision import Decision, Reason, Refusal, RoutingState
from gateway.ledger.money import NANOS_PER_USD
from gateway.server.http.dialect import Served


def gateway_member(answer: Answer, served: Served) -> dict[str, Any]:
    """Return `{"gateway": ...}` where the caller asked for it or the reply is canned, else nothing."""
    if not served.shows_decision and answer.degraded is None:
        return {}
    return {"gateway": gateway_object(answer, served.request_id)}


def gateway_object(answer: Answer, request_id: str) -> dict[str, Any]:
    """Return all that is known of an answer but its text."""
    shown: dict[str, Any] = {
        "request_id": request_id,
        "route": answer.route.lower(),
        "model": answer.model,
        "cost_usd": answer.cost_usd_nanos / NANOS_PER_USD,
        "decision": decision_object(answer.decision),
        "attempts": [_attempt(attempt) for attempt in answer.attempts],
    }
    if answer.cached_age_s is not None:
        shown["cached_age_s"] = answer.cached_age_s
    if answer.degraded is not None:
        shown["degraded"] = degraded_object(answer.degraded)
    return shown


def degraded_object(degraded: Degraded) -> dict[str, Any]:
    """Return why no model answered, and the ticket where a person is asked."""
    shown: dict[str, Any] = {"reason": degraded.reason}
    if degraded.canned_id:
        shown["canned_id"] = degraded.canned_id
    if degraded.retry_after_s is not None:
        shown["retry_after_s"] = degraded.retry_after_s
    if degraded.ticket_id:
        shown["ticket_id"] = degraded.ticket_id
    return shown


def decision_object(decision: Decision) -> dict[str, Any]:
    """Return a decision: findings by type and count only."""
    scores, signals = decision.scores, decision.signals
    shown: dict[str, Any] = {
        "scores": {"complexity": scores.complexity, "privacy": scores.privacy, "budget": scores.budget},
        "privacy_class": decision.privacy_class.name.lower(),
        "privacy_reason": decision.privacy_reason,
        "findings": _counts(Counter(finding.type for finding in decision.findings)),
        "rule": decision.rule,
        "chain": list(decision.chain),
        "refused": [_refusal(each, decision.state) for each in decision.refused],
        "policy_hash": decision.policy_hash,
        "masked": _counts(decision.masked),
        "signals": signals.values(),
    }
    if decision.limits is not None:
        shown["limits"] = decision.limits.fields()
    if decision.trimmed:
        shown["trimmed"] = [{"model": name, **each.counts()} for name, each in decision.trimmed.items()]
    if decision.session is not None:
        session = decision.session
        shown["session"] = {
            "status": session.status,
            "privacy_class": session.privacy_class.name.lower(),
            "model": session.model,
            "why": session.why,
        }
    return shown


def usage_object(usage: Usage) -> dict[str, int]:
    """Return tokens in the contract's words."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_prompt_tokens": usage.cached_prompt_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "sample_tokens": usage.sample_tokens,
    }


def _counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"type": kind, "count": count} for kind, count in sorted(counts.items())]


def _refusal(refusal: Refusal, state: RoutingState | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"model": refusal.model, "reason": refusal.reason}
    if refusal.reason is Reason.DEADLINE and state is not None:
        shown |= {"expected_s": state.finish_s[refusal.model], "given_s": state.deadline_s}
    if refusal.missing:
        shown["capability"] = refusal.capability
    return shown


def _attempt(attempt: Attempt) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "model": attempt.model,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "start_ms": round(attempt.start_ms, 3),
        "duration_ms": round(attempt.duration_ms, 3),
        "cost_usd": attempt.cost_usd_nanos / NANOS_PER_USD,
        "continued": attempt.continued,
    }
    if attempt.usage is not None:
        shown["usage"] = usage_object(attempt.usage)
    if attempt.http_status is not None:
        shown["http_status"] = attempt.http_status
    if attempt.upstream_code is not None:
        shown["upstream_code"] = attempt.upstream_code
    return shown
