"""From bytes to protobuf: what can be had of a request without decoding it, and the decoding itself."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from gateway.errors import InvalidRequest
from gateway.server.validation.request import IDENTIFIER, check_identifier

_Request = TypeVar("_Request", bound=Message)

COUNTED_BYTES = 16 * 1024
"""A shorter request is decoded in less than a millisecond whatever it holds."""
MOST_FIELDS = 16_384
"""On all levels: a conversation of 1,024 messages with four parts each has 10,000. A megabyte may be half a
million empty ones, which take the event loop 20 to 100 ms to decode."""
_REQUEST_ID_BYTES = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def decoded(request: type[_Request], data: bytes) -> _Request:
    """Return the message that the bytes are; raises InvalidRequest."""
    if len(data) > COUNTED_BYTES:
        _check_fields(cast(Descriptor, request.DESCRIPTOR), data)  # Of two kinds, of which one is a stub's.
    message = request()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise _undecodable() from None
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
    for tag, begin, end in islice(_fields(data, 0, len(data)), MOST_FIELDS):
        if tag == _tag(field.number):
            own_id = data[begin : min(end, begin + _REQUEST_ID_BYTES + 1)]
    text = own_id.decode(errors="replace")
    return text if IDENTIFIER.fullmatch(text) else ""


def _check_fields(message: Descriptor, data: bytes) -> None:
    """Raise InvalidRequest for too many fields, and for bytes in which they cannot be counted.

    Messages that hold no other message are not looked into: what they hold is decoded quickly.
    """
    left = MOST_FIELDS
    waiting = [(0, len(data), message)]
    while waiting:
        begin, end, kind = waiting.pop()
        inner, last = _inner(kind), begin
        for tag, at, last in _fields(data, begin, end):
            left -= 1
            if left < 0:
                raise InvalidRequest("request", f"must have at most {MOST_FIELDS} fields, on all levels")
            if tag in inner:
                waiting.append((at, last, inner[tag]))
        if last != end:
            raise _undecodable()


@cache
def _inner(message: Descriptor) -> Mapping[int, Descriptor]:
    """Return the messages that a message holds and that hold messages themselves, by their tags."""
    held = {_tag(each.number): each.message_type for each in message.fields if each.message_type is not None}
    return {tag: kind for tag, kind in held.items() if any(each.message_type for each in kind.fields)}


def _tag(number: int) -> int:
    """Return what comes before a field of bytes, a text or a message."""
    return number << 3 | _BYTES


def _undecodable() -> InvalidRequest:
    return InvalidRequest("request", "these bytes do not decode: wrong message, or text that is not UTF-8")


def _fields(data: bytes, at: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, begin and end of each field, up to one that cannot be read, or is a group as in proto2."""
    while at < last:
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
        if at > last:
            return
        yield tag, begin, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins there and where it ends; beyond the data if it has no end."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
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
