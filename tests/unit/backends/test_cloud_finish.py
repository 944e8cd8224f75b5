"""Words for the end of an answer: the table, and what is made of a word that is not in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.http.finish import WORDS, FinishMeaning, ending_of
from gateway.domain.answer import FinishReason


@given(
    st.sampled_from(sorted(WORDS)),
    st.sampled_from(
        [str, str.upper, str.title, lambda word: word.replace("_", "-"), lambda word: f" {word} "]
    ),
)
def test_spelling_does_not_matter(word: str, spell: object) -> None:
    """Case, blanks around it, and dashes for underscores."""
    assert callable(spell)
    assert ending_of(spell(word)) == WORDS[word]
    camel = "".join(part.title() for part in word.split("_"))
    assert ending_of(camel[0].lower() + camel[1:]) == WORDS[word]
    assert ending_of(f"FinishReason.{word.upper()}") == WORDS[word]


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("content_filter: HATE", FinishReason.CONTENT_FILTER),
        ("blocked_by_moderation", FinishReason.CONTENT_FILTER),
        ("output_guardrail", FinishReason.CONTENT_FILTER),
        ("internal_server_error", "FAILED"),
        ("request_timed_out", "FAILED"),
        ("client_disconnected", "FAILED"),
        ("engine_overloaded", "FAILED"),
        ("hit_token_limit", FinishReason.LENGTH),
        ("max-output-length", FinishReason.LENGTH),
        ("end_of_text", FinishReason.STOP),
        ("tool_calls_requested", FinishReason.TOOL_CALLS),
        ("xyzzy", "UNKNOWN"),
        ("<|im_end|>", FinishReason.STOP),
        ("", None),
        ("null", None),
        ("  ", None),
        ("\ud83d", None),
    ],
)
def test_a_word_that_is_not_in_the_table(word: str, ending: FinishMeaning | None) -> None:
    """Its parts say what kind of end it is; where they do not, the answer has ended, and nobody knows why."""
    assert ending_of(word) == ending


@given(st.text(max_size=300))
def test_any_word_has_a_meaning(word: str) -> None:
    """No word raises, however long or odd."""
    assert ending_of(word) in {*FinishReason, "FAILED", "UNKNOWN", None}
