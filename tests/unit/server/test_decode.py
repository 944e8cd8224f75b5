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


def test_half_a_million_fields_are_refused_before_they_are_decoded() -> None:
    """They are a megabyte, and take up to a tenth of a second: what is behind them is not seen."""
    with pytest.raises(InvalidRequest, match=f"at most {MOST_FIELDS} messages and labels"):
        decoded(pb.GenerateRequest, b"\x0a\x00" * 500_000 + b"\xff")


def test_a_long_conversation_is_decoded() -> None:
    """Of as many messages and labels as a request may have, and more than are counted at all."""
    message = pb.GenerateRequest(messages=[USER] * 1024, labels={f"k{n}": "v" for n in range(16)})
    message.messages[0].content = "x" * COUNTED_BYTES
    assert decoded(pb.GenerateRequest, message.SerializeToString()) == message
