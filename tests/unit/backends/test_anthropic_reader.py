"""Answers of the Messages API, whole and in events: read as they are, and never taken for whole when cut."""

import contextlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.anthropic.reader import MessageReader, read_message
from gateway.backends.anthropic.tools import ReplyForm
from gateway.backends.anthropic.turns import REDACTED
from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer
from gateway.backends.http.events import EventReader
from gateway.backends.http.reading import FINISH_UNKNOWN, USAGE_IMPOSSIBLE, ErrorEvent
from gateway.domain.answer import FinishReason, ReasoningDelta, Reply, ToolCallDelta, Usage
from gateway.domain.assembly import assembled
from tests.support.messages_api import events_of, message, text_block, thinking_block, tool_block, wire

BOUNDS = AnswerBounds(prompt_tokens=1000, fewest_prompt_tokens=1, max_tokens=200)
PLAIN = ReplyForm()
ANSWER = ReplyForm(answer_tool="answer")
CUSTOM = ReplyForm(custom_tools=frozenset({"patch"}))
EVERYTHING = message(
    thinking_block("Let me see. 🙂", "c2lnbmF0dXJl"),
    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
    text_block("Zażółć gęślą jaźń. 🙂"),
    tool_block("weather", {"city": "Łódź", "days": [1, 2]}, "toolu_01"),
    tool_block("now", {}, "toolu_02"),
    stop_reason="tool_use",
    usage={
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 60,
        "output_tokens_details": {"thinking_tokens": 30},
    },
)
JSON_ANSWER = message(tool_block("answer", {"name": "Ann", "tags": ["a", "b"]}), stop_reason="tool_use")
PATCH = message(tool_block("patch", {"input": "*** Begin\n+x"}), stop_reason="tool_use")


def whole(answer: object, form: ReplyForm = PLAIN, notes: list[str] | None = None) -> Reply:
    """Read an answer that came in one piece."""
    told = [] if notes is None else notes
    return read_message(json.dumps(answer).encode(), BOUNDS, told.append, form)


def streamed(pieces: Sequence[bytes], form: ReplyForm = PLAIN, notes: list[str] | None = None) -> Reply:
    """Read an answer that came in events, and put it together."""
    told = [] if notes is None else notes
    reader, events = MessageReader(BOUNDS, told.append, form), EventReader(BOUNDS)
    chunks = [reader.feed(event) for piece in pieces for event in events.feed(piece)]
    chunks += [reader.feed(event) for event in events.rest(is_needed=not reader.may_be_over)]
    return assembled([*chunks, reader.last_chunk()]).reply()


def from_events(events: Sequence[dict[str, Any]], form: ReplyForm = PLAIN) -> Reply:
    """Read these events."""
    return streamed([wire(events)], form)


def both(answer: dict[str, Any], form: ReplyForm = PLAIN) -> Reply:
    """Read an answer in one piece and in events, which must say the same."""
    read = whole(answer, form)
    assert read == from_events(events_of(answer), form)
    return read


def test_every_block_has_its_place() -> None:
    """Thoughts with what signs them, text, calls with ids and arguments, and why it ended."""
    read = from_events(events_of(EVERYTHING))
    assert read.text == "Zażółć gęślą jaźń. 🙂"
    assert read.reasoning == (
        ReasoningDelta(text="Let me see. 🙂", opaque=b"c2lnbmF0dXJl"),
        ReasoningDelta(opaque=REDACTED + b"ZGF0YQ=="),
    )
    assert [(call.index, call.id, call.name) for call in read.tool_calls] == [
        (0, "toolu_01", "weather"),
        (1, "toolu_02", "now"),
    ]
    assert json.loads(read.tool_calls[0].arguments_json) == {"city": "Łódź", "days": [1, 2]}
    assert read.tool_calls[1].arguments_json == "{}"
    assert not any(call.arguments_invalid for call in read.tool_calls)
    assert read.finish_reason is FinishReason.TOOL_CALLS


def test_whole_and_streamed_say_the_same() -> None:
    """But for the escapes in arguments, which the provider writes in a stream itself."""
    one, other = whole(EVERYTHING), from_events(events_of(EVERYTHING))
    assert (one.text, one.reasoning, one.finish_reason) == (other.text, other.reasoning, other.finish_reason)
    assert [json.loads(call.arguments_json) for call in one.tool_calls] == [
        json.loads(call.arguments_json) for call in other.tool_calls
    ]
    assert one.usage == Usage(
        prompt_tokens=125, completion_tokens=60, cached_prompt_tokens=100, cache_write_tokens=20,
        reasoning_tokens=30,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "finish_reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP_SEQUENCE),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("tool_use", FinishReason.STOP),
    ],
)
def test_stop_reasons_of_a_text(word: str, finish_reason: FinishReason) -> None:
    """Each word has its meaning; a call that is not there was not asked for."""
    assert both(message(text_block("Hi"), stop_reason=word)).finish_reason is finish_reason


def test_the_stop_string_that_was_met_is_told() -> None:
    """By the answer that it ended, and by no other."""
    answer = message(text_block("Hi"), stop_reason="stop_sequence")
    assert both(answer | {"stop_sequence": "END"}).stop_sequence == "END"
    assert both(message(text_block("Hi")) | {"stop_sequence": "END"}).stop_sequence == ""


@pytest.mark.parametrize("word", ["end_turn", "stop_sequence", "tool_use"])
def test_a_whole_call_is_one_whatever_the_word(word: str) -> None:
    """Servers that speak the dialect say `end_turn` as well."""
    read = both(message(tool_block("f", {"a": 1}), stop_reason=word))
    assert read.finish_reason is FinishReason.TOOL_CALLS


def test_a_new_word_is_an_end() -> None:
    """It is noted, and taken for a stop."""
    notes: list[str] = []
    assert whole(message(text_block("Hi"), stop_reason="novelty"), notes=notes).text == "Hi"
    assert FINISH_UNKNOWN in notes


@pytest.mark.parametrize("word", ["pause_turn", "error"])
def test_an_unfinished_answer_is_a_failure(word: str) -> None:
    """Whatever came of it is a part."""
    answer = message(text_block("Hi"), stop_reason=word)
    with pytest.raises(ErrorEvent):
        whole(answer)
    with pytest.raises(ErrorEvent):
        from_events(events_of(answer))


class TestCuts:
    """What was cut never looks whole."""

    @pytest.mark.parametrize(
        ("answer", "form"),
        [(EVERYTHING, PLAIN), (JSON_ANSWER, ANSWER), (PATCH, CUSTOM)],
        ids=["all", "json", "custom"],
    )
    def test_a_stream_that_is_cut_at_any_byte(self, answer: dict[str, Any], form: ReplyForm) -> None:
        """Either it is unreadable, or nothing but the frame behind the stop reason is missing."""
        raw = wire(events_of(answer))
        read, end = streamed([raw], form), raw.index(b'"message_delta"')
        for at in range(len(raw)):
            try:
                assert streamed([raw[:at]], form) == read
                assert at > end
            except UnreadableAnswer:
                continue

    def test_a_call_whose_input_is_cut_is_no_answer(self) -> None:
        """A stop reason does not help where the block did not end."""
        events = events_of(message(tool_block("f", {"a": "long enough"}), stop_reason="tool_use"))
        cut = events[:4] + events[-2:]
        assert cut[3]["type"] == "content_block_delta"
        with pytest.raises(UnreadableAnswer, match="cut"):
            from_events(cut)

    def test_an_input_that_ended_as_no_json_is_marked(self) -> None:
        """The provider says that the call is whole, and it is not."""
        events = events_of(message(tool_block("f", {"a": "long enough"}), stop_reason="tool_use"))
        read = from_events([*events[:4], *events[-3:]])
        assert read.finish_reason is FinishReason.LENGTH
        assert (
            read.tool_calls
            == (
                ToolCallDelta(
                    index=0, id="toolu_01", name="f", arguments_json='{"a":', arguments_invalid=True
                ),
            )
            or read.tool_calls[0].arguments_invalid
        )

    @pytest.mark.parametrize("given", [{}, {"a": "long enough"}])
    def test_a_call_that_max_tokens_cut_is_marked(self, given: dict[str, Any]) -> None:
        """Also one without a byte of its input, and one that the provider closed itself."""
        answer = message(text_block("x"), tool_block("f", given), stop_reason="max_tokens")
        events = events_of(answer)
        at = max(index for index, event in enumerate(events) if event["type"] == "content_block_start")
        for read in (whole(answer), from_events([*events[: at + 1], *events[-3:]])):
            assert read.finish_reason is FinishReason.LENGTH
            (call,) = read.tool_calls
            assert call.arguments_invalid

    def test_a_call_before_the_one_that_was_cut_is_whole(self) -> None:
        """Only the last can be cut."""
        answer = message(tool_block("f", {}, "t1"), tool_block("g", {"a": 1}, "t2"), stop_reason="max_tokens")
        first, last = whole(answer).tool_calls
        assert not first.arguments_invalid
        assert last.arguments_invalid

    def test_a_whole_call_at_the_limit_is_not_marked(self) -> None:
        """In a stream its input can be seen to be whole."""
        read = from_events(events_of(message(tool_block("f", {"a": 1}), stop_reason="max_tokens")))
        assert read.finish_reason is FinishReason.LENGTH
        assert not read.tool_calls[0].arguments_invalid

    @given(st.lists(st.integers(0, len(wire(events_of(EVERYTHING)))), max_size=20))
    def test_it_does_not_matter_where_pieces_end(self, cuts: list[int]) -> None:
        """A stream that is split anywhere says the same."""
        raw = wire(events_of(EVERYTHING))
        ends = [0, *sorted(cuts), len(raw)]
        pieces = [raw[one:other] for one, other in itertools.pairwise(ends)]
        assert streamed(pieces) == streamed([raw])


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "text", "tool_use", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "input", "id", "name", "usage"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)


@given(st.data())
def test_whatever_a_field_holds_it_is_read_or_unreadable(data: st.DataObject) -> None:
    """No value in the place of another is a defect of ours, in an event or in a whole message."""
    events = json.loads(json.dumps(events_of(EVERYTHING)))
    for _ in range(data.draw(st.integers(1, 3))):
        holder = data.draw(st.sampled_from(events))
        while True:
            name = data.draw(st.sampled_from(sorted(holder)))
            if not isinstance(holder[name], dict) or not holder[name] or data.draw(st.booleans()):
                holder[name] = data.draw(_VALUES)
                break
            holder = holder[name]
    body = json.loads(json.dumps(EVERYTHING))
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(_VALUES)
    for form in (PLAIN, ANSWER, CUSTOM):
        with contextlib.suppress(UnreadableAnswer):
            assert isinstance(from_events(events, form), Reply)
        with contextlib.suppress(UnreadableAnswer):
            assert isinstance(whole(body, form), Reply)


class TestJsonAnswers:
    """The input of the answer tool is the text."""

    def test_its_input_becomes_the_text(self) -> None:
        """And the end is a stop, with no call."""
        for read in (whole(JSON_ANSWER, ANSWER), from_events(events_of(JSON_ANSWER), ANSWER)):
            assert json.loads(read.text) == {"name": "Ann", "tags": ["a", "b"]}
            assert read.finish_reason is FinishReason.STOP
            assert read.tool_calls == ()

    def test_words_beside_it_are_left_out(self) -> None:
        """The text is JSON and nothing else."""
        read = both(
            message(text_block("Here it is:"), tool_block("answer", {}), stop_reason="tool_use"), ANSWER
        )
        assert read.text == "{}"

    def test_an_empty_object(self) -> None:
        """It comes without a piece."""
        assert both(message(tool_block("answer", {}), stop_reason="tool_use"), ANSWER).text == "{}"

    def test_an_answer_that_the_limit_cut(self) -> None:
        """It is a beginning, and says so."""
        events = events_of(JSON_ANSWER | {"stop_reason": "max_tokens"})
        read = from_events([*events[:5], *events[-3:]], ANSWER)
        assert read.finish_reason is FinishReason.LENGTH
        assert '{"name": "Ann", "tags": ["a", "b"]}'.startswith(read.text)

    @pytest.mark.parametrize(
        "answer",
        [
            message(text_block("I would rather not."), stop_reason="end_turn"),
            message(
                tool_block("answer", {"a": 1}, "t1"),
                tool_block("answer", {"a": 2}, "t2"),
                stop_reason="tool_use",
            ),
        ],
        ids=["no answer", "two answers"],
    )
    def test_no_json_is_a_failure(self, answer: dict[str, Any]) -> None:
        """Another text must not be taken for it."""
        with pytest.raises(UnreadableAnswer):
            whole(answer, ANSWER)
        with pytest.raises(UnreadableAnswer):
            from_events(events_of(answer), ANSWER)

    def test_a_refusal_says_its_words(self) -> None:
        """They are the text, and the end is that of a filter."""
        read = both(message(text_block("I cannot."), stop_reason="refusal"), ANSWER)
        assert (read.text, read.finish_reason) == ("I cannot.", FinishReason.CONTENT_FILTER)

    def test_calls_in_its_place(self) -> None:
        """With tools the model may call one first."""
        read = both(message(tool_block("f", {"a": 1}), stop_reason="tool_use"), ANSWER)
        assert read.finish_reason is FinishReason.TOOL_CALLS


class TestCustomTools:
    """Free text comes as the one argument of a function."""

    def test_it_is_unwrapped(self) -> None:
        """The caller gets the text that it declared."""
        read = both(PATCH, CUSTOM)
        assert read.tool_calls == (
            ToolCallDelta(index=0, id="toolu_01", name="patch", input="*** Begin\n+x", is_custom=True),
        )

    @pytest.mark.parametrize("given", [{}, {"text": "x"}, {"input": 3}])
    def test_what_is_not_its_text_is_marked(self, given: dict[str, Any]) -> None:
        """It is not guessed at."""
        read = both(message(tool_block("patch", given), stop_reason="tool_use"), CUSTOM)
        assert read.tool_calls[0].arguments_invalid
        assert read.finish_reason is FinishReason.LENGTH


class TestUsage:
    """Counts by our law: the prompt includes what was read and written."""

    def usage(self, *counts: dict[str, Any] | None, notes: list[str] | None = None) -> Usage | None:
        """Return what is believed of the counts at the beginning and at the end."""
        start, *ends = counts
        events = events_of(message(text_block("Hello there")))
        events[0]["message"]["usage"] = start
        deltas = [{**events[-2], "usage": each} for each in ends]
        return streamed([wire([*events[:-2], *deltas, events[-1]])], notes=notes).usage

    def test_later_counts_repeat_or_raise_those_before(self) -> None:
        """Some begin at zero, some repeat all at the end."""
        wanted = Usage(prompt_tokens=30, completion_tokens=9, cached_prompt_tokens=20)
        start = {"input_tokens": 10, "cache_read_input_tokens": 20, "output_tokens": 1}
        assert self.usage(start, {"output_tokens": 9}) == wanted
        assert self.usage(start, {**start, "output_tokens": 9}) == wanted
        assert self.usage({"input_tokens": 0, "output_tokens": 0}, {**start, "output_tokens": 9}) == wanted
        assert self.usage(start, {"output_tokens": 5}, {"output_tokens": 9}) == wanted

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ({"input_tokens": 10, "output_tokens": 1}, None),
            (None, {"output_tokens": 9}),
            ({"input_tokens": -1, "output_tokens": 1}, {"output_tokens": 9}),
            ({"input_tokens": "10", "output_tokens": 1}, {"output_tokens": 9}),
            ({"input_tokens": 10, "cache_read_input_tokens": 1e9}, {"output_tokens": 9}),
            ({"input_tokens": 10, "cache_creation_input_tokens": 991}, {"output_tokens": 9}),
            ({"input_tokens": 10}, {"output_tokens": 201}),
            ({"input_tokens": 10}, {"output_tokens": 0}),
            ({"input_tokens": 10}, {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 10}}),
            ({"input_tokens": True}, {"output_tokens": 9}),
        ],
    )
    def test_what_cannot_be_true_is_unknown(
        self, start: dict[str, Any] | None, end: dict[str, Any] | None
    ) -> None:
        """The reservation is then charged in full, and it is noted."""
        notes: list[str] = []
        assert self.usage(start, end, notes=notes) is None
        assert notes == [USAGE_IMPOSSIBLE]


class TestOddEvents:
    """What is beside the answer is passed over; what may be a part of it is not."""

    EVENTS = events_of(message(text_block("Hello there")))

    def reading(self, *odd: dict[str, Any], at: int = 3) -> Reply:
        """Read a text with these events in its middle."""
        return from_events([*self.EVENTS[:at], *odd, *self.EVENTS[at:]])

    @pytest.mark.parametrize(
        "odd",
        [
            {"type": "ping"},
            {"type": "some_news", "value": 1},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}},
        ],
    )
    def test_what_is_beside_the_answer(self, odd: dict[str, Any]) -> None:
        """It changes nothing."""
        assert self.reading(odd) == self.reading()

    @pytest.mark.parametrize(
        "odd",
        [
            {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 3}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": "x"},
            },
            {"type": "content_block_delta", "index": 0, "delta": {"type": "poem_delta", "poem": "x"}},
            {"type": "content_block_delta", "index": 0, "delta": "x"},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "poem"}},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "f"}},
            {"type": "content_block_start", "index": 1},
            {"text": "x"},
        ],
    )
    def test_what_may_be_a_part_and_cannot_be_read(self, odd: dict[str, Any]) -> None:
        """It is no answer."""
        with pytest.raises(UnreadableAnswer):
            self.reading(odd)

    def test_what_follows_the_stop_reason_is_refused(self) -> None:
        """Otherwise a part of the answer would be lost."""
        with pytest.raises(UnreadableAnswer, match="goes on"):
            self.reading(self.EVENTS[3], at=len(self.EVENTS) - 1)

    def test_an_error_event(self) -> None:
        """It says what it is."""
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        with pytest.raises(ErrorEvent):
            self.reading(error)

    def test_blocks_of_the_providers_own_tools(self) -> None:
        """They are no part of the answer."""
        read = both(
            message(
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                text_block("Hi"),
            )
        )
        assert (read.text, read.tool_calls) == ("Hi", ())

    def test_an_input_that_comes_with_the_beginning_of_its_block(self) -> None:
        """Some servers send it whole."""
        block = tool_block("f", {"a": 1})
        events = events_of(message(block, stop_reason="tool_use"))
        events[2]["content_block"] = block
        read = from_events([*events[:3], *events[-3:]])
        assert json.loads(read.tool_calls[0].arguments_json) == {"a": 1}

    def test_white_space_that_the_caller_has_is_not_said_again(self) -> None:
        """The API refuses a beginning that ends in it, so it was not sent."""
        form = ReplyForm(unsent_blanks=" \n")
        assert both(message(text_block(" \n  and on")), form).text == "  and on"
        assert both(message(text_block("and on")), form).text == "and on"

    @pytest.mark.parametrize("body", [[], {"type": "message", "content": 3}, {"content": []}, {"error": "x"}])
    def test_bodies_that_are_no_message(self, body: object) -> None:
        """They are no answer."""
        with pytest.raises(UnreadableAnswer):
            whole(body)
