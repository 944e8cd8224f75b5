"""Errors of the clients, decoded from gRPC status and error details, each with a hint for the caller.

CallFailed                  any error status that has no class below
├── RequestRefused          INVALID_ARGUMENT: correct the request
├── NotAllowed              UNAUTHENTICATED, PERMISSION_DENIED: send valid credentials
├── ResourceExhausted       RESOURCE_EXHAUSTED: wait, or send less
├── OperatorActionRequired  FAILED_PRECONDITION: a retry does not help
├── Unavailable             UNAVAILABLE with a reason: the gateway answered, its models did not
├── Unreachable             UNAVAILABLE without a reason: no gateway took the call
├── DeadlineExceeded        DEADLINE_EXCEEDED: allow more time, or ask for a shorter answer
├── StreamIncomplete        a streamed answer ended before it was complete
└── GatewayDefect           INTERNAL, UNKNOWN: report it
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.client.hints import HINTS
from gateway.domain.decision import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """Error details of a `google.rpc.Status` that a caller can act on."""

    reason: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None
    request_id: str = ""


class CallFailed(Exception):
    """A call ended with an error status; its text is one line for a person.

    `code` is the name of the gRPC status. `reason` is a value of `Reason` without its prefix, from ErrorInfo;
    it is empty when the error did not come from a gateway (no connection, the client's own deadline).
    """

    default_hint: ClassVar[str] = "look up the status in docs/guides/write-a-client.md"
    """Hint for an error without a reason."""

    def __init__(
        self,
        *,
        code: str,
        message: str,
        reason: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(_line(code, message, reason, fields, retry_after_s))
        self.code = code
        self.reason = reason
        self.fields = fields
        """Path and description of each field that the gateway refuses."""
        self.retry_after_s = retry_after_s
        """Seconds after which a retry makes sense, where the gateway knows."""
        self.request_id = request_id
        """Identifies the call in the gateway's log and records; empty where no gateway took it."""

    @property
    def hint(self) -> str:
        """What the caller can do about the error."""
        known = self.reason in Reason.__members__
        return HINTS[Reason(self.reason)] if known else self.default_hint


class RequestRefused(CallFailed):
    """The request is wrong; `fields` says where."""

    default_hint = HINTS[Reason.INVALID_REQUEST]


class NotAllowed(CallFailed):
    """The credentials are missing, unknown or expired."""

    default_hint = HINTS[Reason.UNAUTHENTICATED]


class ResourceExhausted(CallFailed):
    """A budget, rate limit or queue is full; `retry_after_s` says when to retry, where that is known."""

    default_hint = "send a smaller message: this one is larger than the gateway accepts"


class OperatorActionRequired(CallFailed):
    """The call fails until the operator changes something, or the caller changes the request."""

    default_hint = "tell the operator"


class Unavailable(CallFailed):
    """The gateway took the call, but none of its models could answer."""

    default_hint = "try again later"


_CLOSED = "failed to connect to all addresses; last error: UNAVAILABLE: .*: Socket closed"
_UNREACHABLE: Mapping[str, str] = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS: connect without it (no --tls-ca)",
    "CERTIFICATE_VERIFY_FAILED": "trust the authority that signed the server's certificate (--tls-ca)",
    "Hostname Verification Check failed": "connect under a name that the server's certificate has",
    _CLOSED: "the server closes the connection: it needs TLS (--tls-ca) or a client certificate (--tls-cert)",
    "http1.x server": "the server speaks HTTP/1 and is no gateway: check the port",
    "Domain name not found": "no host has this name: check the address",
    "Misformatted domain name": "the address must be HOST:PORT or unix:PATH, without http://",
}
"""Pattern of gRPC's message about a failed connection -> cause and remedy."""


class Unreachable(CallFailed):
    """No gateway took the call: nothing listens at the address, or the gateway is shutting down."""

    default_hint = "check the address and TLS; a gateway that restarts is back in a few seconds"

    def __str__(self) -> str:
        """Return gRPC's message and its diagnosis: gRPC alone does not say that a plain client met TLS."""
        return "; ".join(filter(None, (super().__str__(), self.diagnosis)))

    @property
    def diagnosis(self) -> str:
        """Cause and remedy, where gRPC's message shows them; else empty."""
        message = super().__str__()
        return next((text for pattern, text in _UNREACHABLE.items() if re.search(pattern, message)), "")

    @property
    def hint(self) -> str:
        """What the caller can do about the error."""
        return self.diagnosis or self.default_hint


class DeadlineExceeded(CallFailed):
    """The deadline passed."""

    default_hint = HINTS[Reason.DEADLINE]


class StreamIncomplete(CallFailed):
    """A streamed answer ended before it was complete; discard the text received so far."""

    default_hint = HINTS[Reason.STREAM_TRUNCATED]


class GatewayDefect(CallFailed):
    """The gateway has a defect; its log has the request id."""

    default_hint = HINTS[Reason.INTERNAL]


_KINDS: Mapping[str, type[CallFailed]] = {
    "INVALID_ARGUMENT": RequestRefused,
    "UNAUTHENTICATED": NotAllowed,
    "PERMISSION_DENIED": NotAllowed,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "FAILED_PRECONDITION": OperatorActionRequired,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "INTERNAL": GatewayDefect,
    "UNKNOWN": GatewayDefect,
}


def failure_of(error: grpc.RpcError, *, has_text: bool = False) -> CallFailed:
    """Return the error of the client for one of gRPC; `has_text`: part of a streamed answer was received."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        raise error  # Not the status of a call.
    details = _read(error)
    code = error.code().name
    return _kind(code, details.reason, has_text=has_text)(
        code=code,
        message=error.details() or "",
        reason=details.reason,
        fields=details.fields,
        retry_after_s=details.retry_after_s,
        request_id=details.request_id,
    )


def _kind(code: str, reason: str, *, has_text: bool) -> type[CallFailed]:
    if reason == Reason.STREAM_TRUNCATED:
        return StreamIncomplete
    if code == "UNAVAILABLE" and not reason:
        return StreamIncomplete if has_text else Unreachable  # A gateway that ends breaks its streams.
    return _KINDS.get(code, CallFailed)


def _read(error: grpc.Call | grpc.aio.AioRpcError) -> _Details:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return _Details()  # The gateway never sends details that contradict the status or are no protobuf.
    if status is None:
        return _Details()
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    has_info, has_bad, has_retry = (_unpack(status, part) for part in (info, bad, retry))
    return _Details(
        reason=info.reason if has_info else "",
        fields=tuple((v.field, v.description) for v in bad.field_violations) if has_bad else (),
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
        request_id=info.metadata.get("request_id", "") if has_info else "",
    )


def _unpack(status: status_pb2.Status, into: Message) -> bool:
    """Fill `into` from the detail of its type; return whether there is one."""
    return any(detail.Unpack(into) for detail in status.details)


def _line(
    code: str, message: str, reason: str, fields: tuple[tuple[str, str], ...], retry_after_s: float | None
) -> str:
    parts = [" ".join(message.split())]
    parts += [f"{path}: {description}" for path, description in fields if description not in message]
    if retry_after_s is not None:
        parts.append(f"try again after {retry_after_s:g} s")
    head = f"{code} ({reason})" if reason else code
    return f"{head}: {'; '.join(part for part in parts if part)}".removesuffix(": ")
