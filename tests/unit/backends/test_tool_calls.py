"""How calls of tools are put together, however a provider splits, numbers and repeats them."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.reading import ErrorEvent
from gateway.backends.openai.answer_parts import AnswerForm
from gateway.backends.openai.answers import StreamReader, read_reply
from gateway.backends.openai.json_prefix import is_object, may_become_object
from gateway.domain.answer import FinishReason, Reply
from tests.support.provider_bytes import BOUNDS, chunk, counts, line, said
from tests.support.provider_calls import calling, entry, read_events, read_pieces

Told = list[tuple[str, str]]
END = chunk({}, "tool_calls")
NAMES = frozenset({"ring", "dig_hole", "dig"})


def told(reply: Reply) -> Told:
    """Return names and arguments."""
    return [(call.name, call.arguments_json) for call in reply.tool_calls]


def whole(*entries: dict[str, object], finish_reason: object = "tool_calls") -> Reply:
    """Read an answer in one piece that has these calls."""
    message = {"role": "assistant", "content": None, "tool_calls": list(entries)}
    body = {"choices": [{"message": message, "finish_reason": finish_reason}], "usage": counts(11, 5)}
    return read_reply(json.dumps(body).encode(), BOUNDS, lambda _: None)


DIG = '{"depth": 2, "at": ["Ä", 1.50]}'
RING = '{"times":3}'
BOTH: Told = [("dig", DIG), ("ring", RING)]
SPLIT: dict[str, list[dict[str, object]]] = {
    "by index": [
        calling(entry("dig", "", index=0, id="c1")),
        calling(entry(None, DIG[:9], index=0)),
        calling(entry(None, DIG[9:], index=0)),
        calling(entry("ring", "", index=1, id="c2")),
        calling(entry(None, RING, index=1)),
    ],
    "from one": [calling(entry("dig", DIG, index=1)), calling(entry("ring", RING, index=2))],
    "an index for all, and ids": [
        calling(entry("dig", DIG[:4], index=0, id="c1")),
        calling(entry(None, DIG[4:], index=0, id="c1")),
        calling(entry("ring", RING, index=0, id="c2")),
    ],
    "an index for all, and no id": [
        calling(entry("dig", DIG[:4], index=0)),
        calling(entry(None, DIG[4:], index=0)),
        calling(entry("ring", "", index=0)),
        calling(entry(None, RING, index=0)),
    ],
    "neither index nor id": [
        calling(entry("dig", DIG[:11])),
        calling(entry(None, DIG[11:])),
        calling(entry("ring", RING)),
    ],
    "all in one event": [calling(entry("dig", DIG, id="a"), entry("ring", RING, id="b"))],
    "ids without index": [
        calling(entry("dig", DIG[:6], id="a")),
        calling(entry(None, DIG[6:], id="a")),
        calling(entry("ring", RING, id="b")),
    ],
    "a new id in every piece": [
        calling(entry("dig", DIG[:6], index=0, id="a")),
        calling(entry("", DIG[6:], index=0, id="x1")),
        calling(entry("ring", "", index=0, id="x2")),
        calling(entry("", RING, index=0, id="x3")),
    ],
    "id and name repeated": [
        *(calling(entry("dig", part, index=0, id="a")) for part in (DIG[:7], DIG[7:], "")),
        *(calling(entry("ring", part, index=1, id="b")) for part in ("", RING)),
    ],
    "id before the name": [
        calling({"index": 0, "id": "a", "function": {"name": None}}),
        calling(entry("dig", DIG, index=0)),
        calling(entry("ring", RING, index=1)),
    ],
    "all so far in each": [
        *(calling(entry("dig", DIG[:end], index=0, id="a")) for end in (3, 10, 20, len(DIG), len(DIG))),
        *(calling(entry("ring", RING[:end], index=1, id="b")) for end in (1, 5, len(RING))),
    ],
    "objects": [
        calling(entry("dig", json.loads(DIG), index=0)),
        calling(entry("ring", json.loads(RING), index=1)),
    ],
    "interleaved": [
        calling(entry("dig", DIG[:5], index=0, id="a"), entry("ring", RING[:3], index=1, id="b")),
        calling(entry(None, RING[3:], index=1)),
        calling(entry(None, DIG[5:], index=0)),
    ],
    "nulls and blanks around": [
        calling({"index": 0, "id": "null", "function": {"name": "dig", "arguments": None}}),
        calling({"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": DIG}}),
        calling({"index": 0, "function": None}),
        calling(entry("ring", RING, index=1), entry("", " ", index=0)),
    ],
}


@pytest.mark.parametrize("events", SPLIT.values(), ids=SPLIT.keys())
@pytest.mark.parametrize("word", ["tool_calls", "stop", "end_turn", "eos_token"])
def test_calls_are_told_apart(events: list[dict[str, object]], word: str) -> None:
    """Each once, whole and in order, with an id that no other has, whatever the finish word says."""
    reply = read_events([*events, chunk({}, word)])
    assert [(name, json.loads(arguments)) for name, arguments in told(reply)] == [
        (name, json.loads(arguments)) for name, arguments in BOTH
    ]
    assert reply.finish_reason is FinishReason.TOOL_CALLS
    assert len({call.id for call in reply.tool_calls}) == 2
    assert not any(call.arguments_invalid for call in reply.tool_calls)


def test_pieces_of_calls_do_not_interleave() -> None:
    """A later call waits for the earlier; the first piece of each has its id and whole name."""
    chunks, last = read_pieces([line(event) for event in [*SPLIT["interleaved"], END]])
    pieces = [piece for each in (*chunks, last) for piece in each.tool_calls]
    assert [piece.index for piece in pieces] == sorted(piece.index for piece in pieces)
    for index in (0, 1):
        first, *others = (piece for piece in pieces if piece.index == index)
        assert first.id
        assert first.name
        assert not any(piece.id or piece.name for piece in others)


def test_a_name_in_pieces_is_whole_before_it_is_told() -> None:
    """Joined, repeated or growing; two names that were offered are two calls."""
    for names in (["dig_", "hole"], ["dig_hole", "dig_hole"], ["dig_", "dig_hole"]):
        pieces = [calling(entry(name, "", index=0, id="a")) for name in names]
        assert told(read_events([*pieces, calling(entry(None, "{}", index=0)), END])) == [("dig_hole", "{}")]
    form = AnswerForm(tool_names=NAMES)
    assert told(read_events([calling(entry("dig_")), calling(entry("hole", "{}")), END], form)) == [
        ("dig_hole", "{}")
    ]
    both = read_events([calling(entry("dig")), calling(entry("ring")), END], form)
    assert told(both) == [("dig", "{}"), ("ring", "{}")]


@pytest.mark.parametrize("nothing", ["", "null", " null ", "  "])
def test_no_arguments_are_an_object_of_nothing(nothing: str) -> None:
    """Whole or in pieces, but not where the answer was cut before any: then they may be missing."""
    split = [entry("ring", index=0), entry(None, nothing, index=0)]
    for entries in ([entry("ring", nothing, index=0)], split):
        assert told(read_events([*map(calling, entries), END])) == [("ring", "{}")]
        [cut] = read_events([*map(calling, entries), chunk({}, "length")]).tool_calls
        assert cut.arguments_invalid is not ("null" in nothing)
    assert told(whole(entry("ring", nothing))) == [("ring", "{}")]


@pytest.mark.parametrize("word", ["tool_calls", "length", "stop"])
def test_a_call_that_is_cut_is_marked(word: str) -> None:
    """And the answer ends with LENGTH, whichever word the provider found."""
    for reply in (
        read_events([calling(entry("dig", DIG[:12], index=0)), chunk({}, word)]),
        whole(entry("dig", DIG[:12]), finish_reason=word),
    ):
        [call] = reply.tool_calls
        assert (call.arguments_json, call.arguments_invalid) == (DIG[:12], True)
        assert reply.finish_reason is FinishReason.LENGTH


def test_a_filter_inside_a_call_stays_a_filter() -> None:
    """It is no call to run."""
    reply = read_events([calling(entry("dig", '{"a', index=0)), chunk({}, "content_filter")])
    assert (reply.finish_reason, reply.tool_calls[0].arguments_invalid) == (FinishReason.CONTENT_FILTER, True)


def test_wrong_arguments_are_a_failure_before_the_first_output_and_a_marked_call_after_it() -> None:
    """They are never repaired."""
    for wrong in ('{"a": [1] | x}', "[1]", '"{}"', '{"a": 1} x'):
        with pytest.raises(UnreadableAnswer, match="arguments"):
            whole(entry("dig", wrong))
        with pytest.raises(UnreadableAnswer, match="arguments"):
            read_events([calling(entry("dig", wrong, index=0)), END])
    reply = read_events([calling(entry("dig", "{}", index=0)), calling(entry(None, "</x>", index=0)), END])
    [call] = reply.tool_calls
    assert (call.arguments_json, call.arguments_invalid) == ("{}</x>", True)
    assert reply.finish_reason is FinishReason.TOOL_CALLS


def test_a_stream_that_ends_inside_a_call_has_no_end() -> None:
    """Nor does one whose end is an error, or a word of failure."""
    begun = calling(entry("dig", DIG[:8], index=0))
    with pytest.raises(UnreadableAnswer, match="finish_reason"):
        read_events([begun, None])
    for failed in ({"error": {"code": "tool_use_failed"}}, chunk({}, "malformed_function_call")):
        with pytest.raises(ErrorEvent):
            read_events([begun, failed])


def test_an_end_that_comes_twice_doubles_nothing() -> None:
    """Nor does a whole message behind the pieces, and a bare stop takes no call away."""
    message = {"role": "assistant", "tool_calls": [entry("dig", DIG)]}
    behind = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    for ends in ([END, chunk({}, "stop")], [END, END], [behind], [END, behind]):
        reply = read_events([calling(entry("dig", DIG, index=0)), *ends])
        assert (told(reply), reply.finish_reason) == ([("dig", DIG)], FinishReason.TOOL_CALLS)
    assert told(read_events([behind])) == [("dig", DIG)]


def test_a_word_of_calls_without_a_call() -> None:
    """With a text it is an end like any other; with nothing at all it is none."""
    assert read_events([said("No."), END]).finish_reason is FinishReason.STOP
    with pytest.raises(UnreadableAnswer, match="has none"):
        read_events([END])


def test_ids_are_unique_in_the_conversation() -> None:
    """A provider's own is kept; a number of the answer, one that was used and none become ours."""
    ours = re.compile(r"call_[A-Za-z0-9]{24}")
    used = AnswerForm(call_ids=frozenset({"call_9"}))
    for theirs in ("0", "12", "call_9", "", "null", "x" * 257):
        reply = read_events([calling(entry("dig", "{}", index=0, id=theirs)), END], used)
        assert ours.fullmatch(reply.tool_calls[0].id)
    twice = whole(entry("dig", "{}", id="same"), entry("ring", "{}", id="same"))
    assert twice.tool_calls[0].id == "same"
    assert ours.fullmatch(twice.tool_calls[1].id)
    [kept] = read_events([calling(entry("dig", "{}", id="551200341", index=0)), END], used).tool_calls
    assert kept.id == "551200341"


def test_text_and_calls_keep_their_order() -> None:
    """What is said between two calls is told between them."""
    dig, ring = calling(entry("dig", index=0)), calling(entry("ring", "{}", index=1))
    chunks, last = read_pieces([line(event) for event in (dig, said("a"), ring, said("b"), END)])
    order = [
        kind
        for each in (*chunks, last)
        for kind in (each.text, *(call.name for call in each.tool_calls))
        if kind
    ]
    assert sorted(order[:2]) == ["a", "dig"]
    assert order[2:] == ["ring", "b"]


def test_a_custom_call_is_text() -> None:
    """It is no JSON, and is not held to it."""
    pieces = [
        calling({"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": "*** "}}),
        calling({"index": 0, "type": "custom", "custom": {"input": "x{"}}),
    ]
    [call] = read_events([*pieces, END]).tool_calls
    assert (call.name, call.input, call.is_custom, call.arguments_json) == ("patch", "*** x{", True, "")


def test_the_old_form_of_a_call_is_one() -> None:
    """`function_call`, which some servers kept."""
    events = [
        chunk({"function_call": {"name": "dig", "arguments": ""}}),
        chunk({"function_call": {"arguments": DIG}}),
        chunk({}, "function_call"),
    ]
    assert told(read_events(events)) == [("dig", DIG)]


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "dig<|end|>"])
def test_a_name_that_no_tool_has_is_refused(name: str) -> None:
    """A caller could not send the call back."""
    with pytest.raises(UnreadableAnswer):
        read_events([calling(entry(name, "{}", index=0)), END])


def test_arguments_without_end_are_refused() -> None:
    """They count like text."""
    stream = StreamReader(BOUNDS, lambda _: None)
    stream.feed(calling(entry("dig", '{"a":"', index=0)))
    half = calling(entry(None, "x" * (BOUNDS.text_chars // 2), index=0))
    stream.feed(half)
    with pytest.raises(UnreadableAnswer, match="bound"):
        stream.feed(half)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)


@given(OBJECTS, st.booleans())
def test_each_beginning_of_an_object_may_become_one(value: dict[str, object], is_ascii: bool) -> None:
    """And only the whole of it is one."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert is_object(text)
    for end in range(len(text)):
        assert may_become_object(text[:end])
        assert not is_object(text[:end])
    assert not may_become_object(text + "x")
    assert not may_become_object(text + text)


@given(st.lists(st.tuples(st.sampled_from(["dig", "ring"]), OBJECTS), min_size=1, max_size=3), st.data())
def test_a_finished_call_is_a_whole_call(
    calls: list[tuple[str, dict[str, object]]], data: st.DataObject
) -> None:
    """However the arguments are split, and wherever the stream is cut, byte by byte."""
    events: list[dict[str, object]] = []
    for index, (name, value) in enumerate(calls):
        text = json.dumps(value)
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)) | {0, len(text)})
        events.append(calling(entry(name, "", index=index, id=f"c{index}")))
        events += [calling(entry(None, text[a:b], index=index)) for a, b in pairwise(cuts)]
    raw = b"".join(map(line, [*events, END])) + b"data: [DONE]\n\n"
    expected = [(name, value) for name, value in calls]
    ends = data.draw(st.sets(st.integers(0, len(raw)), min_size=1, max_size=12)) | {len(raw)}
    for end in ends:
        middle = data.draw(st.integers(0, end))
        try:
            chunks, last = read_pieces([raw[:middle], raw[middle:end]])
        except UnreadableAnswer:
            assert end < len(raw)
            continue
        assert last.finish_reason is FinishReason.TOOL_CALLS
        pieces = [piece for each in (*chunks, last) for piece in each.tool_calls]
        got = [
            (
                next(piece.name for piece in pieces if piece.index == index),
                json.loads("".join(piece.arguments_json for piece in pieces if piece.index == index)),
            )
            for index in range(len(calls))
        ]
        assert got == expected


@pytest.mark.parametrize(
    "entries", [[{}] * 1025, [entry("dig", "{}", index=0)] * 1025], ids=["empty", "whole"]
)
def test_calls_without_end_are_refused(entries: list[dict[str, object]]) -> None:
    """Each takes time to read, and no model calls a thousand tools together."""
    with pytest.raises(UnreadableAnswer, match="the number of calls of tools is over its bound"):
        whole(*entries)
