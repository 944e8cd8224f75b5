"""What a provider's refusal or a broken connection means: from theirs to ours, pure.

No message made here holds a provider's words: an error body may quote the prompt or the key.
"""

import email.utils
import re
from collections.abc import Iterator, Mapping
from datetime import UTC

import aiohttp

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.codes import SHARP_CODES, STATUSES, VAGUE_CODES, Kind, folded
from gateway.backends.http.phrases import LENGTH, MONEY, PHRASES
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.http.refusal_body import RefusalBody, read_refusal
from gateway.errors import (
    BackendError,
    BackendFailed,
    BackendMisfit,
    BackendModelMissing,
    BackendOverAllowance,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    BreakerVerdict,
    Charge,
    ContextTooLong,
    JsonNotAsked,
    NotCapable,
)

LONGEST_PAUSE_S = 86_400.0
"""A provider that asks for more asks for a day: what is told to callers has to fit a protobuf Duration."""

_NO_REMEDIES: Mapping[str, str] = {}
_BY_STATUS_ALONE = frozenset({401, 402, 404, 405, 407, 408, 409})
"""Statuses that say more than the words beside them."""
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]*)?) *s(?:ec(?:ond)?s?)?\b")
_AGAIN_IN = re.compile(
    r"(?:again|retry)[^.0-9]{0,24}(?=[0-9])"
    r"(?:([0-9]{1,6}) ?h(?:ours?)? ?)?(?:([0-9]{1,6}) ?m(?:in(?:ute)?s?)? ?)?"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(m?s)(?:ec(?:ond)?s?)?)?\b"
)
_FIELDS: Mapping[str, str] = (
    {
        name: f"config.{name}"
        for name in (
            "stop",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "seed",
            "frequency_penalty",
            "presence_penalty",
            "logit_bias",
            "parallel_tool_calls",
            "tool_choice",
            "tools",
        )
    }
    | {"stop_sequences": "config.stop"}
    | {"response_format": "config.json_schema", "reasoning_effort": "config.reasoning.effort"}
    | {"top_logprobs": "config.top_logprobs", "logprobs": "config.top_logprobs"}
    | {"messages": "messages"}
)
"""Which field of a request each parameter is made from that we do not add ourselves."""
_ADDED = ("reasoning_summary", "stream_options", "max_completion_tokens", "max_tokens", "stream")
"""Parameters that are sent whatever the caller wrote."""


def refused(
    model: str,
    *,
    status: int,
    body: object,
    headers: Mapping[str, str],
    unix_s: float,
    remedies: Mapping[str, str] = _NO_REMEDIES,
) -> BackendError:
    """Return our error for an HTTP status that is not 2xx; `body` is bytes, or a value that was JSON.

    By a code that says what is wrong, else by the words, else by the status. A refusal that is known by words
    alone opens no breaker for long: one caller's prompt may have brought them about. `remedies`: what an
    operator may do, by the parameter that is refused.
    """
    said = read_refusal(body)
    pause_s = retry_after_s(headers, unix_s=unix_s)
    if pause_s is None:
        pause_s = _pause_s(said)
    if 300 <= status < 400:
        return _told(
            BackendModelMissing(model, f"HTTP {status}: redirects are not followed; correct base_url"), status
        )
    error = _error(model, f"HTTP {status}", status, said, pause_s=pause_s, remedies=remedies)
    if headers.get("x-should-retry", "").strip().lower() == "false":
        error.retryable = False  # OpenAI's own servers say so where another try makes no sense.
    if status == 451 or (said.is_page and status == 403):
        error.breaker = (
            BreakerVerdict.IGNORE
        )  # A law, or a firewall before the API, perhaps for this one prompt.
    return error


def _kind(status: int | None, said: RefusalBody, *, has_pause: bool) -> tuple[Kind, str | None, bool]:
    """Return what a refusal means, the code that says so or the first known one, and whether words do."""
    sharp = next((SHARP_CODES[name] for name in map(folded, said.codes) if name in SHARP_CODES), None)
    vague = next((VAGUE_CODES[name] for name in map(folded, said.codes) if name in VAGUE_CODES), None)
    code = sharp[0] if sharp is not None else vague[0] if vague is not None else None
    if status is None:
        by_status = BackendProtocol if vague is None else vague[1]
    else:
        by_status = STATUSES.get(status, BackendFailed if status >= 500 else BackendModelMissing)
    if status is not None and status >= 500:
        # A broken server's words are not believed, but some say so that a prompt is too long.
        is_length = (sharp is not None and sharp[1] is ContextTooLong) or LENGTH.is_in(said.words)
        return (ContextTooLong if is_length else by_status), code, False
    if sharp is not None:
        return sharp[1], code, False
    if status == 429:
        # "Exceeded your quota" is said of a minute's too, but not without a time to come back.
        is_empty = not has_pause and MONEY.is_in(said.own_words)
        return (BackendQuotaUsedUp if is_empty else by_status), code, is_empty
    if said.is_page:
        return (BackendModelMissing if status == 403 else by_status), code, False
    by_words = _by_words(said)
    if by_words is BackendOverAllowance or (by_words is not None and status not in _BY_STATUS_ALONE):
        return by_words, code, True
    if status == 403:
        # Without a word of a key it may be about this request alone.
        return (vague[1] if vague is not None else by_status), code, True
    return by_status, code, False


def _by_words(said: RefusalBody) -> Kind | None:
    for kind, phrases in PHRASES:
        # What a body quotes may be a caller's words, which count for nothing where others would feel it.
        text = said.words if kind.breaker is BreakerVerdict.IGNORE else said.own_words
        if phrases.is_in(text):
            return kind
    return None


def _error(
    model: str,
    what: str,
    status: int | None,
    said: RefusalBody,
    *,
    pause_s: float | None,
    remedies: Mapping[str, str],
) -> BackendError:
    kind, code, is_by_words = _kind(status, said, has_pause=pause_s is not None)
    if status == 413 and kind is BackendRateLimited:
        kind = BackendOverAllowance  # No waiting makes this one request fit.
    where = what if code is None else f"{what} ({code})"
    if kind is NotCapable:
        error = _parameter(model, where, said, remedies)
    elif kind is JsonNotAsked:
        error = kind(model, f"{where}: config.json_object needs a message with the word JSON")
    elif kind is BackendProtocol:
        error = unreadable(model, "an error is in its place")
    else:
        error = kind(model, where, retry_after_s=pause_s)
    if is_by_words and error.breaker is BreakerVerdict.OPEN_LONG:
        error.breaker = BreakerVerdict.FAILURE
    return _told(error, status, code)


def _parameter(model: str, where: str, said: RefusalBody, remedies: Mapping[str, str]) -> BackendError:
    """Return our error for a parameter that the model refuses; the caller leaves it out, or the operator."""
    heads = {re.split(r"[.\[]", name)[0] for name in said.names}
    heads |= {
        name.replace(".", "_") for name in said.names
    }  # `reasoning.effort` of Responses is a parameter.
    known = (*_FIELDS, *_ADDED)
    name = next(
        (name for name in known if name in heads),
        next((name for name in known if re.search(rf"(?<!\w){name}(?!\w)", said.words)), None),
    )
    if name is None:
        return NotCapable(model, f"{where}: it refuses a parameter", field="config")
    message = "; ".join(filter(None, (f"{where}: it refuses {name}", remedies.get(name))))
    return (
        NotCapable(model, message, field=_FIELDS[name]) if name in _FIELDS else BackendMisfit(model, message)
    )


def _told(error: BackendError, status: int | None, code: str | None = None) -> BackendError:
    error.http_status = status
    error.upstream_code = code
    return error


def retry_after_s(headers: Mapping[str, str], *, unix_s: float) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask for, if any.

    `headers` is looked up in lower case; what cannot be read counts as absent.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"), 0.001)
    if milliseconds is not None:
        return milliseconds
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None or text is None or len(text) > 64:
        return seconds
    try:
        at = email.utils.parsedate_to_datetime(text)
        at_unix_s = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(max(0.0, at_unix_s - unix_s), LONGEST_PAUSE_S)


def _seconds(text: str | None, unit_s: float = 1.0) -> float | None:
    """Return a plain decimal number, in seconds."""
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    return min(float(text) * unit_s, LONGEST_PAUSE_S)


def _pause_s(said: RefusalBody) -> float | None:
    """Return the seconds after which the body says that another try makes sense."""
    if said.pause is not None:
        value, unit_s = said.pause
        if isinstance(value, str):
            seconds = _SECONDS.fullmatch(value.strip())
            found = _seconds(seconds[1] if seconds else value, 1.0 if seconds else unit_s)
            if found is not None:
                return found
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return LONGEST_PAUSE_S if value > LONGEST_PAUSE_S / unit_s else value * unit_s
    again = _AGAIN_IN.search(said.words)
    if again is None or not any(again.groups()):
        return None
    hours, minutes, number, unit = again.groups()
    seconds_s = float(number or 0) * (0.001 if unit == "ms" else 1.0)
    return min(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds_s, LONGEST_PAUSE_S)


def unanswered(model: str, error: BaseException, remedies: Mapping[str, str] = _NO_REMEDIES) -> BackendError:
    """Return our error for a call whose answer is an error, or cannot be read, by what caused `error`."""
    match error:
        case ErrorEvent():
            return error_event(model, error.error, remedies)
        case UnreadableAnswer():
            return unreadable(model, str(error))
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


def error_event(model: str, error: object, remedies: Mapping[str, str] = _NO_REMEDIES) -> BackendError:
    """Return our error for one that came where an answer should: with status 200, or in a stream.

    It counts by its own code or status. One that says neither is an answer that cannot be read; and what
    is no refusal may be billed, since the request was taken.
    """
    said = read_refusal(error)
    event = _error(
        model, "an error in its answer", said.status, said, pause_s=_pause_s(said), remedies=remedies
    )
    if isinstance(event, BackendFailed):
        event.charge = Charge.UNKNOWN
    return event


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
