"""Numbers that states give to people, by check digits and by words that name them."""

import re
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, PatternSet, as_data
from gateway.privacy.detector import (
    CHECKED,
    FAINT,
    LIKELY,
    PROBABLE,
    Match,
    accepted,
    context,
    digits_of,
    is_whole_token,
    sole_paragraph,
)
from gateway.privacy.detectors.card import has_luhn_digit, is_of_known_brand
from gateway.privacy.detectors.labelled import LabelledValues, number_end
from gateway.privacy.detectors.national_id_forms import FORMS
from gateway.privacy.detectors.national_id_rule import IdRule
from gateway.privacy.detectors.national_id_rules import RULES as KNOWN
from gateway.privacy.detectors.records import record_matches
from gateway.privacy.detectors.us_ssn import is_issuable
from gateway.privacy.things import has_ean_digit, is_epoch, is_of_something_else

RULES = (*KNOWN, *FORMS)
_WORD_SOURCES = [rf"\b(?:{rule.words})\b" for rule in RULES]
_ALL_WORDS = PatternSet(_WORD_SOURCES, ignore_case=True)
_SHAPE_SOURCES = [rf"\b(?:{rule.shape})\b" for rule in RULES]
_PATTERNS = [Pattern(source, ignore_case=True) for source in _SHAPE_SOURCES]
_WORDS = [Pattern(source, ignore_case=True) for source in _WORD_SOURCES]

_LABELLED = LabelledValues("documents")
_SHAPES = PatternSet(_SHAPE_SOURCES, ignore_case=True)
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_SSN_DIGITS = 9
_OF_AMERICANS = re.compile(r"(?:tax|tin|ein|social|national|citizen|identi|id)", re.IGNORECASE)
_CARD_DIGITS = (15, 16)
_DIGIT_SPACE = re.compile(rb"[0-9] ")
_DIALLED = b"tel:+"
"""Begins a telephone number (RFC 3966)."""
_SPACE_DIGIT = re.compile(rb" [0-9]")
_MAX_COUNT_DIGITS = 12
"""A bare number of at most this many digits may also be a time or a count."""
_TOO_FEW_DISTINCT = 2
"""A number with at most this many distinct characters is not issued."""


class NationalIdDetector:
    """Finds national identity, tax, health and similar numbers of people, passports and driving licences."""

    types = ("NATIONAL_ID",)
    min_digits = 4

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers that a rule accepts, and those directly after a label."""
        yield from record_matches(text, "NATIONAL_ID")
        data = as_data(text)
        yield from _by_label(text, data)
        if not (shaped := _SHAPES.matching(data)):
            return
        named = set(_ALL_WORDS.matching(data))
        sole = sole_paragraph(text)
        text = data.decode("latin-1")
        for index in shaped:
            if RULES[index].alone or index in named or sole:
                yield from _by_rule(text, data, index, sole, is_named=index in named)


def _by_label(text: str, data: bytes) -> Iterator[Match]:
    for start, end, name in _LABELLED.find(data):
        end = number_end(data, start, end)
        if end and not _is_of_another_type(text[start:end], name):
            yield _match(start, end, PROBABLE)


def _is_of_another_type(written: str, name: str) -> bool:
    """Whether a number is one of social security, or of a card, which have their own types."""
    digits = digits_of(written)
    if len(digits) == _SSN_DIGITS and _OF_AMERICANS.match(name):
        return is_issuable(digits) and bool(_SSN.fullmatch(written) or "ecurity" in name)
    return len(digits) in _CARD_DIGITS and has_luhn_digit(digits) and is_of_known_brand(digits)


def _by_rule(
    text: str, data: bytes, index: int, sole: tuple[int, int] | None, *, is_named: bool
) -> Iterator[Match]:
    rule = RULES[index]

    def match_at(start: int, end: int) -> Match | None:
        if not is_whole_token(data, start, end):
            return None
        written = text[start:end]
        if is_named and _WORDS[index].is_in(context(text, (start, end), before=80, after=30)):
            is_one = (rule.named or rule.is_valid)(written) or rule.is_valid(written)
            return _match(start, end, max(rule.alone, LIKELY)) if is_one else None
        is_alone = rule.alone > 0.0 and not _is_group(data, start, end) and rule.is_valid(written)
        confidence = rule.alone if is_alone else 0.0
        if 0.0 < confidence < CHECKED and is_of_something_else(text, start):
            return None
        if (start, end) == sole and rule.whole > confidence and _is_whole(rule, written):
            confidence = FAINT if _is_count(written) else rule.whole
        return _match(start, end, confidence) if confidence else None

    return accepted(_PATTERNS[index], data, match_at)


def _is_group(data: bytes, start: int, end: int) -> bool:
    """Whether a number with spaces is a part of a longer one, or is dialled with a plus."""
    if data[max(0, start - len(_DIALLED)) : start].lower() == _DIALLED:
        return True
    is_more = _SPACE_DIGIT.match(data, end) or _DIGIT_SPACE.match(data, max(0, start - 2), start)
    return is_more is not None and b" " in data[start:end]


def _is_count(written: str) -> bool:
    """Whether a number may be a time, an article or a count: every second one is valid in some country."""
    return written.isdigit() and (
        len(written) <= _MAX_COUNT_DIGITS or is_epoch(written) or has_ean_digit(written)
    )


def _is_whole(rule: IdRule, written: str) -> bool:
    """Whether a number that fills its paragraph may be one of this rule."""
    return len(set(written)) > _TOO_FEW_DISTINCT and (rule.sole or rule.is_valid)(written)


def _match(start: int, end: int, confidence: float) -> Match:
    return Match(type="NATIONAL_ID", start=start, end=end, confidence=confidence)
