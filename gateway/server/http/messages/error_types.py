"""Errors as Anthropic's clients read them."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.domain.decision import Reason
from gateway.server.http.gateway_object import degraded_object
from gateway.server.http.http_error import ContextExcess, HttpError
from gateway.server.http.messages.parameters import THREAD

_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_UNTYPED: Final = "api_error"
_NO_THREADS: Final = {"error_code": "thread_unsupported_request"}
"""By which the SDK's runner of tools knows to send every message itself."""


def error_object(error: HttpError) -> dict[str, Any]:
    """Return the body of an error, and of the event that ends a stream."""
    shown: dict[str, Any] = {"type": type_of(error), "message": _message(error), "code": error.code}
    if error.param is not None:
        shown["param"] = error.param
    if error.param == THREAD:
        shown["details"] = _NO_THREADS
    body = {"type": "error", "error": shown, "request_id": error.request_id}
    if error.degraded is not None:
        body["gateway"] = {"request_id": error.request_id, "degraded": degraded_object(error.degraded)}
    return body


def type_of(error: HttpError) -> str:
    """Return Anthropic's word for an error. `overloaded_error` says that another try may help."""
    if error.status == 503 and not error.may_retry:
        return _UNTYPED
    return _TYPES.get(error.status, _UNTYPED)


def _message(error: HttpError) -> str:
    """Return what went wrong; of a full context in the words by which Claude Code knows it."""
    if error.reason is not Reason.CONTEXT_LENGTH_EXCEEDED or error.excess is None:
        return error.message
    return f"{_sentence(error.excess)} ({error.message})"


def _sentence(excess: ContextExcess) -> str:
    """Return one of two sentences: after the second one Claude Code asks for a shorter answer.

    The estimate of a prompt may be too low: the first one is true all the same where even the least answer
    leaves no room.
    """
    prompt, most, context = excess.prompt_tokens, excess.max_tokens, excess.context_tokens
    if prompt < context < prompt + most:
        return f"input length and `max_tokens` exceed context limit: {prompt} + {most} > {context}"
    return f"prompt is too long: {max(prompt, context + 1)} tokens > {context} maximum"
