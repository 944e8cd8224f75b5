"""Patterns over text of strangers, and the disguises that are undone before detectors see it."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.text.pattern import Pattern, PatternSet
from gateway.privacy.normalize import normalise


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tel 555 now", "ASCII"),
        ("téléphone 555 où", "Latin-1: one byte here, two in UTF-8"),
        ("電話は 555 です", "three bytes in UTF-8"),
        ("😀😀 555", "four bytes in UTF-8"),
    ],
)
def test_offsets_count_characters(text: str, why: str) -> None:
    """A pattern gives offsets in characters whatever the script around the match."""
    (span,) = Pattern(r"\d+").find(text)
    assert text[span.start : span.end] == "555", why


def test_groups_have_places() -> None:
    """Each group of a match has a place of its own; one that took no part has none."""
    (span,) = Pattern(r"(a)(x)?(b)").find("éab")
    assert span.groups == ((1, 2), (-1, -1), (2, 3))


@given(st.text(alphabet="abc019-. \n", max_size=200))
def test_a_set_finds_what_its_patterns_find(text: str) -> None:
    """One pass over a text names exactly the patterns that match it."""
    sources = [r"\b\d{3}-\d{2}\b", r"[abc]{2,}\.", r"\b0[19]+\b", r"^$", r"a.*\n.*b"]
    expected = [index for index, source in enumerate(sources) if Pattern(source).is_in(text)]
    assert PatternSet(sources).matching(text) == expected


def test_a_set_that_runs_out_of_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """RE2 answers nothing at all when its states do not fit; that is not taken for "nothing matches"."""

    patterns = PatternSet(["a"])
    monkeypatch.setattr(patterns, "_match", lambda _: [])
    with pytest.raises(MemoryError):
        patterns.matching("a")


@pytest.mark.parametrize(
    ("written", "seen", "why"),
    [
        ("plain 123", "plain 123", "nothing to undo"),
        ("\uff11\uff12\uff13", "123", "full-width digits"),
        ("a\uff20b\uff0ecom", "a@b.com", "full-width punctuation"),
        ("\u0661\u0662\u0663", "123", "Arabic-Indic digits"),
        ("555\u00a0123", "555 123", "a space that does not break"),
        ("555\u2013123", "555-123", "an en dash"),
        ("\u201cx\u201d \u2019", '"x" \'', "typographic quotes"),
        ("5\u200b5\u20605", "555", "characters without width"),
        ("pass\u00adword", "password", "a soft hyphen"),
        ("naïve żółw 日本", "naïve żółw 日本", "letters stay as they are"),
    ],
)
def test_disguises_are_undone(written: str, seen: str, why: str) -> None:
    """Detectors see ordinary characters in place of those that only look like them."""
    assert normalise(written).text == seen, why


def test_places_lead_back_to_the_original() -> None:
    """A place in the normal text leads to the one in the original, invisible characters included."""
    written = "x\u200b 4\u200b1\u200b1 y"
    normal = normalise(written)
    start = normal.text.index("411")
    first, last = normal.span(start, start + 3)
    assert written[first:last] == "4\u200b1\u200b1"


@given(st.text())
def test_normal_text_keeps_one_offset_a_character(text: str) -> None:
    """Every character of the normal text has a place of its own in the original, in order."""
    normal = normalise(text)
    starts = [normal.span(i, i + 1)[0] for i in range(len(normal.text))]
    assert starts == sorted(set(starts))
    assert all(0 <= start < len(text) for start in starts)


def test_what_is_no_character_cannot_be_read() -> None:
    """A lone surrogate is refused: nobody can say what it hides."""
    with pytest.raises(UnicodeEncodeError):
        normalise("a\ud800b")


def test_digits_of_every_script_are_undone() -> None:
    """No digit that this Python knows is left as it is, in whatever plane of Unicode it stands."""
    digits = [char for char in map(chr, range(sys.maxunicode + 1)) if char.isdecimal()]
    assert normalise("".join(digits)).text == "".join(str(unicodedata.decimal(digit)) for digit in digits)
    assert len(digits) > 600
