"""What an error status says, read from its rich details, and what the caller does about it.

CallFailed            any error status; those without a class below are this one
├── RequestRefused    INVALID_ARGUMENT: correct the request
├── NotAllowed        UNAUTHENTICATED, PERMISSION_DENIED: send valid credentials
├── Exhausted         RESOURCE_EXHAUSTED: wait, or send less
├── OperatorNeeded    FAILED_PRECONDITION: no try of the caller's helps
├── Unavailable       UNAVAILABLE with a reason: the gateway answered, its models did not
├── Unreachable       UNAVAILABLE without one: no gateway took the call
├── OutOfTime         DEADLINE_EXCEEDED: more time, or a smaller answer
├── AnswerCut         a streamed answer that is not complete
└── GatewayDefect     INTERNAL, UNKNOWN: report it
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.client.hints import ADVICE
from gateway.types import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """The parts of a `google.rpc.Status` that a caller can act on."""

    reason: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None
    request_id: str = ""


class CallFailed(Exception):
    """A call ended with an error status; its text is one line for a person.

    `code` is the name of the gRPC status. `reason` is the ErrorInfo's: a value of `Reason` without its
    prefix, and empty when the error did not come from a gateway (no connection, the client's own deadline).
    """

    way_out: ClassVar[str] = "look up the status in docs/guides/write-a-client.md"
    """What to do where the gateway gave no reason."""

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
        """Path and description of each field that the gateway refused."""
        self.retry_after_s = retry_after_s
        """Seconds after which another try makes sense, where the gateway knows."""
        self.request_id = request_id
        """Finds the call in the gateway's log and records; empty where no gateway took it."""

    @property
    def advice(self) -> str:
        """What the caller does about it, in some words."""
        known = self.reason in Reason.__members__
        return ADVICE[Reason(self.reason)] if known else self.way_out


class RequestRefused(CallFailed):
    """The request itself is wrong; `fields` says where."""

    way_out = ADVICE[Reason.INVALID_REQUEST]


class NotAllowed(CallFailed):
    """The credentials are missing, unknown or expired."""

    way_out = ADVICE[Reason.UNAUTHENTICATED]


class ResourceExhausted(CallFailed):
    """A budget, a rate or a queue has no room; `retry_after_s` says when it has, where that is known."""

    way_out = "send a smaller message: it is larger than the gateway takes"


class OperatorActionRequired(CallFailed):
    """It fails until an operator, or the caller's own wish, changes."""

    way_out = "tell the operator"


class Unavailable(CallFailed):
    """The gateway took the call, and none of its models could answer."""

    way_out = "try again later"


_CLOSED = "failed to connect to all addresses; last error: UNAVAILABLE: .*: Socket closed"
_UNREACHABLE: Mapping[str, str] = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS: connect without it (no --tls-ca)",
    "CERTIFICATE_VERIFY_FAILED": "trust the authority that signed the server's certificate (--tls-ca)",
    "Hostname Verification Check failed": "connect under a name that stands in the server's certificate",
    _CLOSED: "the server closes the connection: it wants TLS (--tls-ca) or a client certificate (--tls-cert)",
    "http1.x server": "the server speaks HTTP/1 and is no gateway: check the port",
    "Domain name not found": "no host has this name: check the address",
    "Misformatted domain name": "the address must be HOST:PORT or unix:PATH, without http://",
}
"""What gRPC says of a connection that cannot be made, and what to do about it."""


class Unreachable(CallFailed):
    """No gateway took the call: nobody listens at the address, or it is on its way out."""

    way_out = "check the address and TLS; a gateway that is being replaced is back in some seconds"

    def __str__(self) -> str:
        """Return gRPC's words, and what they mean: nobody else says that a plain client met TLS."""
        return "; ".join(filter(None, (super().__str__(), self.cure)))

    @property
    def cure(self) -> str:
        """What is wrong and what to do, where gRPC's words tell it; else empty."""
        said = super().__str__()
        return next((cure for pattern, cure in _UNREACHABLE.items() if re.search(pattern, said)), "")

    @property
    def advice(self) -> str:
        """What the caller does about it, in some words."""
        return self.cure or self.way_out


class DeadlineExceeded(CallFailed):
    """The deadline passed."""

    way_out = ADVICE[Reason.DEADLINE]


class StreamIncomplete(CallFailed):
    """A streamed answer ended before it was complete; what came is no answer."""

    way_out = ADVICE[Reason.STREAM_TRUNCATED]


class GatewayDefect(CallFailed):
    """The gateway has a defect; its log has the request id."""

    way_out = ADVICE[Reason.INTERNAL]


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
    """Translate gRPC's error; `has_text`: some of a streamed answer had come already."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        raise error  # None that a call ends with.
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
        return StreamIncomplete if has_text else Unreachable  # A gateway that ends takes its streams along.
    return _KINDS.get(code, CallFailed)


def _read(error: grpc.Call | grpc.aio.AioRpcError) -> _Details:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return _Details()  # Details that contradict the status, or are no protobuf, are not the gateway's.
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
    """Fill `into` from the detail of its type; say whether there is one."""
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
