"""What a provider's refusal or a broken connection means: one table from theirs to ours, pure.

No message made here holds a provider's words: an error body may quote the prompt or the key.
"""

import email.utils
import math
from collections.abc import Iterator, Mapping
from datetime import UTC

import aiohttp

from gateway.errors import (
    BackendConflict,
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendModelMissing,
    BackendOverloaded,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    ContentFiltered,
    ContextTooLong,
)

CODES: Mapping[str, type[BackendError]] = {
    "context_length_exceeded": ContextTooLong,
    "exceed_context_size_error": ContextTooLong,  # llama-server
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "insufficient_quota": BackendQuotaUsedUp,
    "credit_balance_exhausted": BackendQuotaUsedUp,
    "billing_hard_limit_reached": BackendQuotaUsedUp,
}
"""By `code` or `type` of the error body, where that says more than a 4xx status."""

STATUSES: Mapping[int, type[BackendError]] = {
    400: BackendInvalid,
    401: BackendCredentials,
    402: BackendQuotaUsedUp,  # What some providers say for an empty account.
    403: BackendCredentials,
    404: BackendModelMissing,
    407: BackendCredentials,  # Of the proxy.
    408: BackendFailed,
    409: BackendConflict,
    413: BackendInvalid,
    422: BackendInvalid,
    429: BackendRateLimited,
    503: BackendOverloaded,
    529: BackendOverloaded,  # What some providers say for 503.
}
"""By HTTP status; another 5xx is BackendFailed, any other is BackendModelMissing: the policy names no
place that answers chat completions."""

_CONTEXT_PHRASE = "maximum context length"
"""vLLM has no code for a prompt that is too long; this stands in its message, and in OpenAI's."""


def refused(
    model: str, *, status: int, error: object, headers: Mapping[str, str], unix_s: float
) -> BackendError:
    """Return our error for an HTTP status that is not 2xx; `error` is the `error` object of the body."""
    fields = error if isinstance(error, Mapping) else {}
    if 400 <= status < 500:
        for key in ("code", "type"):
            code = fields.get(key)
            if isinstance(code, str) and code in CODES:
                return CODES[code](model, f"HTTP {status} ({code})")
    if status == 400 and _CONTEXT_PHRASE in str(fields.get("message")):
        return ContextTooLong(model, "HTTP 400 (the prompt is over its maximum context length)")
    if 300 <= status < 400:
        return BackendModelMissing(model, f"HTTP {status}: redirects are not followed; correct base_url")
    kind = STATUSES.get(status, BackendFailed if status >= 500 else BackendModelMissing)
    return kind(model, f"HTTP {status}", retry_after_s=retry_after_s(headers, unix_s=unix_s))


def retry_after_s(headers: Mapping[str, str], *, unix_s: float) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask for, if any.

    `headers` is looked up in lower case; what cannot be read counts as absent.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - unix_s)


def _seconds(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def unanswered(model: str, error: BaseException) -> BackendError:
    """Return our error for a call that got no readable answer, by what stands behind `error`.

    Over aiohttp the SDK says "timed out" for a refused connection and for a reset as well, so its own
    class says nothing; the aiohttp exception at the end of the chain of causes does.
    """
    for cause in _causes(error):
        match cause:
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                return BackendUnreachable(model, f"no connection ({type(cause).__name__})")
            case aiohttp.ClientHttpProxyError() | aiohttp.ServerFingerprintMismatch() | aiohttp.InvalidURL():
                return BackendUnreachable(model, f"no connection ({type(cause).__name__})")
            case aiohttp.SocketTimeoutError() | aiohttp.ServerTimeoutError():
                return BackendSilent(model, "it took the request and said nothing in time")
            case aiohttp.ClientConnectionError() | ConnectionError():
                return BackendReset(model, f"the connection broke ({type(cause).__name__})")
    return unreadable(model, type(error).__name__)


def unreadable(model: str, what: str) -> BackendError:
    """Return our error for an answer that cannot be read."""
    return BackendProtocol(model, f"its answer cannot be read: {what}")


def error_event(model: str, error: object) -> BackendError:
    """Return our error for one that came where an answer should: with status 200, or in a stream.

    The request was taken, so it may be billed, and only what the caller must know is told apart.
    """
    fields = error if isinstance(error, Mapping) else {}
    for key in ("code", "type"):
        code = fields.get(key)
        if isinstance(code, str) and CODES.get(code) in (ContextTooLong, ContentFiltered):
            return CODES[code](model, f"an error in its answer ({code})")
    return unreadable(model, "an error stands in its place")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
