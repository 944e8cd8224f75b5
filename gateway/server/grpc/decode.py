"""From bytes to protobuf: what can be had of a request without decoding it, and the decoding itself."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.errors import InvalidRequest
from gateway.server.validation.request import IDENTIFIER, check_identifier

_Request = TypeVar("_Request", bound=Message)

COUNTED_BYTES = 16 * 1024
"""A shorter request is decoded in less than a millisecond whatever it holds."""
MOST_FIELDS = 4096
"""Several times as many as a request may have messages and labels: a megabyte of empty ones, half a million,
takes the event loop 20 to 90 ms to decode."""
_REQUEST_ID_BYTES = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def decoded(request: type[_Request], data: bytes) -> _Request:
    """Return the message that the bytes are; raises InvalidRequest."""
    if len(data) > COUNTED_BYTES and sum(1 for _ in islice(_fields(data), MOST_FIELDS + 1)) > MOST_FIELDS:
        raise InvalidRequest("request", f"must have at most {MOST_FIELDS} messages and labels")
    message = request()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidRequest(
            "request", "these bytes do not decode: wrong message, or text that is not UTF-8"
        ) from None
    return message


def parse_request_id(message: object, *, new_id: str) -> str:
    """Return the caller's id of a request, or a new one; raises InvalidRequest."""
    own_id = getattr(message, "request_id", "")
    if own_id:
        check_identifier("request_id", own_id)
    return own_id or new_id


def own_request_id(request: type[Message], data: bytes) -> str:
    """Return the caller's id of a request that is not decoded; "" if there is none, or none that is valid."""
    field = request.DESCRIPTOR.fields_by_name.get("request_id")
    if field is None:
        return ""
    own_id = b""
    for number, begin, end in islice(_fields(data), MOST_FIELDS):
        if number == field.number:
            own_id = data[begin : min(end, begin + _REQUEST_ID_BYTES + 1)]
    text = own_id.decode(errors="replace")
    return text if IDENTIFIER.fullmatch(text) else ""


def _fields(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each field, up to one that cannot be read: decoding will say so."""
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint(data, at)
        kind, begin = tag & 7, at
        if kind == _BYTES:
            length, begin = _varint(data, at)
            at = begin + length
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            return
        if at > size:
            return
        yield tag >> 3, begin, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins there and where it ends; beyond the data if it has no end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return 0, len(data) + 1
