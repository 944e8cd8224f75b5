"""Whether two answers say the same: what is told exactly, what a judge is asked, how its verdict is read."""

import json
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import Message, Role
from gateway.extras.mirror.agreement import (
    VERDICT_FORM,
    ComparisonKind,
    exact_agreement,
    judge_messages,
    read_verdict,
)


@pytest.mark.parametrize(
    ("one", "other", "how", "agreement"),
    [
        ('{"a": 1, "b": [true]}', '```json\n{"b": [true],\n "a": 1.0}\n```', ComparisonKind.JSON, 1.0),
        ('{"a": 1}', '{"a": true}', ComparisonKind.JSON, 0.0),
        ('{"a": 1}', '{"a": 1, "b": null}', ComparisonKind.JSON, 0.0),
        ("[1, 2]", "[2, 1]", ComparisonKind.JSON, 0.0),
        ("[1, 2]", "[1]", ComparisonKind.JSON, 0.0),
        ('{"a": null}', '{"a": 0}', ComparisonKind.JSON, 0.0),
        ("```JSON\r\n[1]\r\n```", "```\n[1]```", ComparisonKind.JSON, 1.0),
        ("[" * 700 + "]" * 700, "[" * 700 + "]" * 700, ComparisonKind.JSON, 1.0),
        ("[" * 700 + "1" + "]" * 700, "[" * 700 + "2" + "]" * 700, ComparisonKind.JSON, 0.0),
        ("42", " 42.\n", ComparisonKind.NUMBER, 1.0),
        ("1,000", "1000.0", ComparisonKind.NUMBER, 1.0),
        ("0.5", "-0.5", ComparisonKind.NUMBER, 0.0),
        ("1e3", "1000", ComparisonKind.NUMBER, 1.0),
        ("$5", "$5.00", ComparisonKind.NUMBER, 1.0),
        ("5 %", "5.1%", ComparisonKind.NUMBER, 0.0),
        ("B", "(b)", ComparisonKind.CHOICE, 1.0),
        ("B.", "B) a longer word on it,\nand more", ComparisonKind.CHOICE, 1.0),
        ("C: because", "B", ComparisonKind.CHOICE, 0.0),
        ("Yes.", "yes", ComparisonKind.CHOICE, 1.0),
        ("yes", "No!", ComparisonKind.CHOICE, 0.0),
        ("**Paris**", "paris", ComparisonKind.CHOICE, 1.0),
        ("Zürich", "ZÜRICH", ComparisonKind.CHOICE, 1.0),
    ],
)
def test_what_can_be_told_is_told(one: str, other: str, how: ComparisonKind, agreement: float) -> None:
    """JSON by value, numbers by value, choices without capitals and marks; and the order does not matter."""
    assert exact_agreement(one, other, has_schema=False) == (how, agreement)
    assert exact_agreement(other, one, has_schema=False) == (how, agreement)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "It is Paris."),
        ("42", "The answer is 42."),
        ("A dog barks.", "B"),
        ("B) this one", "B) that one"),
        ("", ""),
        ("yes", "yes, because it is"),
        ('{"a": 1}', "the value of a is 1"),
        ("1,00", "100"),
        ("7", "seven"),
        ("$5", "5"),
        ("9" * 70, "9" * 70),
    ],
)
def test_the_rest_is_for_a_judge(one: str, other: str) -> None:
    """Sentences, and forms that do not go together, are not told by their letters."""
    assert exact_agreement(one, other, has_schema=False) is None


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [("5", "5.0", 1.0), ('"a"', '"a"', 1.0), ("x", "x", 0.0), ("{", "{}", 0.0), ("NaN", "NaN", 0.0)],
)
def test_where_a_schema_was_asked_for_all_is_json(one: str, other: str, agreement: float) -> None:
    """What is no JSON agrees with nothing, not even with itself."""
    assert exact_agreement(one, other, has_schema=True) == (ComparisonKind.JSON, agreement)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_agrees_with_itself(value: object) -> None:
    """However it is written: keys in another order, more space."""
    one, other = json.dumps(value), json.dumps(value, indent=3, sort_keys=True)
    assert exact_agreement(one, other, has_schema=True) == (ComparisonKind.JSON, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "```" + "\n" * 200_000 + "x",
        "```\n" + " " * 200_000 + "x",
        "```\n" + "\n ```" * 50_000 + "x",
        "B) " + " " * 200_000 + "x",
        "[" * 700 + "]" * 700,
    ],
    ids=["breaks", "spaces", "fences", "choice", "deep"],
)
def test_no_text_holds_up_the_process(text: str) -> None:
    """A caller can ask a model for any text, and it is read between the answers to others."""

    def late(*_: object) -> None:
        raise TimeoutError("far more than one pass")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    try:
        exact_agreement(text, text, has_schema=False)
        read_verdict(text)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@given(st.text(max_size=200), st.text(max_size=200), st.booleans())
def test_any_two_texts_have_a_verdict(one: str, other: str, has_schema: bool) -> None:
    """Whatever models say, nothing raises, and the order of the two does not matter."""
    told = exact_agreement(one, other, has_schema=has_schema)
    assert told == exact_agreement(other, one, has_schema=has_schema)


def test_depth_and_digits_are_bounded() -> None:
    """What would take a parser down is no JSON and no number."""
    assert exact_agreement("[" * 100_000, "[" * 100_000, has_schema=True) == (ComparisonKind.JSON, 0.0)
    assert exact_agreement("1" * 5000, "1" * 5000, has_schema=True) == (ComparisonKind.JSON, 0.0)


def test_the_judge_sees_texts_as_they_are() -> None:
    """No escape stands between the detectors and a private datum; the parts are told apart."""
    asked = (Message(role=Role.SYSTEM, content="be brief"), Message(role=Role.USER, content='say "a"\n@b'))
    first, *others = judge_messages(asked, reference="one\ntwo", other="three")
    assert first.role is Role.SYSTEM
    assert '{"agreement": NUMBER}' in first.content
    assert [(each.role, each.content) for each in others] == [
        (Role.USER, "REQUEST, system:\n\nbe brief"),
        (Role.USER, 'REQUEST, user:\n\nsay "a"\n@b'),
        (Role.USER, "REFERENCE ANSWER:\n\none\ntwo"),
        (Role.USER, "OTHER ANSWER:\n\nthree"),
    ]
    assert json.loads(VERDICT_FORM.json_schema or "")["required"] == ["agreement"]


@pytest.mark.parametrize(
    ("text", "agreement"),
    [
        ('{"agreement": 0.75}', 0.75),
        ('```json\n{"agreement": 1}\n```', 1.0),
        ("0.5", 0.5),
        ('{"agreement": 1.5}', None),
        ('{"agreement": -0.1}', None),
        ('{"agreement": true}', None),
        ('{"agreement": "1"}', None),
        ('{"agree": 1}', None),
        ("They agree.", None),
        ("NaN", None),
        ("", None),
    ],
)
def test_a_verdict_is_a_number_or_none(text: str, agreement: float | None) -> None:
    """Only a number from 0 to 1 is one."""
    assert read_verdict(text) == agreement
