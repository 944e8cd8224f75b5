"""Token counts of a provider are believed only where they can be true."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.bounds import AnswerBounds, fewest_tokens, letters
from gateway.backends.openai.answers import StreamReader, read_reply
from gateway.backends.openai.usage import larger, read_usage
from gateway.domain.answer import Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request
from tests.support.provider_bytes import BOUNDS, chunk, counted, counts, said, whole

ABSURD: list[object] = [
    None, True, False, -1, -(2**63), 1.5, 4.0, float("nan"), float("inf"), "5", "", [], {}, [5], 2**31, 2**63,
    2**64, 10**17, 10**30,
]  # fmt: skip


def usage_of(fields: object, *, fewest: int = 1, bounds: AnswerBounds = BOUNDS) -> Usage | None:
    """Return what is believed of counts."""
    return read_usage({"usage": fields}, None, bounds=bounds, fewest_tokens=fewest)


@pytest.mark.parametrize("absurd", ABSURD, ids=str)
def test_a_count_that_cannot_be_true_is_unknown(absurd: object) -> None:
    """In either place, and the answer counts all the same."""
    for fields in (counts(absurd, 5), counts(11, absurd), counts(absurd, absurd)):
        assert usage_of(fields) is None
        raw = json.dumps(whole("a good answer") | {"usage": fields}).encode()
        reply = read_reply(raw, BOUNDS, lambda _: None)
        assert (reply.text, reply.usage) == ("a good answer", None)


@pytest.mark.parametrize("digits", [18, 19, 20, 400, 4300, 4301, 60_000])
def test_a_count_of_many_digits_costs_neither_the_answer_nor_the_process(digits: int) -> None:
    """Python refuses to read a number of 4,301 digits; the text beside it is read all the same."""
    raw = json.dumps(whole("a good answer")).replace(": 5}", f": {'9' * digits}}}").encode()
    assert b"9" * digits in raw
    reply = read_reply(raw, BOUNDS, lambda _: None)
    assert (reply.text, reply.usage) == ("a good answer", None)


def test_zero_is_believed_only_where_nothing_was_said() -> None:
    """A prompt is never empty, and a text is never free."""
    assert usage_of(counts(0, 0)) is None
    assert usage_of(counts(0, 5)) is None
    assert usage_of(counts(11, 0)) is None
    assert usage_of(counts(11, 0), fewest=0) == Usage(prompt_tokens=11, completion_tokens=0)
    messages: list[dict[str, object]] = [{"content": "a"}, {"reasoning": "a"}, {"tool_calls": [{}]}]
    for message in messages:
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        raw = json.dumps({"choices": [choice], "usage": counts(11, 0)}).encode()
        assert read_reply(raw, BOUNDS, lambda _: None).usage is None


@given(st.integers(0, 3000), st.integers(0, 600), st.integers(1, 300))
def test_what_is_believed_is_possible(prompt: int, completion: int, fewest: int) -> None:
    """Never above what was reserved, never fewer tokens than the text has at least."""
    believed = usage_of(counts(prompt, completion), fewest=fewest)
    possible = 1 <= prompt <= BOUNDS.prompt_tokens and fewest <= completion <= BOUNDS.max_tokens
    expected = Usage(prompt_tokens=prompt, completion_tokens=completion)
    assert believed == (expected if possible else None)


def test_bounds_are_those_of_the_reservation() -> None:
    """Counts up to the reserved worst case are believed, one more is not."""
    request = Request(
        request_id="r", tenant="t", messages=(Message(role=Role.USER, content="a ß 語 and 😀 too"),)
    )
    bounds = AnswerBounds.of(request, max_tokens=7)
    most = counts(bounds.prompt_tokens, 7)
    assert usage_of(most, bounds=bounds) == Usage(prompt_tokens=bounds.prompt_tokens, completion_tokens=7)
    assert usage_of(counts(bounds.prompt_tokens + 1, 7), bounds=bounds) is None
    assert usage_of(counts(bounds.prompt_tokens, 8), bounds=bounds) is None


def test_a_long_prompt_takes_tokens() -> None:
    """A count that leaves out what came from the provider's cache is not the whole."""
    request = Request(
        request_id="r", tenant="t", messages=(Message(role=Role.USER, content="a word or two " * 7_000),)
    )
    bounds = AnswerBounds.of(request, max_tokens=200)
    assert usage_of(counts(3, 5), bounds=bounds) is None
    assert usage_of(counts(2_000, 5), bounds=bounds) is None, "no text has so few"
    assert usage_of(counts(25_000, 5), bounds=bounds) is not None


@pytest.mark.parametrize(
    ("more", "completion_tokens"),
    [
        ({"total_tokens": 16}, 5),
        ({"total_tokens": 3}, 5),
        ({"total_tokens": "many"}, 5),
        ({"total_tokens": 11 + 5 + 90}, 95),
        ({"total_tokens": 106, "completion_tokens_details": {"reasoning_tokens": 90}}, 95),
        ({"total_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 90}}, None),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, 5),
        ({"completion_tokens_details": {"reasoning_tokens": 90}}, None),
        ({"completion_tokens_details": None}, 5),
        ({"total_tokens": 2**40}, None),
    ],
)
def test_reasoning_is_charged_wherever_it_stands(
    more: Mapping[str, object], completion_tokens: int | None
) -> None:
    """Within the completion or beside it, or in the total alone; what contradicts itself is unknown."""
    believed = usage_of(counts(11, 5, **more))
    assert (believed.completion_tokens if believed else None) == completion_tokens


def test_counts_stand_where_providers_put_them() -> None:
    """At the top, in a field of Groq's, or in the choice."""
    own = counts(11, 5)
    places: list[tuple[Mapping[str, object], Mapping[str, object] | None]] = [
        ({"usage": own}, None),
        ({"usage": None, "x_groq": {"usage": own}}, None),
        ({}, {"usage": own}),
    ]
    for body, choice in places:
        assert read_usage(body, choice, bounds=BOUNDS, fewest_tokens=1) == Usage(
            prompt_tokens=11, completion_tokens=5
        )


WORDS = ["the", "harbour", "sleeps", "żółw", "Straßenbahn", "海", "船は", "лодка", "قارب", "42"]


def unnoted(_: str) -> None:
    """Take a note, and do nothing with it."""


@given(st.lists(st.sampled_from(WORDS), min_size=100, max_size=180), st.booleans(), st.booleans())
def test_a_text_has_more_tokens_than_a_liar_says(
    words: list[str], is_thought: bool, is_streamed: bool
) -> None:
    """One for each word is believed; one for eighty letters is not, whether they were said or thought."""
    text = " ".join(words)
    spoken = {"content": "Well.", "reasoning_content": text} if is_thought else {"content": text}
    for claimed, is_believed in ((len(words), True), (letters(text) // 80, False)):
        usage = counts(11, claimed)
        if is_streamed:
            stream = StreamReader(BOUNDS, unnoted)
            for event in (chunk(spoken), chunk({}, "stop"), counted(11, claimed)):
                stream.feed(event)
            got = stream.last_chunk().usage
        else:
            choice = {"index": 0, "message": spoken, "finish_reason": "stop"}
            got = read_reply(
                json.dumps({"choices": [choice], "usage": usage}).encode(), BOUNDS, unnoted
            ).usage
        assert (got is not None) is is_believed


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (" " * 2000, 17),
        ("-" * 2000, 40),
        ("─" * 2000, 70),
        ("| --- " * 100, 40),
        ("a" * 60, 1),
        ("港の船は静かに眠る。" * 40, 120),
        ("\n" * 500, 2),
    ],
)
def test_what_takes_few_tokens_is_believed(text: str, tokens: int) -> None:
    """Runs of blanks and lines, and one long name, are few tokens to every vocabulary."""
    assert fewest_tokens(len(text), letters(text)) <= tokens


@pytest.mark.parametrize("first", [(11, 90), (60, 5), (60, 90), (11, 5)])
@pytest.mark.parametrize("second", [(11, 90), (60, 5), (60, 90), (11, 5)])
def test_of_two_counts_the_larger_is_charged(first: tuple[int, int], second: tuple[int, int]) -> None:
    """A provider that takes a number back may bill it all the same."""
    stream = StreamReader(BOUNDS, unnoted)
    for event in (said("a text"), chunk({}, "stop", usage=counts(*first)), counted(*second)):
        stream.feed(event)
    most = [max(each) for each in zip(first, second, strict=True)]
    assert stream.last_chunk().usage == Usage(prompt_tokens=most[0], completion_tokens=most[1])


DIALECTS: dict[str, tuple[dict[str, object], Usage]] = {
    "OpenAI": (
        counts(
            300,
            40,
            total_tokens=340,
            prompt_tokens_details={"cached_tokens": 256},
            completion_tokens_details={"reasoning_tokens": 30},
        ),
        Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=256, reasoning_tokens=30),
    ),
    "xAI": (
        counts(300, 10, total_tokens=340, completion_tokens_details={"reasoning_tokens": 30}),
        Usage(prompt_tokens=300, completion_tokens=40, reasoning_tokens=30),
    ),
    "Gemini": (
        counts(300, 10, total_tokens=340),
        Usage(prompt_tokens=300, completion_tokens=40, reasoning_tokens=30),
    ),
    "DeepSeek": (
        counts(300, 40, prompt_cache_hit_tokens=256, prompt_cache_miss_tokens=44),
        Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=256),
    ),
    "LiteLLM": (
        counts(300, 40, cache_read_input_tokens=200, cache_creation_input_tokens=90),
        Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=200, cache_write_tokens=90),
    ),
    "beside the prompt": (
        counts(10, 40, cache_read_input_tokens=200, cache_creation_input_tokens=90),
        Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=200, cache_write_tokens=90),
    ),
    "responses": (
        {
            "input_tokens": 300,
            "output_tokens": 40,
            "input_tokens_details": {"cached_tokens": 256},
            "output_tokens_details": {"reasoning_tokens": 30},
        },
        Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=256, reasoning_tokens=30),
    ),
    "a cache that cannot be": (
        counts(300, 40, prompt_tokens_details={"cached_tokens": "256"}, cached_tokens=-1),
        Usage(prompt_tokens=300, completion_tokens=40),
    ),
}


@pytest.mark.parametrize(("fields", "usage"), DIALECTS.values(), ids=DIALECTS.keys())
def test_each_dialect_becomes_one_law(fields: dict[str, object], usage: Usage) -> None:
    """The prompt includes its cache, the completion what was thought."""
    assert usage_of(fields) == usage


def test_thought_that_is_more_than_the_answer_is_not_believed() -> None:
    """Unless the total shows it, nobody knows what was billed."""
    assert (
        usage_of(counts(40, 12, total_tokens=52, completion_tokens_details={"reasoning_tokens": 90})) is None
    )


def test_of_two_counts_the_charge_is_the_larger() -> None:
    """Whichever came first, and tokens from a cache are cheap only as far as both say so."""
    first = Usage(prompt_tokens=300, completion_tokens=40, cached_prompt_tokens=256)
    second = Usage(prompt_tokens=310, completion_tokens=30, cached_prompt_tokens=128, cache_write_tokens=5)
    both = Usage(prompt_tokens=310, completion_tokens=40, cached_prompt_tokens=128, cache_write_tokens=5)
    assert larger(first, second) == larger(second, first) == both
