"""Anthropic: the errors of its Messages API. What its requests and answers are like is in `apis`."""

from typing import Final

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import Dialect, Json

_TYPES: Final = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def anthropic_error(error: ChatError) -> Json:
    """Return an error, whose type says its HTTP status."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}}


ANTHROPIC = Dialect(
    apis=("messages",),
    key_headers=("x-api-key", "authorization"),
    version_header="anthropic-version",
    error=anthropic_error,
    refusals={
        "unauthorized": (401, "invalid x-api-key"),
        "context-too-long": (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        "content-filter": (400, "Output blocked by content filtering policy"),
        "quota": (400, "Your credit balance is too low to access the Anthropic API."),
    },
    failure=(529, "Overloaded"),
)
