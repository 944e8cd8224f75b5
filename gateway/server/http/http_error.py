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
from gateway.server.error_facts import blamed_fields, is_worth_retrying

_CODES: Mapping[Reason, str] = {
    Reason.BUDGET_EXHAUSTED: "insufficient_quota",
    Reason.RATE_LIMITED: "rate_limit_exceeded",
    Reason.UNAUTHENTICATED: "invalid_api_key",
    Reason.CONTENT_FILTERED: "content_filter",
    Reason.INTERNAL: "internal_error",
}
"""Words that clients of OpenAI know; every other reason is its own word in lower case."""
Place = Callable[[str], str]
"""Where in a dialect's request a field of the contract is written."""


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
    """With a ticket, where a person was asked in place of the models."""

    @property
    def headers(self) -> dict[str, str]:
        """What SDKs read before they look at the body."""
        headers = {} if self.may_retry else {"x-should-retry": "false"}
        if self.retry_after_s is not None and self.may_retry:
            headers["retry-after"] = str(math.ceil(self.retry_after_s))
            headers["retry-after-ms"] = str(math.ceil(self.retry_after_s * 1000))
        return headers


def http_error_of(error: GatewayError, *, request_id: str, place: Place) -> HttpError:
    """Return what to tell of an error."""
    message, param = str(error), None
    if isinstance(error, InvalidRequest):
        param = place(error.field)
        message = f"{param}: {error.description}"
    elif error.code == "INVALID_ARGUMENT":
        param = place(blamed_fields(error)[0])
    is_paid = any(attempt.cost_usd_nanos for attempt in error.attempts)
    return HttpError(
        status=_status(error),
        reason=error.reason,
        code=_code(error),
        message=message,
        param=param,
        retry_after_s=error.retry_after_s,
        may_retry=is_worth_retrying(error) and not is_paid,
        request_id=request_id,
        degraded=error.degraded if isinstance(error, NotDegraded) else None,
    )


def _status(error: GatewayError) -> int:
    if isinstance(error, UnknownModel):
        return 404
    return 413 if isinstance(error, RequestTooLarge) else HTTP_STATUS[error.reason]


def _code(error: GatewayError) -> str:
    match error:
        case UnknownModel():
            return "model_not_found"
        case RequestTooLarge():
            return "request_too_large"
        case Unsupported():
            return "unsupported_parameter"
    return _CODES.get(error.reason, error.reason.lower())
