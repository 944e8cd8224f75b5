"""Errors as clients of OpenAI read them."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.decision import Reason
from gateway.server.http.gateway_object import degraded_object
from gateway.server.http.http_error import HttpError

_TYPES: Mapping[Reason, str] = {
    Reason.UNAUTHENTICATED: "authentication_error",
    Reason.CLEARANCE: "permission_error",
    Reason.MODEL_NOT_ALLOWED: "permission_error",
    Reason.RATE_LIMITED: "rate_limit_error",
    Reason.QUEUE_FULL: "rate_limit_error",
    Reason.BUDGET_EXHAUSTED: "insufficient_quota",
}
LEAST_SERVER_STATUS = 500


def error_of(error: HttpError) -> dict[str, Any]:
    """Return the body of an error, and of the event that ends a stream."""
    default = "server_error" if error.status >= LEAST_SERVER_STATUS else "invalid_request_error"
    body: dict[str, Any] = {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.reason, default),
            "param": error.param,
            "code": error.code,
        }
    }
    if error.degraded is not None:
        body["gateway"] = {"request_id": error.request_id, "degraded": degraded_object(error.degraded)}
    return body
