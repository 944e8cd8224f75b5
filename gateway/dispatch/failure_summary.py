"""When no model answered: why, as one word, and what the caller is told. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from gateway.domain.answer import Attempt
from gateway.domain.capability import FIELD_OF
from gateway.domain.decision import Decision, Reason, Refusal
from gateway.errors import AttemptError, NotDegraded

_CODES = {
    Reason.BUDGET_EXHAUSTED: "RESOURCE_EXHAUSTED",
    Reason.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    Reason.QUEUE_FULL: "RESOURCE_EXHAUSTED",
    Reason.CONTEXT_LENGTH_EXCEEDED: "INVALID_ARGUMENT",
    Reason.CAPABILITY: "INVALID_ARGUMENT",
    Reason.INVALID_REQUEST: "INVALID_ARGUMENT",
    Reason.DEADLINE: "DEADLINE_EXCEEDED",
    Reason.UPSTREAM_CREDENTIALS: "FAILED_PRECONDITION",
}


def degraded_reason(attempts: Sequence[Attempt], refused: Iterable[Refusal]) -> Reason:
    """Return the one reason why no model answered.

    That is the reason of all models (each one's last), if they share it; else CLEARANCE if that removed
    any; else BUDGET_EXHAUSTED if that stopped any; else ALL_FAILED. A retry that was not made is no
    model's reason.
    """
    last = {
        attempt.model: attempt.reason
        for attempt in attempts
        if attempt.reason is not None and attempt.reason is not Reason.RETRY_BUDGET
    }
    reasons = set(last.values()) | {refusal.reason for refusal in refused}
    if len(reasons) == 1:
        return reasons.pop()
    for reason in (Reason.CLEARANCE, Reason.BUDGET_EXHAUSTED):
        if reason in reasons:
            return reason
    return Reason.ALL_FAILED


def code_of(reason: Reason, decision: Decision) -> str:
    """Return the status of a request that got nothing for `reason`.

    Private and nothing that may see it is up: UNAVAILABLE, another try may help. No model may ever see it:
    FAILED_PRECONDITION, until the policy changes.
    """
    if reason is Reason.CLEARANCE and not decision.chain:
        return "FAILED_PRECONDITION"
    return _CODES.get(reason, "UNAVAILABLE")


def not_degraded(
    reason: Reason,
    decision: Decision,
    attempts: Sequence[Attempt],
    *,
    causes: Sequence[AttemptError],
    retry_after_s: float | None,
) -> NotDegraded:
    """Return the error of a request that declined a canned reply, with what its models said of `reason`."""
    telling = tuple(cause for cause in causes if cause.reason is reason)
    if reason is Reason.BUDGET_EXHAUSTED:
        # A budget says when it has room again; the caller's own limit never has, whatever a breaker says.
        retry_after_s = min((cause.retry_after_s for cause in telling if cause.retry_after_s), default=None)
    refused = [refusal for refusal in decision.refused if refusal.reason is reason]
    said = (
        "; ".join([*map(str, telling), *_said_by_filters(refused, decision)])
        or f"no model may or can answer ({reason})"
    )
    return NotDegraded(
        f"{said}; the request takes no canned reply",
        reason=reason,
        code=code_of(reason, decision),
        attempts=attempts,
        causes=telling,
        fields=list(_fields(reason, decision, refused)),
        retry_after_s=retry_after_s,
    )


def _fields(reason: Reason, decision: Decision, refused: Iterable[Refusal]) -> Iterator[str]:
    """Yield the fields of the request that no model took, as far as the models themselves name none."""
    for refusal in refused:
        yield from (FIELD_OF[need] for need in refusal.missing)
    if reason is Reason.CONTEXT_LENGTH_EXCEEDED and decision.signals.is_embedding:
        yield "input"


def _said_by_filters(refused: Iterable[Refusal], decision: Decision) -> Iterator[str]:
    """Say of each model what it cannot do, or what time was expected of it and given to it."""
    state = decision.state
    for refusal in refused:
        if refusal.missing:
            yield f"{refusal.model}: no {refusal.capability}"
        elif state is not None and refusal.reason is Reason.DEADLINE:
            expected_s = state.finish_s[refusal.model]
            yield (
                f"{refusal.model}: an answer is expected to take {expected_s:.3g} s, "
                f"and has {state.deadline_s:.3g} s"
            )
