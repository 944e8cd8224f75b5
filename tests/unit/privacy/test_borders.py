"""Where a value ends: what is found of a value by itself is found in every cell, path and sentence too."""

import random
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, Detector, Match, PrivacyScorer
from gateway.privacy.classify import CONFIDENT
from gateway.privacy.detectors.named_by_model import AidedDetector, ModelDetector
from gateway.privacy.normalize import normalise
from tests.support.data_carriers import CARRIERS, NEIGHBOURS, carried
from tests.support.data_values import MAKERS
from tests.support.draws import examples
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
DETECTORS: dict[str, Detector] = {
    kind: each.listed if isinstance(each, AidedDetector) else each
    for each in DEFAULT_DETECTORS
    if not isinstance(each, ModelDetector)
    for kind in each.types
}
"""Without the name model, which promises nothing of the kind."""
VALUES = examples(40)
"""Of each type, in each carrier."""
NOT_CLAIMED = {
    ("PERSON", "path"), ("PERSON", "underscores"), ("PERSON", "file of a day"), ("PERSON", "LaTeX"),
    ("PHONE", "file of a day"),
}  # fmt: skip
"""Names joined to other words are those of files and things in programs, or of firms; phones hold dashes."""


def best(kind: str, text: str, start: int, end: int) -> float:
    """Return how sure the surest finding is that holds most of a place."""
    least = (end - start) * 2 // 3
    sure = [
        match.confidence
        for match in DETECTORS[kind].find(normalise(text).text)
        if min(match.end, end) - max(match.start, start) >= least
    ]
    return max(sure, default=0.0)


def alone(kind: str, value: str) -> Match | None:
    """Return what is found of a value among words that say nothing; offsets are those in the value."""
    found = [each for each in DETECTORS[kind].find(f"see {value} here") if each.start >= 4]
    if not found:
        return None
    match = max(found, key=lambda each: (each.confidence, each.end - each.start))
    return match._replace(start=match.start - 4, end=match.end - 4)


def placed(kind: str, carrier: str) -> Iterator[tuple[str, int, Match]]:
    """Yield texts in which a value stands in a carrier, where it starts, and what is found of it alone."""
    rng = random.Random(f"{kind} {carrier}")
    for _ in range(VALUES):
        value = MAKERS[kind](rng)
        match = alone(kind, value)
        before, after = rng.choice(NEIGHBOURS), rng.choice(NEIGHBOURS)
        if rng.random() < 0.1 and kind != "ADDRESS":
            before = value
        made = carried(carrier, value, before, after)
        if match is not None and made is not None:
            yield *made, match


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_what_is_found_of_a_value_is_found_of_it_in_data(kind: str) -> None:
    """Whatever stands in the cells beside a value, it is found there and counts for as much."""
    checked, lost = 0, []
    for carrier in CARRIERS:
        for text, at, match in placed(kind, carrier):
            checked += 1
            got = best(kind, text, at + match.start, at + match.end)
            if got < min(match.confidence, CONFIDENT) and (kind, carrier) not in NOT_CLAIMED:
                lost.append((carrier, text, got))
    assert not lost
    assert checked > VALUES * len(CARRIERS) // 2, "the values are those that the detector finds"


def test_every_detector_is_tried() -> None:
    """Each type that is found without a model has values here."""
    assert set(MAKERS) == set(DETECTORS)


CARD = "5555 5555 5555 4444".replace(" ", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{CARD}.00", "decimals of an amount"),
        (f"{CARD}.0", "a whole number of a column of floats"),
        (f"{CARD}.000000", "decimals of a database"),
        (f"7,{CARD},9.99", "cells of CSV"),
        (f"{CARD},{CARD}", "a list"),
        (f"9,99;{CARD};9,99", "decimal commas"),
        (f"2024-{CARD}", "a dash, which the number itself has not"),
        (f"a\\n{CARD}", "an escaped line end"),
        (f"%22{CARD}%22", "escaped quotes of a URL"),
        (f"\\u0022{CARD}\\u0022", "escaped quotes of JSON"),
    ],
)
def test_marks_beside_a_number_that_end_it(text: str, why: str) -> None:
    """Commas, decimals of amounts, escapes and marks that a value is not written with end it."""
    assert {text[f.start : f.end] for f in SCORER.score_text(text).findings} == {CARD}, why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"0.{CARD}", "a fraction"),
        (f"{CARD}.123", "a number with a fraction"),
        (f"{CARD}.1.2", "parts of a version"),
        (f"a{CARD}", "a piece of a word"),
        (f"{CARD}7", "a piece of a number"),
        ("5555-5555-5555-4444-1", "a longer number with the same mark"),
        ("1.10.0.0.1.2", "a number of a section"),
        ("1-219-09-9999-7", "a longer number"),
    ],
)
def test_marks_beside_a_number_that_go_on_with_it(text: str, why: str) -> None:
    """Fractions, versions and longer numbers hold no shorter ones."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC, why


@pytest.mark.parametrize("before", ["は", "号", "คือ", "는", "номер", "é", "א"])
@pytest.mark.parametrize("after", ["です", "。", "ครับ", "입니다", "ш", "ß", "ת"])
def test_letters_of_other_scripts_end_a_number(before: str, after: str) -> None:
    """Only ASCII's letters and digits go on with a value that is written in them."""
    for number in (CARD, "219-09-9999", "GB82WEST12345698765432", "+442079460958", "390.533.447-05"):
        text = f"{before}{number}{after}"
        places = [text[f.start : f.end] for f in SCORER.score_text(text).findings]
        assert number in places


# Prepended_Concatenation_Mark, annotations and joints of hieroglyphs are seen, though of category Cf.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0xFFF9, 0xFFFC),
        *range(0x13430, 0x13460)}  # fmt: skip
INVISIBLE = [
    code
    for code in range(sys.maxunicode + 1)
    if (unicodedata.category(chr(code)) == "Cf" and code not in SEEN)
    or "VARIATION SELECTOR" in unicodedata.name(chr(code), "")
    or 0xE0000 <= code <= 0xE0FFF
]


def test_no_invisible_character_hides_a_number() -> None:
    """Every character that Unicode says to show as nothing is nothing: inside a number, and beside it."""
    assert len(INVISIBLE) > 4_000
    for code in (*INVISIBLE, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0, 0xFFF0):
        assert normalise(f"{CARD[:7]}{chr(code)}{CARD[7:]}").text == CARD, hex(code)


def test_no_invisible_character_joins_a_number_to_its_neighbours() -> None:
    """Nor does any of them, where lines and cells were copied, hide the border between two values."""
    for code in (*INVISIBLE[::23], 0xAD, 0x200B, 0x202A, 0xFEFF):
        mark = chr(code)
        for text in (f"x{mark}{CARD}{mark}y", f"1{mark}{CARD}{mark}2", f"PAN{mark}{CARD}"):
            assert {text[f.start : f.end] for f in SCORER.score_text(text).findings} == {CARD}, hex(code)


DASHES = [code for code in range(0x20000) if unicodedata.category(chr(code)) == "Pd"]


@pytest.mark.parametrize("number", ["219-09-9999", "5555-5555-5555-4444"])
def test_every_dash_of_unicode_is_a_dash(number: str) -> None:
    """Also what is used for one between digits: the long vowel of Japanese, wide tildes, middle dots."""
    assert len(DASHES) > 20
    for code in (*DASHES, 0x2D7, 0x2043, 0x2212, 0xFF5E, 0x30FC, 0x30FB, 0xB7, 0x2022):
        text = f"it is {number.replace('-', chr(code))} here"
        assert [len(number)] == [f.end - f.start for f in SCORER.score_text(text).findings], hex(code)
    assert normalise("パスワード・10・メール").text == "パスワード・10・メール"


@pytest.mark.parametrize("digits", range(7, 13))
def test_a_bare_number_is_nothing_that_is_kept(digits: int) -> None:
    """Times, counts and orders have a right check digit of some country; that alone says little."""
    rng = random.Random(digits)
    for _ in range(200):
        number = "1" + "".join(rng.choices("0123456789", k=digits - 1))
        for text in (number, f"Order number {number} has not arrived", f"{number}\n"):
            assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


@pytest.mark.parametrize("text", ["54362315K", "390.533.447-05", "943 476 5919", "DE136695976"])
def test_a_number_with_letters_or_separators_that_stands_alone_is_kept(text: str) -> None:
    """What is written as its document has it is more than a count."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.RESTRICTED


@pytest.mark.parametrize("text", ["VAT DE136695976", "USt-IdNr. DE123456789", "our VAT: ATU13585627"])
def test_the_tax_number_of_a_firm_is_public(text: str) -> None:
    """Firms print their numbers for value added tax on every bill."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", " | "])
def test_a_column_of_values_is_found_in_every_row(mark: str) -> None:
    """A file of thirty rows has thirty findings of each of its columns."""
    rng = random.Random(mark)
    rows = [
        [str(number), MAKERS["CREDIT_CARD"](rng), MAKERS["US_SSN"](rng), MAKERS["EMAIL"](rng), "9.99"]
        for number in range(1000, 1030)
    ]
    text = "\n".join([mark.join(["id", "a", "b", "c", "d"]), *map(mark.join, rows)])
    found = {(f.type, text[f.start : f.end]) for f in SCORER.score_text(text).findings}
    kinds = ("CREDIT_CARD", "US_SSN", "EMAIL")
    assert found >= {(kind, row[at]) for row in rows for at, kind in enumerate(kinds, start=1)}


PUBLIC = [
    "v1.2.3, v10.20.30-rc.1 and 2.0.0.dev202401",
    "at 12:30:45.123, 2024-01-31T08:15:00Z, 31/01/2024",
    "52.5200066,13.4049540 and -33.8688197,151.2092955",
    "1,234,567.89 EUR, 1.234.567,89 EUR, 12,50 each, 3 for 2",
    "[0.1234567890123456, 0.9876543210987654, 1e-9]",
    "x_1234567890123 = foo_bar_42(1_000_000_000)",
    "pi=3.141592653589793,e=2.718281828459045",
    "id,ts\n1,1700000000000\n2,1700000000123",
    "sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "3369c17a-4171-4831-9219-441362834517",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_numbers_of_other_things_stay_public(text: str) -> None:
    """Versions, times, places, prices, fractions and identifiers are no private data."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC
