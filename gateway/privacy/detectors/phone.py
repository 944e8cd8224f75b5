"""Telephone numbers: international ones, and national ones by format or a word near them."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import (
    CHECKED,
    LIKELY,
    POSSIBLE,
    PROBABLE,
    Match,
    context,
    digits_of,
    is_whole_token,
)
from gateway.privacy.detectors.phone_numbers import is_international, is_national, preload

_EXTENSION = r"(?: ?(?:x|ext\.?|extension) ?\d{1,6})?"
_JOINT = r"(?:\)?(?:[ ./-]| - )\(?|\)\(?|\()"
_CANDIDATE = Pattern(
    rf"(?:\+ ?)?\(?(?:\d{{1,15}}(?:{_JOINT}\d{{1,12}}){{1,7}}|\d{{6,15}}){_EXTENSION}", ignore_case=True
)
_NORTH_AMERICAN_FORM = (
    r"^(?:(?:\+|00)?{one}[ .-]?)?(?:\({area}\)[ .-]?|{area}[. -]){area}[.-]\d{{4}}{extension}$"
)
_NORTH_AMERICAN = Pattern(
    _NORTH_AMERICAN_FORM.format(one="1", area=r"[2-9]\d\d", extension=_EXTENSION), ignore_case=True
)
_AS_NORTH_AMERICAN = Pattern(
    _NORTH_AMERICAN_FORM.format(one=r"\d", area=r"\d{3}", extension=_EXTENSION), ignore_case=True
)
_LIKE_NORTH_AMERICAN = Pattern(r"^(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}$")
_TRUNK = Pattern(r"^(?:\(0\d{1,5}\) ?[\d ./-]{5,12}|0\d{1,5}[ /-][\d ./-]{5,12}|0\d{9,10})$")
_SOMETHING_ELSE = Pattern(
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2})?$"
    r"|^\d{3}-\d{2}-\d{4}$|^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$"
)
_WORDS = (
    r"(?:(?:tele)?phones?|phone ?no|tel(?:nr|no)?|telephon|telefon[a-z]{0,3}|t[eé]l[eé]phone|t[eé]l[eé]fono"
    r"|telepono|mobiles?|mob|m[oó]vil|mobil|cell(?:ular|phone)?|celular|handy|fax|whats ?app|msisdn|sms|desk"
    r"|n[uú]m[eé]ro (?:de )?portable|numero di cellulare|landline|hotline"
    r"|dial(?:led|ing)?|pager|call(?:ed|ing)?|ring|(?:text(?:ed)?|reach(?:ed)?) (?:me|him|her|them|us)"
    r"|contact (?:number|no)|(?:my|his|her|their|our) (?:[A-Za-z]+ )?number)"
)
_LABEL = Pattern(
    r"\b" + _WORDS + r"\b(?: ?(?:numbers?|no|nr|num|numm?er|line))?\.?(?: (?:me|him|her|us|them|back))?"
    r"(?: (?:is|was|at|on|under|to))?[\"']?\s*[:=#(>-]?[\s\"']*(?:is )?$",
    ignore_case=True,
)
_WORD = Pattern(r"\b" + _WORDS + r"\b", ignore_case=True)

_FIELD_END = re.compile(rb"/|\)(?=\()")
_BETWEEN = re.compile(rb" (?!-)|" + _FIELD_END.pattern)
"""Separators that may be between two numbers; `_FIELD_END` seldom occurs within one."""
_ANY_DIGIT = bytes.maketrans(b"0123456789", b"9999999999")
_NATIONAL_DIGITS = 10
"""Digits of a North American number."""
_MIN_DIGITS = 6
_MIN_WITHOUT_WORD = 7
_MAX_DIGITS = 21
"""Fifteen (ITU-T E.164) and an extension."""

# The regions in which a national number is checked: those with a trunk zero, and those without.
_TRUNK_REGIONS = ("GB", "DE", "FR", "IT", "IN", "AU", "PH", "ZA", "NL")
_OTHER_REGIONS = ("US", "IN", "BR", "CN", "ES", "PL")


class PhoneDetector:
    """Finds telephone and fax numbers."""

    types = ("PHONE",)
    prefilter = r"\d(?:[^0-9A-Z\n]{0,3}\d){5}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers, with the extension where there is one."""
        data = as_data(text)
        text = data.decode("latin-1")
        has_word = _WORD.is_in(data)
        place = _CANDIDATE.place(data, 0)
        while place is not None:
            start, end = place
            match = _first(
                text, data, start, _forms(data[start:end].translate(_ANY_DIGIT), has_word), has_word
            )
            if match is not None:
                end = match.end
                yield match
            place = _CANDIDATE.place(data, end)


class _Form(NamedTuple):
    """A part of a candidate that may be a number by the positions of its digits and marks."""

    start: int
    end: int
    digits: int
    needs_zero: bool
    """Whether it is one only if its first digit is a zero."""


def _first(text: str, data: bytes, at: int, forms: tuple["_Form", ...], has_word: bool) -> Match | None:
    """Return the match of the first form that is a number, with its most likely end."""
    best: Match | None = None
    for form in forms:
        start, end = at + form.start, at + form.end
        if best is not None and start > best.start:
            break
        if (form.needs_zero and data[start : start + 2].lstrip(b"(")[:1] != b"0") or not is_whole_token(
            data, start, end
        ):
            continue
        confidence = _confidence(text, start, end, form, has_word=has_word)
        if confidence > (best.confidence if best else 0.0):
            best = Match("PHONE", start, end, confidence)
            if confidence >= CHECKED:
                break
    return best


@lru_cache(maxsize=4096)
def _forms(shape: bytes, has_word: bool) -> tuple[_Form, ...]:
    """Return the parts that may be a number, the most likely first, for a candidate with nines as digits.

    Decimals, dates and counts have few shapes; the cache computes each once.
    """
    found = []
    for start in _starts(shape):
        for end in _ends(shape, start):
            form = _form(shape[start:end], start, has_word=has_word)
            if form is not None:
                found.append(form)
    return tuple(found)


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


def _form(shape: bytes, start: int, *, has_word: bool) -> _Form | None:
    written, digits = shape.decode("latin-1"), shape.count(b"9")
    is_decimal = digits + 1 == len(shape) and b"." in shape
    is_spelled = len(shape) >= 2 * digits - 1
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS or is_decimal or is_spelled:
        return None
    if _SOMETHING_ELSE.is_in(written):
        return None
    is_free = has_word or written.startswith("+") or _AS_NORTH_AMERICAN.is_in(written)
    if not is_free and digits < _MIN_WITHOUT_WORD:
        return None
    return _Form(start, start + len(shape), digits, needs_zero=not is_free)


def _confidence(text: str, start: int, end: int, form: _Form, *, has_word: bool) -> float:
    """Return the confidence of a form; 0 if it is no telephone number."""
    written = text[start:end]
    if written.startswith("+") or (written.startswith("00") and form.digits >= 10):
        return _international(written, text, start, has_word=has_word)
    if form.digits >= _NATIONAL_DIGITS and _NORTH_AMERICAN.is_in(written):
        return LIKELY
    if has_word and form.digits <= 15 and _LABEL.is_in(context(text, (start, end), before=40)):
        return LIKELY
    if form.digits == _NATIONAL_DIGITS and _LIKE_NORTH_AMERICAN.is_in(written):
        return PROBABLE
    return _national(text, start, end, has_word=has_word) if 7 <= form.digits <= 11 else 0.0


def _international(written: str, text: str, start: int, *, has_word: bool) -> float:
    digits = _digits(written)
    is_number = is_international(digits if written.startswith("+") else digits[2:])
    if is_number:
        return CHECKED
    if has_word and _LABEL.is_in(context(text, (start, start), before=40)):
        return LIKELY
    if is_number is None:
        return 0.0
    return PROBABLE if written.startswith("+") else POSSIBLE


def _national(text: str, start: int, end: int, *, has_word: bool) -> float:
    """Return the confidence of a number without country code or label."""
    written = text[start:end]
    has_word = has_word and _WORD.is_in(context(text, (start, end), before=100, after=40))
    has_trunk = _TRUNK.is_in(written)
    if not (has_word or has_trunk) or not _is_valid_somewhere(written):
        return 0.0
    if has_word:
        return LIKELY if has_trunk else PROBABLE
    # Ten bare digits with a zero in front may be any identifier; eleven, or groups, seldom are.
    return POSSIBLE if written.isdigit() and len(written) < 11 else 0.5


def _is_valid_somewhere(written: str) -> bool:
    regions = _TRUNK_REGIONS if written.lstrip("(").startswith("0") else _OTHER_REGIONS
    digits = _digits(written)
    return any(is_national((digits,), region) for region in regions)


def _digits(written: str) -> str:
    """Return the digits of a number, without an extension and a trunk zero in brackets."""
    extension = written.lower().find("x")
    main = (written if extension < 0 else written[:extension]).replace("(0)", "")
    return digits_of(main)


preload(*_TRUNK_REGIONS, *_OTHER_REGIONS)
