"""Values in disguise are found, and the place of a finding is the whole disguise; ordinary text has none."""

import base64
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.privacy import PrivacyClass
from gateway.privacy.disguises import (
    decoded,
    dictated,
    in_latin,
    one_by_one,
    unquoted,
    whole_lines,
)
from gateway.privacy.normalize import MAX_EDITS, normalise
from gateway.privacy.variants import variants_of
from tests.support.detector_texts import SCORER
from tests.support.draws import examples

MAIL = "maria.kowalski@example.org"
CARD = "4111 1111 1111 1111"
ALIKE = {"a": 0x430, "c": 0x441, "e": 0x435, "o": 0x43E, "p": 0x440, "x": 0x445, "y": 0x443}
"""Cyrillic letters that look like Latin ones."""
GREEK = {"o": 0x3BF, "a": 0x3B1}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(code=ord(char)) for char in text)


def _of_alphabet(letters: Mapping[str, int]) -> Callable[[str], str]:
    table = {ord(latin): chr(code) for latin, code in letters.items()}
    return lambda text: text.translate(table)


DISGUISES: Mapping[str, Callable[[str], str]] = {
    "base64": _base64,
    "base64 without padding, for URLs": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "base64 of base64": lambda text: _base64(_base64(text)),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "URL encoding": _each("%{code:02X}"),
    "HTML entities": _each("&#{code};"),
    "HTML entities in hexadecimal": _each("&#x{code:x};"),
    "escapes of JSON": _each("\\u{code:04x}"),
    "escapes of programs": _each("\\x{code:02x}"),
    "quoted-printable": _each("={code:02X}"),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if char > " " else char for char in text),
    "spaces between": lambda text: " ".join(text.replace(" ", "")),
    "dots between": lambda text: ".".join(text.replace(" ", "")),
    "dashes between": lambda text: "-".join(text.replace(" ", "")),
    "a hyphen at the end of a line": lambda text: f"{text[:16]}-\n{text[16:]}",
}  # fmt: skip


def found_in(text: str) -> dict[str, str]:
    """Return what of a text was found, by type."""
    return {each.type: text[each.start : each.end] for each in SCORER.score_text(text).findings}


@pytest.mark.parametrize("name", DISGUISES)
@pytest.mark.parametrize(("kind", "value"), [("EMAIL", MAIL), ("CREDIT_CARD", CARD)])
def test_a_value_in_disguise_is_found_whole(name: str, kind: str, value: str) -> None:
    """The finding covers all of the disguise, so that a mask does."""
    hidden = DISGUISES[name](value)
    assert found_in(f"Please note {hidden} as I said")[kind] == hidden


@pytest.mark.parametrize("letters", [ALIKE, GREEK], ids=["Cyrillic", "Greek"])
def test_letters_that_look_alike_are_read(letters: Mapping[str, int]) -> None:
    """An address in which some letters are of another script is an address."""
    hidden = _of_alphabet(letters)(MAIL)
    assert hidden != MAIL
    assert found_in(f"Please note {hidden} as I said")["EMAIL"] == hidden


@pytest.mark.parametrize(
    "hidden",
    [
        "maria.kowalski%40example.org", "maria.kowalski&#64;example.org", "maria.kowalski\\u0040example.org",
        "maria.kowalski=40example.org", "maria.kowalski@\nexample.org",
    ],
)  # fmt: skip
def test_one_mark_in_disguise_is_enough(hidden: str) -> None:
    """The sign of an address alone may be escaped, or stand at the end of a line."""
    assert found_in(f"Please note {hidden} as I said")["EMAIL"] == hidden


@pytest.mark.parametrize(
    "digits",
    [
        "zero one two three four five six seven eight nine",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "zéro un deux trois quatre cinq six sept huit neuf",
        "null eins zwei drei vier fünf sechs sieben acht neun",
        "zero um dois três quatro cinco seis sete oito nove",
        "zero uno due tre quattro cinque sei sette otto nove",
        "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
        "zero jeden dwa trzy cztery piec szesc siedem osiem dziewiec",
    ],
    ids=["en", "es", "fr", "de", "pt", "it", "pl", "pl without accents"],
)  # fmt: skip
@pytest.mark.parametrize("between", [" ", ", ", "-"])
def test_a_dictated_number_is_found_whole(digits: str, between: str) -> None:
    """A card number in words is one, in each language."""
    words = digits.split()
    hidden = between.join(words[int(digit)] for digit in "5500000000000004")
    assert found_in(f"The card is {hidden}.")["CREDIT_CARD"] == hidden


def test_a_number_that_is_broken_once_is_found_whole() -> None:
    """A card number in the middle of which a line ends is one; numbers in a column are not joined."""
    assert found_in("card: 4111 1111\n1111 1111 thanks")["CREDIT_CARD"] == "4111 1111\n1111 1111"
    assert whole_lines(normalise("id,count\n41111111,12\n11111111,15\n")) is None


def test_what_a_token_holds_has_its_name_beside_it() -> None:
    """A token is decoded in its place, so that the name before it counts."""
    texts = [each.text for each in variants_of(f'{{"auth": "{_base64("registry:Tr0ub4dor-9")}"}}')]
    assert '{"auth": "registry:Tr0ub4dor-9"}' in texts


@pytest.mark.parametrize(
    "text",
    [
        "Write a short poem about the sea, and internationalisation of telecommunications.",
        "commit 3f2a9c0de8b4417f0a9c3e5d7b6a1f2e4c8d9b0a and 550e8400-e29b-41d4-a716-446655440000",
        "one or two of the three people took four days", "width=40px; height=41px",
        "U.S.A. and e.g. J. R. R. Tolkien",
        "first line\nsecond line -\nthird line", "| 1000 | 2000 |\n| 3000 | 4000 |", "ID 12345678\nID 8765",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk", "Привет, как дела? Мне 25 лет",
    ],
)  # fmt: skip
def test_ordinary_text_has_no_such_variant(text: str) -> None:
    """Nothing is built for a text without a sign of a disguise."""
    normal = normalise(text)
    for undo in (decoded, dictated, in_latin, one_by_one, unquoted, whole_lines):
        assert undo(normal) is None, undo.__name__


def test_a_token_that_is_too_long_or_nested_too_deep_is_left() -> None:
    """Decoding is bounded: two levels, and 64 kB a token."""
    deep = _base64(_base64(_base64(MAIL)))
    assert "EMAIL" not in found_in(f"Please note {deep}")
    assert decoded(normalise(_base64("some words and " * 8_000))) is None


def test_a_text_full_of_tokens_is_bounded() -> None:
    """Of one text the first MAX_EDITS tokens are decoded."""
    variant = decoded(normalise(f"{_base64(MAIL)} " * (MAX_EDITS + 100)))
    assert variant is not None
    assert variant.text.count("@") == MAX_EDITS


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60), st.sampled_from(sorted(DISGUISES)), st.text(max_size=60))
def test_a_disguise_among_any_text_is_mapped_into_it(before: str, name: str, behind: str) -> None:
    """Whatever stands around it, each finding lies within the text, and the class is no lower."""
    text = f"{before}\n\n{DISGUISES[name](MAIL)}\n\n{behind}"
    privacy = SCORER.score_text(text)
    assert "failed" not in privacy.reason
    assert privacy.privacy_class >= PrivacyClass.CONFIDENTIAL
    assert all(0 <= each.start < each.end <= len(text) for each in privacy.findings)
