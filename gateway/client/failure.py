"""What an error status says, read from its rich details."""

from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """The parts of a `google.rpc.Status` that a caller can act on."""

    reason: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None


class CallFailed(Exception):
    """A call ended with an error status; its text is one line for a person.

    `code` is the name of the gRPC status. `reason` is the ErrorInfo's: a value of `Reason` without its
    prefix, and empty when the error did not come from a gateway (no connection, the client's own deadline).
    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        reason: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(_line(code, message, reason, fields, retry_after_s))
        self.code = code
        self.reason = reason
        self.fields = fields
        """Path and description of each field that the gateway refused."""
        self.retry_after_s = retry_after_s
        """Seconds after which another try makes sense, where the gateway knows."""

    @property
    def is_unreachable(self) -> bool:
        """Whether no gateway took the call; a gateway's own UNAVAILABLE has a reason."""
        return self.code == "UNAVAILABLE" and not self.reason

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> "CallFailed":
        """Translate gRPC's error."""
        details = _read(error)
        return cls(
            code=error.code().name,
            message=error.details() or "",
            reason=details.reason,
            fields=details.fields,
            retry_after_s=details.retry_after_s,
        )


def describe_error(error: grpc.aio.AioRpcError) -> str:
    """Return one line: status, reason, message, refused fields, and when to try again."""
    return str(CallFailed.of(error))


def _read(error: grpc.aio.AioRpcError) -> _Details:
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
