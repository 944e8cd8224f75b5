"""What is known of a request before it is decoded: its id, and whether it has too many fields."""

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.server.grpc.decode import COUNTED_BYTES, MOST_FIELDS, decoded, own_request_id
from gateway.v1 import gateway_pb2 as pb

USER = pb.Message(role=pb.ROLE_USER, content="hello")


@pytest.mark.parametrize(
    ("message", "own_id"),
    [
        (pb.GenerateRequest(messages=[USER] * 50, request_id="mine", model="m", session_id="s"), "mine"),
        (pb.GenerateRequest(messages=[USER], labels={"a": "b"}), ""),
        (pb.GenerateRequest(request_id="x" * 64), "x" * 64),
        (pb.GenerateRequest(request_id="x" * 65), ""),
        (pb.GenerateRequest(request_id="no id"), ""),
        (pb.SubmitFeedbackRequest(request_id="mine", score=0.5), "mine"),
        (pb.ListModelsRequest(), ""),
    ],
)
def test_the_callers_id_is_found(message: Message, own_id: str) -> None:
    """For a call that is refused before it is decoded."""
    assert own_request_id(type(message), message.SerializeToString()) == own_id


@given(st.binary(max_size=200))
def test_any_bytes_have_an_id_or_none(data: bytes) -> None:
    """Where they decode, it is the one that they decode to, if it is valid."""
    own_id = own_request_id(pb.GenerateRequest, data)
    try:
        message = decoded(pb.GenerateRequest, data)
    except InvalidRequest:
        return
    assert own_id in ("", message.request_id)


def _field(number: int, data: bytes) -> bytes:
    """Return a field of bytes: its tag, its length in three bytes, and the bytes."""
    size = len(data)
    length = bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))
    return bytes((number << 3 | 2,)) + length + data


EMPTY = b"\x0a\x00" * 500_000
MESSAGES, PARTS, CONFIG = (
    pb.GenerateRequest.MESSAGES_FIELD_NUMBER,
    pb.Message.PARTS_FIELD_NUMBER,
    pb.GenerateRequest.CONFIG_FIELD_NUMBER,
)
MANY = {
    "messages": EMPTY,
    "parts": _field(MESSAGES, bytes((PARTS << 3 | 2, 0)) * 500_000),
    "parts of many messages": _field(MESSAGES, bytes((PARTS << 3 | 2, 0)) * 100) * 4_000,
    "parts of a result": _field(
        MESSAGES,
        _field(
            PARTS,
            _field(
                pb.Part.TOOL_RESULT_FIELD_NUMBER,
                bytes((pb.ToolResult.PARTS_FIELD_NUMBER << 3 | 2, 0)) * 500_000,
            ),
        ),
    ),
    "tools": _field(CONFIG, bytes((pb.GenerationConfig.TOOLS_FIELD_NUMBER << 3 | 2, 0)) * 500_000),
    "values of a configuration": _field(CONFIG, b"\x08\x01" * 500_000),
}


@pytest.mark.parametrize("what", MANY)
def test_half_a_million_fields_are_refused_before_they_are_decoded(what: str) -> None:
    """They are a megabyte that is right, and would take up to a tenth of a second, on whatever level."""
    with pytest.raises(InvalidRequest, match=f"at most {MOST_FIELDS} fields"):
        decoded(pb.GenerateRequest, MANY[what])


@pytest.mark.parametrize("hidden_in", [b"\x9b\x06\x9c\x06", _field(MESSAGES, b"\x9b\x06\x9c\x06")])
def test_a_group_hides_no_fields(hidden_in: bytes) -> None:
    """What proto2 had, protobuf still decodes; fields behind it are not counted, so it is refused instead."""
    many = b"\x0a\x00" * COUNTED_BYTES
    pb.GenerateRequest.FromString(hidden_in + many)
    with pytest.raises(InvalidRequest):
        decoded(pb.GenerateRequest, hidden_in + many)
    assert own_request_id(pb.GenerateRequest, hidden_in + many) == ""


@pytest.mark.parametrize("parts", [0, 6])
def test_a_long_conversation_is_decoded(parts: int) -> None:
    """Of as many messages and labels as a request may have, in a text each or in parts."""
    turn = pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text="x")] * parts) if parts else USER
    message = pb.GenerateRequest(messages=[turn] * 1024, labels={f"k{n}": "v" for n in range(16)})
    message.messages.add(role=pb.ROLE_USER, content="x" * COUNTED_BYTES)
    assert decoded(pb.GenerateRequest, message.SerializeToString()) == message
