"""What an answer comes to, so that two of them can be compared."""

import pytest

from gateway.backends.agreement import agreement, answer_key
from gateway.domain.answer import Chunk, FinishReason, ToolCallDelta
from gateway.domain.assembly import Assembly, assembled


def ended(text: str, reason: FinishReason = FinishReason.STOP) -> Assembly:
    """Return a whole answer."""
    return assembled([Chunk(text=text, finish_reason=reason)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("7 + 5 = 12", "The sum of 7 and 5 is 12."),
        ("1,200 in all", "It is 1200.0"),
        ("B", "The answer is (B)."),
        ("B) because it is so", "Answer: B"),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}'),
        ("Paris.", "paris"),
        ("Yes!", "yes"),
    ],
)
def test_answers_that_come_to_the_same(one: str, other: str) -> None:
    """An option, the last number, JSON by value, or the words."""
    assert answer_key(ended(one)) == answer_key(ended(other)) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It is 12", "It is 13"),
        ("-3", "3"),
        ("A", "B"),
        ("The answer is A", "The answer is C"),
        ('{"a": 1}', '{"a": 2}'),
        ("Paris", "London"),
        ("1.5", "15"),
    ],
)
def test_answers_that_do_not(one: str, other: str) -> None:
    """However alike they look."""
    assert answer_key(ended(one)) != answer_key(ended(other))


def test_half_a_word_does_not_count() -> None:
    """An answer that was cut may end in the middle of a number."""
    assert answer_key(ended("So 7 of 12", FinishReason.LENGTH)) == answer_key(ended("7"))
    assert answer_key(assembled([Chunk(text="So 7 of 12")])) == answer_key(ended("7"))


def test_calls_of_tools_are_compared_by_name_and_arguments() -> None:
    """The id of a call says nothing."""

    def call(call_id: str, arguments: str) -> Assembly:
        delta = ToolCallDelta(index=0, id=call_id, name="weather", arguments_json=arguments)
        return assembled([Chunk(tool_calls=(delta,), finish_reason=FinishReason.TOOL_CALLS)])

    assert answer_key(call("c1", '{"town": "Oslo"}')) == answer_key(call("c2", '{"town":"Oslo"}'))
    assert answer_key(call("c1", '{"town": "Oslo"}')) != answer_key(call("c1", '{"town": "Rome"}'))


@pytest.mark.parametrize(
    ("key", "others", "expected"),
    [
        ("a", ["a", "a"], 1.0),
        ("a", ["a", "b"], 2 / 3),
        ("a", ["b", "b"], 1 / 3),
        ("a", ["b", ""], 1 / 2),
        ("a", ["", ""], None),
        ("", ["a", "a"], None),
        ("a", [], None),
    ],
)
def test_agreement_is_a_share(key: str, others: list[str], expected: float | None) -> None:
    """Of the answers that come to something, the given one included."""
    assert agreement(key, others) == expected
