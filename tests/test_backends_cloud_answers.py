"""How a provider's answer is read: strictly, and without a word of it in an error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.cloud_answers import StreamReader, UnreadableAnswer, read_reply
from gateway.types import FinishReason, Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "finish_reason", "usage", "error", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def answer(**choice: object) -> dict[str, object]:
    """Return a whole answer with one choice."""
    message = {"role": "assistant", "content": "text"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


def counts(prompt_tokens: object, completion_tokens: object) -> dict[str, object]:
    """Return token counts as a provider writes them."""
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}


def read(body: object) -> object:
    """Read a whole answer from its JSON value."""
    return read_reply(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
    ],
)
def test_a_finish_reason_becomes_ours(theirs: str, ours: FinishReason) -> None:
    """The five that OpenAI has are known, whole and streamed."""
    assert read_reply(json.dumps(answer(finish_reason=theirs)).encode()).finish_reason is ours
    reader = StreamReader()
    reader.feed({"choices": [{"delta": {}, "finish_reason": theirs}]})
    assert reader.last_chunk().finish_reason is ours


WRONG = {
    "not JSON": b"{",
    "not UTF-8": b'{"choices": "\xff"}',
    "very deep": b"[" * 100_000,
    "not an object": b"[]",
    "no choices": b"{}",
    "choices is null": b'{"choices": null}',
    "no choice": b'{"choices": []}',
    "a choice that is none": b'{"choices": [1]}',
    "an error with status 200": b'{"error": {"message": "secret"}}',
    "no message": json.dumps({"choices": [{"finish_reason": "stop"}]}).encode(),
    "content that is no string": json.dumps(answer(message={"content": ["secret"]})).encode(),
    "no finish_reason": json.dumps(answer(finish_reason=None)).encode(),
    "an unknown finish_reason": json.dumps(answer(finish_reason="secret")).encode(),
    "a finish_reason that is no string": json.dumps(answer(finish_reason=["secret"])).encode(),
    "usage that is no object": json.dumps(answer() | {"usage": "secret"}).encode(),
    "usage that lacks a count": json.dumps(answer() | {"usage": {"prompt_tokens": 1}}).encode(),
    "a negative count": json.dumps(answer() | {"usage": counts(-1, 1)}).encode(),
    "a count that is true": json.dumps(answer() | {"usage": counts(1, True)}).encode(),
    "a count that is not whole": json.dumps(answer() | {"usage": counts(1, 1.5)}).encode(),
}


@pytest.mark.parametrize("raw", WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_is_wrong_in_a_field_is_refused(raw: bytes) -> None:
    """Nothing is guessed: no text, reason or count is made up for one that is absent or wrong."""
    with pytest.raises(UnreadableAnswer) as raised:
        read_reply(raw)
    assert "secret" not in str(raised.value)


@given(JSON)
def test_any_json_is_an_answer_or_refused(body: object) -> None:
    """Whatever a provider sends, no other exception comes out, whole or streamed."""
    for reading in (read, StreamReader().feed):
        with contextlib.suppress(UnreadableAnswer):
            reading(body)


def test_an_answer_without_text_or_usage_is_one() -> None:
    """A model may say nothing, and a provider may not count."""
    reply = read_reply(json.dumps(answer(message={"role": "assistant", "content": None})).encode())
    assert (reply.text, reply.usage) == ("", None)


def test_a_refusal_by_the_model_is_its_text_with_finish_reason_content_filter() -> None:
    """OpenAI puts it in a field of its own; without this it would be an empty answer that ended well."""
    reply = read_reply(json.dumps(answer(message={"content": None, "refusal": "I cannot."})).encode())
    assert (reply.text, reply.finish_reason) == ("I cannot.", FinishReason.CONTENT_FILTER)
    reader = StreamReader()
    assert reader.feed({"choices": [{"delta": {"refusal": "I can"}}]}) == "I can"
    reader.feed({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert reader.last_chunk().finish_reason is FinishReason.CONTENT_FILTER


def test_a_stream_is_put_together_from_its_events() -> None:
    """Events without a choice, without text and with counts of their own are all met in the field."""
    reader = StreamReader()
    events: list[object] = [
        {"choices": [], "prompt_filter_results": []},
        {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}], "usage": None},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ]
    texts = [reader.feed(event) for event in events]
    last = reader.last_chunk()
    assert texts == ["", "", "a", "b", ""]
    assert (last.text, last.finish_reason) == ("", FinishReason.STOP)
    assert last.usage == Usage(prompt_tokens=1, completion_tokens=2)


def test_a_stream_that_has_not_finished_has_no_last_chunk() -> None:
    """An end without a finish reason is not an end."""
    reader = StreamReader()
    reader.feed({"choices": [{"delta": {"content": "a"}}]})
    with pytest.raises(UnreadableAnswer, match="finish_reason"):
        reader.last_chunk()
