"""What a caller over HTTP is told of an error, before a dialect gives it its shape."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.answer import Degraded
from gateway.domain.decision import Reason
from gateway.errors import (
    HTTP_STATUS,
    GatewayError,
    InvalidRequest,
    NotDegraded,
    RequestTooLarge,
    UnknownModel,
    Unsupported,
)
from gateway.pipeline.context import CallSummary
from gateway.server.error_facts import blamed_fields, is_worth_retrying

_CODES: Mapping[Reason, str] = {
    Reason.BUDGET_EXHAUSTED: "insufficient_quota",
    Reason.RATE_LIMITED: "rate_limit_exceeded",
    Reason.UNAUTHENTICATED: "invalid_api_key",
    Reason.CONTENT_FILTERED: "content_filter",
    Reason.INTERNAL: "internal_error",
}
"""Words that clients of OpenAI know; every other reason is its own word in lower case."""
_OWN_CODES: Mapping[type[GatewayError], str] = {
    UnknownModel: "model_not_found",
    RequestTooLarge: "request_too_large",
    Unsupported: "unsupported_parameter",
}
OTHER_CODES = frozenset(_OWN_CODES.values())
"""Words for errors that their reason alone does not tell apart."""
NOT_FOUND, TOO_LARGE = 404, 413
"""The status of an unknown model, and of a request with too many bytes."""
Place = Callable[[str], str]
"""Where in a dialect's request a field of the contract is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextExcess:
    """What of a request does not fit the largest context of its route."""

    prompt_tokens: int
    """An estimate."""
    max_tokens: int
    """As the caller asked; 0 where a smaller one would not help."""
    context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError:
    """An error as every dialect shows it."""

    status: int
    reason: Reason
    code: str
    """A word for machines."""
    message: str
    param: str | None
    """The member of the request that is to blame; None where none is."""
    retry_after_s: float | None
    may_retry: bool
    """False: the same request will fail again, or money was spent on it."""
    request_id: str
    degraded: Degraded | None
    """Where no model answered: why, and the ticket where a person was asked in their place."""
    excess: ContextExcess | None = None
    """With CONTEXT_LENGTH_EXCEEDED, where it is known."""

    @property
    def headers(self) -> dict[str, str]:
        """What SDKs read before they look at the body."""
        headers = {} if self.may_retry else {"x-should-retry": "false"}
        if self.retry_after_s is not None and self.may_retry:
            headers["retry-after"] = str(math.ceil(self.retry_after_s))
            headers["retry-after-ms"] = str(math.ceil(self.retry_after_s * 1000))
        return headers


def http_error_of(
    error: GatewayError, *, request_id: str, place: Place, summary: CallSummary | None = None
) -> HttpError:
    """Return what to tell of an error; `summary` is what the pipeline said of the call.

    An InvalidRequest names the dialect's own field.
    """
    param = None
    if isinstance(error, InvalidRequest):
        param = error.field
    elif error.code == "INVALID_ARGUMENT":
        param = place(blamed_fields(error)[0])
    is_paid = any(attempt.cost_usd_nanos for attempt in error.attempts)
    return HttpError(
        status=_status(error),
        reason=error.reason,
        code=_code(error),
        message=str(error),
        param=param,
        retry_after_s=error.retry_after_s,
        may_retry=is_worth_retrying(error) and not is_paid,
        request_id=request_id,
        degraded=_degraded(error) if isinstance(error, NotDegraded) else None,
        excess=_excess(summary) if error.reason is Reason.CONTEXT_LENGTH_EXCEEDED else None,
    )


def _excess(summary: CallSummary | None) -> ContextExcess | None:
    if summary is None or summary.policy is None or summary.decision is None:
        return None
    decision, models = summary.decision, summary.policy.models
    names = (*decision.chain, *(refusal.model for refusal in decision.refused))
    facts = decision.routing_input
    if facts is None or not names:
        return None
    request = None if facts.texts is None else facts.texts.request
    # An engine makes the answer as short as it must: only the prompt can be too long for it.
    is_by_prompt = request is None or all(models[name].has_engine for name in names)
    return ContextExcess(
        prompt_tokens=facts.prompt_tokens,
        max_tokens=0 if is_by_prompt or request is None else request.config.max_tokens or 0,
        context_tokens=max(models[name].context for name in names),
    )


def _degraded(error: NotDegraded) -> Degraded:
    """Return why no model answered; a reply was chosen only where a person is asked, too."""
    return error.degraded or Degraded(reason=error.reason, canned_id="", retry_after_s=error.retry_after_s)


def _status(error: GatewayError) -> int:
    if isinstance(error, UnknownModel):
        return NOT_FOUND
    return TOO_LARGE if isinstance(error, RequestTooLarge) else HTTP_STATUS[error.reason]


def code_of_reason(reason: Reason) -> str:
    """Return the word for machines of an error that is known by its reason alone."""
    return _CODES.get(reason, reason.lower())


def _code(error: GatewayError) -> str:
    kind = next((kind for kind in _OWN_CODES if isinstance(error, kind)), None)
    return code_of_reason(error.reason) if kind is None else _OWN_CODES[kind]
