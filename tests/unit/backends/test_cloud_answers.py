"""How a provider's answer is read: lenient where there is more, strict where something lacks."""

import contextlib
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.finish import WORDS
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.openai.answers import FinishHabit, StreamReader, read_reply
from gateway.domain.answer import FinishReason, Reply, Usage
from gateway.domain.assembly import assembled
from tests.support.provider_bytes import BOUNDS, chunk, counted, counts, plain, said, whole

FIELDS = [
    "choices",
    "message",
    "delta",
    "content",
    "finish_reason",
    "usage",
    "error",
    "index",
    "type",
    "text",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("text"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


def read(body: object) -> Reply:
    """Read an answer in one piece from its JSON value."""
    return read_reply(json.dumps(body).encode(), BOUNDS, _unnoted)


def reader() -> StreamReader:
    """Return a reader of a stream."""
    return StreamReader(BOUNDS, _unnoted)


def put_together(events: Sequence[object]) -> Reply:
    """Read a stream to its end."""
    stream = reader()
    return assembled([*map(stream.feed, events), stream.last_chunk()]).reply()


def _unnoted(what: str) -> None:
    assert what.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("theirs", "ours"), [(w, e) for w, e in WORDS.items() if isinstance(e, FinishReason)]
)
def test_a_finish_reason_becomes_ours(theirs: str, ours: FinishReason) -> None:
    """Each word of the table is known, whole and streamed, in any case; a call that is none is no end."""
    ours = FinishReason.STOP if ours is FinishReason.TOOL_CALLS else ours
    for word in (theirs, theirs.upper(), theirs.title()):
        assert read(whole("a b", word)).finish_reason is ours
        assert put_together(plain(["a ", "b"], word)).finish_reason is ours


@pytest.mark.parametrize("word", [word for word, ending in WORDS.items() if ending == "FAILED"])
def test_a_word_of_failure_ends_no_answer(word: str) -> None:
    """Whatever text came with it is a part."""
    with pytest.raises(ErrorEvent):
        read(whole("a b", word))
    with pytest.raises(ErrorEvent):
        put_together(plain(["a ", "b"], word))


WRONG: dict[str, object] = {
    "not an object": [],
    "no choices": {},
    "choices is null": {"choices": None},
    "no choice": {"choices": []},
    "a choice that is none": {"choices": [1]},
    "choices that are no list": {"choices": {"0": {}}},
    "an error with status 200": {"error": {"message": "secret"}},
    "an error beside an answer": whole("a") | {"error": {"message": "secret"}},
    "an error in the choice": {"choices": [{"error": {"message": "secret"}, "message": {"content": "a"}}]},
    "an error in a list": [{"error": {"message": "secret"}}],
    "an object that is an error": {"object": "error", "message": "secret"},
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "content that is a number": whole(4),
    "a part that is a number": whole([4]),
    "a part of an unknown type": whole([{"type": "secret", "text": "a"}]),
    "a part whose text is a list": whole([{"type": "text", "text": ["a"]}]),
    "no finish_reason and no text": whole("", None),
    "a finish_reason that is no string": whole("a", ["secret"]),
    "a finish_reason that is a number": whole("a", 2),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_lacks_something_is_refused(body: object) -> None:
    """Nothing is guessed, and no word of it is in the error."""
    with pytest.raises(UnreadableAnswer) as raised:
        read(body)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"choices": "\xff"}', b"[" * 100_000, b"null"])
def test_a_body_that_is_no_json_is_refused(raw: bytes) -> None:
    """Be it cut, in another encoding, or nested without end."""
    with pytest.raises(UnreadableAnswer):
        read_reply(raw, BOUNDS, _unnoted)


@given(JSON)
def test_any_json_is_an_answer_or_refused(body: object) -> None:
    """Whatever a provider sends, no other exception comes out, and no text that cannot be sent on."""
    with contextlib.suppress(UnreadableAnswer):
        read(body).text.encode()
    with contextlib.suppress(UnreadableAnswer):
        reader().feed(body).text.encode()


@pytest.mark.parametrize("finish_reason", ["", None, "null", "None", False, 0, "FINISH_REASON_UNSPECIFIED"])
def test_an_answer_in_one_piece_is_whole_without_a_reason(finish_reason: object) -> None:
    """Its JSON says where it ends. In a stream the same words mean that it goes on."""
    assert read(whole("a b", finish_reason)).finish_reason is FinishReason.STOP
    assert put_together([said("a ", finish_reason), *plain(["b"])]).text == "a b"
    with pytest.raises(UnreadableAnswer, match="finish_reason"):
        put_together([said("a b", finish_reason), counted(), None])


def test_a_refusal_by_the_model_is_its_text_with_finish_reason_content_filter() -> None:
    """OpenAI puts it in a field of its own; without this it would be an empty answer that ended well."""
    reply = read(
        {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    )
    assert (reply.text, reply.finish_reason) == ("I cannot.", FinishReason.CONTENT_FILTER)
    streamed = put_together([chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop")])
    assert (streamed.text, streamed.finish_reason) == ("I cannot.", FinishReason.CONTENT_FILTER)


def test_an_answer_of_nothing_but_a_reason_is_one() -> None:
    """A filter or a bound may leave nothing to show, and some leave the message out then."""
    for word, ours in (("content_filter", FinishReason.CONTENT_FILTER), ("length", FinishReason.LENGTH)):
        reply = read({"choices": [{"finish_reason": word}]})
        assert (reply.text, reply.finish_reason, reply.usage) == ("", ours, None)
    assert read(whole(None)).text == ""


ODD: dict[str, list[object]] = {
    "no delta": [{"choices": [{"index": 0, "finish_reason": None}]}],
    "delta is null": [chunk() | {"choices": [{"delta": None}]}],
    "delta is an empty list": [{"choices": [{"delta": []}]}],
    "choices is null": [{"choices": None}],
    "choices is an empty object": [{"choices": {}}],
    "a choice that is null": [{"choices": [None]}],
    "no choices": [{"type": "ping"}, {}],
    "an error that is null": [chunk(error=None)],
    "usage that is a string": [chunk(usage="secret")],
    "a number instead of usage": [{"usage": 3}],
    "another choice": [{"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}],
    "thinking in its field": [chunk({"reasoning_content": "hm"}), chunk({"reasoning": "hm"})],
    "thinking in parts": [chunk({"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}]})],
    "thinking, and a reference": [chunk({"content": [{"type": "reference", "reference_ids": [1]}]})],
    "content that is null": [chunk({"content": None, "tool_calls": None})],
    "a list of nothing": [chunk({"content": []})],
    "results of a filter": [{"choices": [], "prompt_filter_results": [{"x": 1}]}],
    "a list of one": [[chunk()]],
}
"""Events that take nothing from an answer."""


@pytest.mark.parametrize(("kind", "odd"), ODD.items(), ids=ODD.keys())
def test_what_is_beside_an_answer_takes_nothing_from_it(kind: str, odd: list[object]) -> None:
    """It may stand anywhere; only counts that thinking follows are not the last."""
    events: list[object] = [*plain(["one ", "two"])]
    for place in range(len(events) + 1):
        reply = put_together([*events[:place], *odd, *events[place:], None])
        assert (reply.text, reply.finish_reason) == ("one two", FinishReason.STOP)
        is_counted = place < len(events) or "thinking" not in kind
        assert reply.usage == (Usage(prompt_tokens=11, completion_tokens=5) if is_counted else None)


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "one two"}],
        ["one ", {"text": "two"}],
        [{"type": "thinking", "thinking": "hm"}, {"type": "output_text", "text": "one two"}],
        [{"type": "text", "text": {"value": "one two", "annotations": []}}],
        {"type": "text", "text": "one two"},
        [{"type": "text", "text": "one "}, None, {"type": "text", "text": "two"}, {"type": "text"}],
    ],
)
def test_content_in_parts_is_its_text(content: object) -> None:
    """Of the types of parts, those that are text are the answer, and thinking is not."""
    assert read(whole(content)).text == "one two"
    assert put_together([chunk({"content": content}), chunk({}, "stop")]).text == "one two"


def test_words_under_the_name_of_completions_are_words() -> None:
    """A server that kept `text` for chat says as much; where `content` stands beside it, it is the same."""

    def of(text: str, finish_reason: object = None, **more: object) -> dict[str, object]:
        return {"choices": [{"text": text, "finish_reason": finish_reason, **more}]}

    assert put_together([of("one "), of("two"), of("", "stop")]).text == "one two"
    assert put_together([chunk({"text": "one "}), chunk({"text": "two"}, "stop")]).text == "one two"
    beside = [of(text, delta={"content": text}) for text in ("one ", "two")]
    assert put_together([*beside, of("", "stop", delta={})]).text == "one two"
    assert read(of("one two", "stop")).text == "one two"


def test_a_whole_message_in_a_stream_is_read_once() -> None:
    """Some servers answer a stream in one event, others repeat the whole message at its end."""
    message = {"role": "assistant", "content": "one two"}
    last: dict[str, object] = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    assert put_together([last]).text == "one two"
    assert put_together([said("one "), said("two"), last]).text == "one two"
    with pytest.raises(UnreadableAnswer):
        put_together([said("one "), said("three"), last])


@pytest.mark.parametrize("first", [0, "0", None])
def test_the_first_choice_is_the_answer(first: object) -> None:
    """One was asked for; another one's words are not mixed in, wherever they stand."""

    def both(ours: str, others: str, finish_reason: object = None) -> dict[str, object]:
        own = {"index": first, "delta": {"content": ours}, "finish_reason": finish_reason}
        return {"choices": [{"index": 7, "delta": {"content": others}, "finish_reason": "length"}, own]}

    opening = {"choices": [{"index": first, "delta": {"content": "one "}}]}
    reply = put_together([opening, both("two ", "x"), both("three", "y", "stop")])
    assert (reply.text, reply.finish_reason) == ("one two three", FinishReason.STOP)


def test_a_provider_may_count_its_choices_from_one() -> None:
    """As long as none of index 0 comes, another one may be the answer; when it ends it is."""

    def of(index: int, text: str, finish_reason: object = None) -> dict[str, object]:
        return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish_reason}]}

    assert put_together([of(1, "one "), of(1, "two", "stop"), None]).text == "one two"
    assert (
        put_together([of(1, "x", "length"), of(0, "one "), of(1, "y"), of(0, "two", "stop")]).text
        == "one two"
    )
    assert read({"choices": [{"index": 1, "message": {"content": "a"}, "finish_reason": "stop"}]}).text == "a"


def test_a_finish_reason_is_noted_and_text_after_it_is_text() -> None:
    """Some servers repeat it in every event."""
    stream = reader()
    assert [stream.feed(said(text, "stop")).text for text in ("one ", "two ", "three")] == [
        "one ",
        "two ",
        "three",
    ]
    assert stream.habit.repeats
    assert stream.last_chunk().finish_reason is FinishReason.STOP


def test_the_last_reason_counts_but_a_bare_stop_hides_none() -> None:
    """`length` in the last event of text is not undone by a `stop` that follows without text."""
    assert put_together([said("a", "stop"), said("b", "length")]).finish_reason is FinishReason.LENGTH
    assert put_together([said("a", "length"), chunk({}, "stop")]).finish_reason is FinishReason.LENGTH
    assert put_together([said("a", "length"), said("b", "stop")]).finish_reason is FinishReason.STOP


def test_silence_is_an_end_only_where_nothing_can_follow() -> None:
    """Not behind a reason that came with the first words or before them, nor once text had followed one."""

    def may_be_over(*events: object) -> bool:
        stream = reader()
        for event in events:
            stream.feed(event)
        return stream.may_be_over

    role = chunk({"role": "assistant"}, "stop")
    assert may_be_over(said("a"), chunk({}, "stop"))
    assert may_be_over(said("a"), said("b", "stop"))
    assert not may_be_over(said("a"))
    assert not may_be_over(role)
    assert not may_be_over(said("a", "stop"))
    assert not may_be_over(chunk({"reasoning": "hm"}, "stop"), said("a"))
    assert not may_be_over(said("a"), chunk({}, "stop"), said("b"))
    assert not may_be_over(said("a"), said("b", "stop"), chunk({"reasoning": "hm"}))
    assert may_be_over(said("a", "stop"), counted())
    assert may_be_over(said("a", "stop"), None)
    assert not may_be_over(said("a", "stop"), counted(0, 0))
    stream = StreamReader(BOUNDS, _unnoted, habit=FinishHabit(repeats=True))
    stream.feed(said("a"))
    stream.feed(chunk({}, "stop"))
    assert not stream.may_be_over


def test_streams_of_a_model_share_what_was_seen_of_its_finish_reasons() -> None:
    """A stream that runs beside the one that saw it waits for its end, too."""
    habit = FinishHabit()
    one, other = (StreamReader(BOUNDS, _unnoted, habit=habit) for _ in range(2))
    for event in (said("a"), chunk({}, "stop")):
        other.feed(event)
    assert other.may_be_over
    for event in (said("a", "stop"), said("b")):
        one.feed(event)
    assert not other.may_be_over


def test_nothing_behind_done_is_text() -> None:
    """DONE ends the answer; only counts that come late are taken from what follows."""
    reply = put_together([said("a"), chunk({}, "stop"), None, said("b"), counted()])
    assert (reply.text, reply.usage) == ("a", Usage(prompt_tokens=11, completion_tokens=5))


def test_a_stream_that_has_not_finished_has_no_last_chunk() -> None:
    """An end without a finish reason is not an end, whatever else came."""
    for events in ([said("a")], [said("a"), counted()], [said("a"), counted(), None], [None], []):
        with pytest.raises(UnreadableAnswer, match="finish_reason"):
            put_together(events)


def test_a_text_over_its_bound_is_refused() -> None:
    """A provider that never stops is not an answer to `max_tokens`."""
    long = "x" * (BOUNDS.text_chars // 2 + 1)
    with pytest.raises(UnreadableAnswer, match="bound"):
        put_together([said(long), said(long)])
    with pytest.raises(UnreadableAnswer, match="bound"):
        read(whole(long + long))


def test_counts_before_the_last_text_are_not_final() -> None:
    """Counts that came only before the end say nothing of what was billed in the end."""
    usage = counts(11, 1)
    assert put_together([said("a", usage=usage), said("b"), chunk({}, "stop"), None]).usage is None
    assert put_together([said("a"), {"choices": [], "usage": usage}, chunk({}, "stop"), None]).usage is None
    assert put_together([said("a", "stop", usage=usage), said("b", "stop"), None]).usage is None
    final = put_together([said("a", usage=usage), said("b", "stop", usage=counts(11, 2)), None]).usage
    assert final == Usage(prompt_tokens=11, completion_tokens=2)
