"""The parts of a candidate that may be a telephone number, by the positions of its digits and marks."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern

EXTENSION = (
    r"(?:[ ,]{0,2}(?:;ext=|x|#|(?:extension|extn?|poste|durchwahl|dw|anexo|ramal|wewn?|klapka|toestel|tst"
    r"|anknytning|dahili|interno|int|linia)[.:]?) {0,2}\d{1,6})?"
)
NORTH_AMERICAN_FORM = (
    r"^(?:(?:\+|00)?{one}[ .-]?)?(?:\({area}\)[ ./-]?|{area}[. -]){area}[.-]\d{{4}}{extension}$"
)
_AS_NORTH_AMERICAN = Pattern(
    NORTH_AMERICAN_FORM.format(one=r"\d", area=r"\d{3}", extension=EXTENSION), ignore_case=True
)
AREA_IN_BRACKETS = Pattern(r"^\((?:\d{2,3}|[03-9]\d{3})\)[ -]?(?:\d{6,9}|\d{2,5}(?:[ .-]\d{2,5}){1,3})$")
_EXTENDED = Pattern(rf"^\d[\d ./()-]*[ ./)-]\d+{EXTENSION[:-1]}$", ignore_case=True)
_SOMETHING_ELSE = Pattern(
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2})?$"
    r"|^\d{3}-\d{2}-\d{4}$"
)
_LIKE_IP = Pattern(r"^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$")
_FIELD_END = re.compile(rb"/|\)(?=\()")
_BETWEEN = re.compile(rb" (?!-)|" + _FIELD_END.pattern)
"""Separators that may be between two numbers; `_FIELD_END` seldom occurs within one."""
GROUP = re.compile(rb"[0-9]+")
_OTHER_CHARS = re.compile(r"[^0-9 ./()+-]")
"""The first begins an extension."""
MIN_GROUPS_WITH_CODE = 3
_MIN_DIGITS = 6
MIN_WITHOUT_WORD = 7
_MAX_DIGITS = 21
"""Fifteen (ITU-T E.164) and an extension."""


class PhoneForm(NamedTuple):
    """A part of a candidate that may be a number by the positions of its digits and marks."""

    start: int
    end: int
    digits: int
    needs_zero: bool
    """Whether it is one only if its first digit is a zero."""
    is_whole: bool
    """Whether no further digits are beside it."""
    needs_label: bool
    """Whether it is one only right behind words that announce it: it looks like something else."""


@lru_cache(maxsize=4096)
def forms_of(shape: bytes, has_word: bool) -> tuple[PhoneForm, ...]:
    """Return the parts that may be a number, the most likely first, for a candidate with nines as digits.

    Decimals, dates and counts have few shapes; the cache computes each once.
    """
    found = []
    for start in _starts(shape):
        for end in _ends(shape, start):
            is_whole = _is_border(shape, start) and _is_border(shape, end)
            form = _form(shape[start:end], start, has_word=has_word, is_whole=is_whole)
            if form is not None:
                found.append(form)
    return tuple(found)


def _is_border(shape: bytes, at: int) -> bool:
    """Whether no digits of the same number or list can be on both sides of a place in a candidate."""
    beside = shape[max(0, at - 1) : at + 1], shape[max(0, at - 2) : at], shape[at : at + 2]
    return at <= shape.startswith((b"(", b"+")) or at == len(shape) or b"/" in beside[0] or b")(" in beside


def _starts(shape: bytes) -> Iterator[int]:
    """Yield the possible starts: the first group, up to two groups later, or a field."""
    behind = [found.end() for found in _BETWEEN.finditer(shape)][:2]
    starts = {0, *behind, *[found.end() for found in _FIELD_END.finditer(shape)][:2]}
    if shape.startswith(b"+"):
        starts.add(1)  # The plus may be an operator, or a space in a query.
    # A bracket before the number may be one around it.
    yield from sorted(starts | {at + 1 for at in starts if shape.startswith(b"(", at)})


def _ends(shape: bytes, start: int) -> Iterator[int]:
    """Yield the possible ends: the last group, up to two before, or a field; the longest first."""
    before = [found.start() for found in _BETWEEN.finditer(shape, start + 1)][-2:]
    ends = {len(shape), *before, *[found.start() for found in _FIELD_END.finditer(shape, start + 1)][:2]}
    yield from sorted(ends, reverse=True)


def _form(shape: bytes, start: int, *, has_word: bool, is_whole: bool) -> PhoneForm | None:
    written, digits = shape.decode("latin-1"), shape.count(b"9")
    main = main_of(written)
    is_spelled = len(main) >= 2 * main.count("9") - 1
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS or is_spelled or _SOMETHING_ELSE.is_in(written):
        return None
    needs_label = (main.count("9") + 1 == len(main) and "." in main) or _LIKE_IP.is_in(main)
    if needs_label and (digits < MIN_WITHOUT_WORD or not has_word):
        return None
    is_free = has_word or written.startswith("+") or _AS_NORTH_AMERICAN.is_in(written)
    is_free = is_free or AREA_IN_BRACKETS.is_in(written) or _EXTENDED.is_in(written)
    if not is_free and (digits < MIN_WITHOUT_WORD or b" - " in shape):
        return None
    may_have_code = is_whole and len(GROUP.findall(shape)) >= MIN_GROUPS_WITH_CODE
    return PhoneForm(start, start + len(shape), digits, not (is_free or may_have_code), is_whole, needs_label)


def main_of(written: str) -> str:
    """Return a number without its extension and a trunk zero in brackets."""
    extension = _OTHER_CHARS.search(written)
    return (written[: extension.start()] if extension else written).replace("(0)", "").rstrip(" ,")
