"""Checks what a caller says of an answer, and the ticket that it names."""

from collections.abc import Mapping

from gateway.domain.request import Feedback
from gateway.errors import InvalidRequest
from gateway.server.validation.request import check_identifier, check_labels


def feedback_of(request_id: str, score: float | None, labels: Mapping[str, str], *, tenant: str) -> Feedback:
    """Return the feedback; raises InvalidRequest with the first bad field. A score of None is none."""
    check_identifier("request_id", request_id)
    if score is None:
        raise InvalidRequest("score", "must be there, a number from 0 to 1")
    if not 0.0 <= score <= 1.0:  # False for NaN too.
        raise InvalidRequest("score", f"must be a number from 0 to 1, is {score:g}")
    check_labels(labels)
    return Feedback(request_id=request_id, tenant=tenant, score=score, labels=dict(labels))


def parse_ticket_id(value: str) -> str:
    """Return the ticket that a caller names; raises InvalidRequest for what cannot be one."""
    check_identifier("ticket_id", value)
    return value
