"""From a GatewayError to the gRPC status that a caller gets (AIP-193): code, ErrorInfo and what applies."""

from collections.abc import Iterable

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtoMessage
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from gateway.domain.answer import Attempt
from gateway.domain.decision import Reason
from gateway.errors import BudgetExhausted, GatewayError, InvalidRequest
from gateway.server.error_facts import RETRY_LATER, blamed_fields, causes_of, is_worth_retrying

DOMAIN = "gateway.v1"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

_PRECONDITIONS = {
    Reason.CLEARANCE: ("PRIVACY", "only models at the edge may see this request, and none can answer"),
    Reason.CONTENT_FILTERED: ("CONTENT_FILTER", "the provider's content filter refused this request"),
    Reason.UPSTREAM_CREDENTIALS: ("CREDENTIALS", "the provider refused the gateway's own credentials"),
}


def status_of(error: GatewayError, *, request_id: str, attempts: Iterable[Attempt]) -> Status:
    """Return the rich status of an error; all its texts are the gateway's own."""
    status = Status(code=grpc.StatusCode[error.code].value[0], message=str(error))
    metadata = {"request_id": request_id} if request_id else {}
    tries = ",".join(f"{attempt.model}={attempt.reason or attempt.outcome}" for attempt in attempts)
    if tries:
        metadata["attempts"] = tries[:1024]
    _add(status, details.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    for detail in _details(error):
        _add(status, detail)
    return status


def pushback_ms(error: GatewayError) -> int | None:
    """Return the trailer `grpc-retry-pushback-ms`: a wait, -1 for "do not retry", None to say nothing."""
    if not is_worth_retrying(error):
        return -1
    return None if error.retry_after_s is None else max(0, round(error.retry_after_s * 1000))


class AbortStatus(grpc.Status):
    """A status for `context.abort_with_status`, with the trailers of a rich error."""

    def __init__(self, status: Status, *, pushback: int | None) -> None:
        base = rpc_status.to_status(status)
        extra = () if pushback is None else ((PUSHBACK_KEY, str(pushback)),)
        self.code = base.code
        self.details = base.details
        self.trailing_metadata = (*base.trailing_metadata, *extra)


def _details(error: GatewayError) -> Iterable[ProtoMessage]:
    if isinstance(error, InvalidRequest):
        violation = details.BadRequest.FieldViolation(field=error.field, description=error.description)
        yield details.BadRequest(field_violations=[violation])
    elif error.code == "INVALID_ARGUMENT":
        violations = [
            details.BadRequest.FieldViolation(field=field, description=str(error))
            for field in blamed_fields(error)
        ]
        yield details.BadRequest(field_violations=violations)
    if error.code == "RESOURCE_EXHAUSTED":
        budgets = {cause.budget for cause in causes_of(error) if isinstance(cause, BudgetExhausted)}
        yield details.QuotaFailure(
            violations=[
                details.QuotaFailure.Violation(subject=subject, description=str(error))
                for subject in sorted(budgets) or [error.reason.lower()]
            ]
        )
    if error.reason in _PRECONDITIONS:
        kind, description = _PRECONDITIONS[error.reason]
        precondition = details.PreconditionFailure.Violation(
            type=kind, subject="request", description=description
        )
        yield details.PreconditionFailure(violations=[precondition])
    if error.retry_after_s is not None and error.code in RETRY_LATER:
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        yield details.RetryInfo(retry_delay=delay)


def _add(status: Status, detail: ProtoMessage) -> None:
    packed = Any()
    packed.Pack(detail)
    status.details.append(packed)
