"""Errors of the Messages API: Anthropic's words, and those by which Claude Code shortens a request."""

import re

import pytest

from gateway.domain.answer import Degraded
from gateway.domain.decision import Reason
from gateway.errors import HTTP_STATUS
from gateway.server.http.http_error import ContextExcess, HttpError
from gateway.server.http.messages.error_types import error_object, type_of

TOO_LONG = re.compile(r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)", re.IGNORECASE)
TOO_MUCH = re.compile(r"input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+)")
"""What Claude Code looks for."""
WORDS = {
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "api_error", "timeout_error", "overloaded_error",
}  # fmt: skip
"""Anthropic's types of errors, as its documentation lists them."""


def error(
    reason: Reason,
    *,
    status: int | None = None,
    may_retry: bool = False,
    excess: ContextExcess | None = None,
    degraded: Degraded | None = None,
    param: str | None = None,
) -> HttpError:
    """Return an error."""
    return HttpError(
        status=HTTP_STATUS[reason] if status is None else status,
        reason=reason,
        code=reason.lower(),
        message="able: no",
        param=param,
        retry_after_s=None,
        may_retry=may_retry,
        request_id="r-1",
        degraded=degraded,
        excess=excess,
    )


@pytest.mark.parametrize("reason", HTTP_STATUS)
def test_every_reason_has_a_type_of_anthropic(reason: Reason) -> None:
    """None is made up."""
    assert type_of(error(reason)) in WORDS


@pytest.mark.parametrize(
    ("reason", "may_retry", "expected"),
    [
        (Reason.UNAUTHENTICATED, False, "authentication_error"),
        (Reason.CLEARANCE, False, "permission_error"),
        (Reason.CAPABILITY, False, "invalid_request_error"),
        (Reason.RATE_LIMITED, True, "rate_limit_error"),
        (Reason.BREAKER_OPEN, True, "overloaded_error"),
        (Reason.UPSTREAM_CREDENTIALS, False, "api_error"),
        (Reason.DEADLINE, False, "timeout_error"),
        (Reason.INTERNAL, False, "api_error"),
    ],
)
def test_types(reason: Reason, may_retry: bool, expected: str) -> None:
    """A model that is overloaded may be asked again."""
    assert type_of(error(reason, may_retry=may_retry)) == expected


@pytest.mark.parametrize(("status", "expected"), [(404, "not_found_error"), (413, "request_too_large")])
def test_types_by_status(status: int, expected: str) -> None:
    """Of requests that name no model, or are too large."""
    assert type_of(error(Reason.INVALID_REQUEST, status=status)) == expected


def test_the_shape() -> None:
    """With the id of the request, and the ticket where a person is asked."""
    degraded = Degraded(reason=Reason.ALL_FAILED, canned_id="sorry", ticket_id="ho_1")
    assert error_object(error(Reason.ALL_FAILED, may_retry=True, param="model", degraded=degraded)) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "able: no", "code": "all_failed", "param": "model"},
        "request_id": "r-1",
        "gateway": {
            "request_id": "r-1",
            "degraded": {"reason": "ALL_FAILED", "canned_id": "sorry", "ticket_id": "ho_1"},
        },
    }


@pytest.mark.parametrize(
    ("prompt", "most", "numbers"),
    [(9000, 0, ("9000", "8192")), (9000, 32_000, ("9000", "8192")), (7000, 0, ("8193", "8192"))],
)
def test_a_prompt_that_is_too_long(prompt: int, most: int, numbers: tuple[str, str]) -> None:
    """Claude Code then makes its conversation shorter. The first number has to be above the second."""
    excess = ContextExcess(prompt_tokens=prompt, max_tokens=most, context_tokens=8192)
    told = error_object(error(Reason.CONTEXT_LENGTH_EXCEEDED, excess=excess))["error"]["message"]
    found = TOO_LONG.search(told)
    assert found is not None
    assert found.groups() == numbers
    assert "able: no" in told
    assert not TOO_MUCH.search(told)


def test_an_answer_for_which_there_is_no_room() -> None:
    """Claude Code then asks for a shorter one."""
    excess = ContextExcess(prompt_tokens=180_000, max_tokens=32_000, context_tokens=200_000)
    told = error_object(error(Reason.CONTEXT_LENGTH_EXCEEDED, excess=excess))["error"]["message"]
    found = TOO_MUCH.search(told)
    assert found is not None
    assert found.groups() == ("180000", "32000", "200000")
    assert not TOO_LONG.search(told)
