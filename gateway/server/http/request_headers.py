"""What the headers of a request say: who calls, until when, and how the policy is tightened for it."""

import math
from collections.abc import Mapping

from aiohttp import web

from gateway.clock import Clock, Deadline
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Hints
from gateway.errors import InvalidRequest
from gateway.ledger.money import NANOS_PER_USD
from gateway.server.access import Caller
from gateway.server.validation.request import MAX_COST_USD, check_identifier

PREFIX = "x-gateway-"
LABEL = "x-gateway-label-"
REQUEST_ID = "x-gateway-request-id"
SHOWS_DECISION = "x-gateway-decision"
DEADLINE = "x-gateway-deadline-s"
ALLOW_DEGRADED = "x-gateway-allow-degraded"
PRIVACY_CLASS = "x-gateway-privacy-class"
MAX_COST = "x-gateway-max-cost-usd"
KNOWN = frozenset({REQUEST_ID, SHOWS_DECISION, DEADLINE, ALLOW_DEGRADED, PRIVACY_CLASS, MAX_COST})
SDK_TIMEOUTS = ("x-stainless-read-timeout", "x-stainless-timeout")
"""Where the SDKs of OpenAI and Anthropic say after how many seconds they give up."""
SESSIONS = ("x-session-id", "x-claude-code-session-id", "session-id", "session_id", "x-session-affinity")
"""Where clients name their conversation, the most explicit first."""
_FLAGS = {"true": True, "false": False}


def caller_of(http: web.Request) -> Caller:
    """Return what a request shows of who makes it.

    Headers of one name with different values are joined as RFC 9110 says: of two keys or two tenants none is
    taken, whichever of them a proxy has looked at.
    """
    headers: dict[str, str] = {}
    for name, value in http.headers.items():
        before = headers.setdefault(name.lower(), value)
        if before != value:
            headers[name.lower()] = f"{before}, {value}"
    return Caller(headers=headers, common_name=_common_name(http))


def _common_name(http: web.Request) -> str:
    certificate = http.get_extra_info("peercert") or {}
    names = (pair for part in certificate.get("subject", ()) for pair in part)
    return next((value for name, value in names if name == "commonName"), "")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise InvalidRequest for a deadline that is none, or a header of the gateway that it does not know.

    A hint only tightens, so none is passed over.
    """
    own = headers.get(DEADLINE)
    if own is not None and _seconds(own) is None:
        raise InvalidRequest(DEADLINE, "must be a number of seconds above 0")
    for name in headers:
        if name.startswith(PREFIX) and name not in KNOWN and not name.startswith(LABEL):
            raise InvalidRequest(name[:64], "is not a header that this gateway knows")


def due_of(headers: Mapping[str, str], clock: Clock) -> Deadline | None:
    """Return when the caller gives up, as it or its SDK says; None where nothing is said that can be read."""
    for name in (DEADLINE, *SDK_TIMEOUTS):
        seconds = _seconds(headers.get(name, ""))
        if seconds is not None:
            return Deadline.after(seconds, clock)
    return None


def request_id_of(headers: Mapping[str, str], *, new_id: str) -> str:
    """Return the caller's id of a request, or a new one; raises InvalidRequest."""
    own_id = headers.get(REQUEST_ID, "")
    if own_id:
        check_identifier(REQUEST_ID, own_id)
    return own_id or new_id


def shows_decision(headers: Mapping[str, str]) -> bool:
    """Say whether the body of the answer is to hold the decision."""
    return bool(_flag(headers, SHOWS_DECISION))


def session_id_of(headers: Mapping[str, str]) -> str:
    """Return the name of the conversation; "" where no header has one."""
    return next((headers[name] for name in SESSIONS if headers.get(name)), "")


def labels_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the labels, which are checked with the rest of the request."""
    return {name.removeprefix(LABEL): value for name, value in headers.items() if name.startswith(LABEL)}


def hints_of(headers: Mapping[str, str], *, allow_degraded: bool) -> Hints:
    """Return how the caller tightens the policy; raises InvalidRequest.

    `allow_degraded` holds where no header says whether a canned reply is welcome.
    """
    allowed = _flag(headers, ALLOW_DEGRADED)
    return Hints(
        privacy_class=_class_of(headers.get(PRIVACY_CLASS)),
        max_cost_usd_nanos=_max_cost(headers.get(MAX_COST)),
        allow_degraded=allow_degraded if allowed is None else allowed,
    )


def _class_of(word: str | None) -> PrivacyClass | None:
    if word is None:
        return None
    try:
        return PrivacyClass[word.upper()]
    except KeyError:
        words = ", ".join(each.name.lower() for each in PrivacyClass)
        raise InvalidRequest(PRIVACY_CLASS, f"must be one of {words}") from None


def _max_cost(text: str | None) -> int | None:
    if text is None:
        return None
    usd = _number(text)
    if usd is None or not 0.0 <= usd <= MAX_COST_USD:
        raise InvalidRequest(MAX_COST, f"must be 0 to {MAX_COST_USD}")
    return math.floor(usd * NANOS_PER_USD)


def _flag(headers: Mapping[str, str], name: str) -> bool | None:
    word = headers.get(name)
    if word is None:
        return None
    if word.lower() not in _FLAGS:
        raise InvalidRequest(name, "must be true or false")
    return _FLAGS[word.lower()]


def _seconds(text: str) -> float | None:
    seconds = _number(text)
    return seconds if seconds is not None and seconds > 0 else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
