"""Makes the variants of a text in which its private data is plain to detectors.

One pass over the text says which of them differ from it; nothing is built for the others.
"""

from collections.abc import Callable
from typing import NamedTuple

from gateway.domain.text.pattern import PatternSet
from gateway.privacy.detector import digits_in
from gateway.privacy.disguises import (
    BROKEN_PREFILTER,
    DICTATED_PREFILTER,
    ENCODED_PREFILTER,
    ONE_BY_ONE_PREFILTER,
    QUOTED_PREFILTER,
    decoded,
    dictated,
    in_latin,
    one_by_one,
    unquoted,
    whole_lines,
)
from gateway.privacy.escapes import ESCAPE_PREFILTER, unescaped
from gateway.privacy.named import named_values
from gateway.privacy.normalize import (
    SPELLED_DIGITS,
    SPELLED_PREFILTER,
    NormalText,
    normalise,
    parted,
    spelled,
)
from gateway.privacy.other_scripts import in_english
from gateway.privacy.split_words import FIELD_DIGITS, FIELD_PREFILTER, fields_as_words


class VariantRule(NamedTuple):
    """How one kind of variant is made, of which texts."""

    prefilter: str
    """A case-insensitive pattern; a text without a match has no such variant."""
    min_digits: int
    make: Callable[[NormalText], NormalText | None]


VARIANT_RULES = (
    VariantRule(SPELLED_PREFILTER, SPELLED_DIGITS, spelled),
    VariantRule(FIELD_PREFILTER, FIELD_DIGITS, fields_as_words),
    VariantRule(ESCAPE_PREFILTER, 0, unescaped),
    VariantRule(QUOTED_PREFILTER, 0, unquoted),
    VariantRule(ENCODED_PREFILTER, 0, decoded),
    VariantRule(DICTATED_PREFILTER, 0, dictated),
    VariantRule(ONE_BY_ONE_PREFILTER, 0, one_by_one),
    VariantRule(BROKEN_PREFILTER, 0, whole_lines),
)
_PREFILTERS = PatternSet([rule.prefilter for rule in VARIANT_RULES], ignore_case=True)


def variants_of(text: str) -> tuple[NormalText, ...]:
    """Return the normalised text, and the variants that make more data visible to detectors.

    The variants join digits that are written one by one, split field names into words, put the name of a
    value before it, translate words of other scripts into English, unescape characters, and split words at
    invisible marks. Raises UnicodeEncodeError for a lone surrogate, and MemoryError.
    """
    normal = normalise(text)
    plain = normal.text
    found = [normal]
    present = _PREFILTERS.matching(plain)
    if present:
        digits = digits_in(plain)
        for index in present:
            rule = VARIANT_RULES[index]
            if digits >= rule.min_digits:
                _add(found, rule.make(normal))
    if plain is text and text.isascii():
        _add(found, named_values(normal))
    else:
        english = in_english(normal)
        _add(found, english)
        _add(found, named_values(english or normal))
        _add(found, parted(text))
        _add(found, in_latin(normal))
    return tuple(found)


def _add(found: list[NormalText], variant: NormalText | None) -> None:
    if variant is not None:
        found.append(variant)
