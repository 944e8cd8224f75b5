"""Telephone numbers: international ones, and national ones by format or a word near them."""

import re
from collections.abc import Iterator, Sequence
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
    is_of_something_else,
    is_whole_token,
    surroundings,
)
from gateway.privacy.detectors.phone_numbers import (
    is_international,
    is_usual,
    is_usual_international,
    is_valid_somewhere,
)
from gateway.privacy.detectors.phone_words import ANY_WORD, DOCUMENT, INITIAL, LABEL, NEXT, WORD
from gateway.privacy.detectors.records import record_matches

_EXTENSION = (
    r"(?:[ ,]{0,2}(?:;ext=|x|#|(?:extension|extn?|poste|durchwahl|dw|anexo|ramal|wewn?|klapka|toestel|tst"
    r"|anknytning|dahili|interno|int|linia)[.:]?) {0,2}\d{1,6})?"
)
_JOINT = r"(?:\)?(?:[ ./-]| - )\(?|\)\(?|\()"
_CANDIDATE = Pattern(
    rf"(?:\+ ?)?\(?(?:\d{{1,15}}(?:{_JOINT}\d{{1,12}}){{1,7}}|\d{{6,15}}){_EXTENSION}", ignore_case=True
)
_NORTH_AMERICAN_FORM = (
    r"^(?:(?:\+|00)?{one}[ .-]?)?(?:\({area}\)[ ./-]?|{area}[. -]){area}[.-]\d{{4}}{extension}$"
)
_NORTH_AMERICAN = Pattern(
    _NORTH_AMERICAN_FORM.format(one="1", area=r"[2-9]\d\d", extension=_EXTENSION), ignore_case=True
)
_AS_NORTH_AMERICAN = Pattern(
    _NORTH_AMERICAN_FORM.format(one=r"\d", area=r"\d{3}", extension=_EXTENSION), ignore_case=True
)
_LIKE_NORTH_AMERICAN = Pattern(
    rf"^(?:(?:00)?1[ .-])?(?:\(\d{{3}}\)[ ./-]?|\d{{3}}[.-])\d{{3}}[.-]\d{{4}}{_EXTENSION}$", ignore_case=True
)
_TRUNK = Pattern(r"^(?:\(0\d{1,5}\) ?[\d ./-]{5,12}|0\d{1,5}[ /-][\d ./-]{5,12}|0\d{9,10})$")
_AREA_IN_BRACKETS = Pattern(r"^\((?:\d{2,3}|[03-9]\d{3})\)[ -]?(?:\d{6,9}|\d{2,5}(?:[ .-]\d{2,5}){1,3})$")
_EXTENDED = Pattern(rf"^\d[\d ./()-]*[ ./)-]\d+{_EXTENSION[:-1]}$", ignore_case=True)
_THOUSANDS = Pattern(r"^\d{1,3}(?:[ .]\d{3})+$")
_SOMETHING_ELSE = Pattern(
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2})?$"
    r"|^\d{3}-\d{2}-\d{4}$"
)
_LIKE_IP = Pattern(r"^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$")
_FIELD_END = re.compile(rb"/|\)(?=\()")
_BETWEEN = re.compile(rb" (?!-)|" + _FIELD_END.pattern)
"""Separators that may be between two numbers; `_FIELD_END` seldom occurs within one."""
_ANY_DIGIT = bytes.maketrans(b"0123456789", b"9999999999")
_GROUP = re.compile(rb"[0-9]+")
_OTHER_CHARS = re.compile(r"[^0-9 ./()+-]")
"""The first begins an extension."""
_KEY = Pattern(r"(?:[\"'][ \t]*[:=]|[A-Za-z][_\x1f][\w\x1f]*[ \t]*:|\w=)[ \t]*[\"'\[(]?$")
"""The name of a field right before a number that no word for telephones is in."""
_MIN_GROUPS_WITH_CODE = 3
_BARE_DIGITS = 11
_MIN_BARE = 9
"""The least digits of a national number without a word; shorter ones are parts and counts as well."""
_PAIR = Pattern(r"^\d+ \d+$")
_NATIONAL_DIGITS = 10
"""Digits of a North American number."""
_MIN_DIGITS = 6
_MIN_WITHOUT_WORD = 7
_MAX_NATIONAL = 15
_MAX_DIGITS = 21
"""Fifteen (ITU-T E.164) and an extension."""
_MAX_LINK = 12
"""Characters between two numbers of a list."""
_LABEL_CHARS = 60
"""Characters before a number in which the words that announce it are looked for."""

# The regions in which a bare national number is checked: those with a trunk zero, and those without.


class PhoneDetector:
    """Finds telephone and fax numbers."""

    types = ("PHONE",)
    prefilter = r"\d(?:[^0-9A-Z\n]{0,3}\d){5}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers, with the extension where there is one."""
        yield from record_matches(text, "PHONE")
        data = as_data(text)
        text = data.decode("latin-1")
        words = _Words(is_named=WORD.is_in(data), may_be_labelled=ANY_WORD.is_in(data))
        place = _CANDIDATE.place(data, 0)
        listed = -1
        while place is not None:
            start, end = place
            if listed >= 0:
                words = words._replace(follows=NEXT.is_in(data[listed : min(start, listed + _MAX_LINK)]))
            forms = _forms(data[start:end].translate(_ANY_DIGIT), words.may_be_labelled or words.follows)
            match = _first(text, data, start, forms, words)
            listed = -1
            if match is not None:
                end = match.end
                listed = end if match.confidence >= LIKELY else -1
                yield match
            elif words.follows:
                words = words._replace(follows=False)
            place = _CANDIDATE.place(data, end)


class _Words(NamedTuple):
    """Whether a text has words that name telephones, and words that announce a number right behind them."""

    is_named: bool
    may_be_labelled: bool
    follows: bool = False
    """Whether the candidate continues a list of numbers."""


class _Form(NamedTuple):
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


def _first(text: str, data: bytes, at: int, forms: tuple["_Form", ...], words: _Words) -> Match | None:
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
        confidence = _confidence(text, start, end, form, words)
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


def _form(shape: bytes, start: int, *, has_word: bool, is_whole: bool) -> _Form | None:
    written, digits = shape.decode("latin-1"), shape.count(b"9")
    main = _main(written)
    is_spelled = len(main) >= 2 * main.count("9") - 1
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS or is_spelled or _SOMETHING_ELSE.is_in(written):
        return None
    needs_label = (main.count("9") + 1 == len(main) and "." in main) or _LIKE_IP.is_in(main)
    if needs_label and (digits < _MIN_WITHOUT_WORD or not has_word):
        return None
    is_free = has_word or written.startswith("+") or _AS_NORTH_AMERICAN.is_in(written)
    is_free = is_free or _AREA_IN_BRACKETS.is_in(written) or _EXTENDED.is_in(written)
    if not is_free and (digits < _MIN_WITHOUT_WORD or b" - " in shape):
        return None
    may_have_code = is_whole and len(_GROUP.findall(shape)) >= _MIN_GROUPS_WITH_CODE
    return _Form(start, start + len(shape), digits, not (is_free or may_have_code), is_whole, needs_label)


def _confidence(text: str, start: int, end: int, form: _Form, words: _Words) -> float:
    """Return the confidence of a form; 0 if it is no telephone number."""
    written = text[start:end]
    is_like_north_american = form.digits >= _NATIONAL_DIGITS and _LIKE_NORTH_AMERICAN.is_in(written)
    if written.startswith("+") or (written.startswith("00") and form.digits >= _NATIONAL_DIGITS):
        found = _international(written, text, start, words)
        return max(found, PROBABLE) if is_like_north_american else found
    if form.digits >= _NATIONAL_DIGITS and _NORTH_AMERICAN.is_in(written):
        return LIKELY
    before = surroundings(text, (start, end), before=_LABEL_CHARS)
    if words.may_be_labelled and form.digits <= _MAX_NATIONAL:
        if LABEL.is_in(before):
            return LIKELY
        if form.digits >= _MIN_BARE and INITIAL.is_in(before):
            return PROBABLE
    if words.follows and _MIN_WITHOUT_WORD <= form.digits <= _MAX_NATIONAL:
        return LIKELY
    if form.needs_label or is_of_something_else(before):
        return 0.0
    if is_like_north_american:
        return PROBABLE
    if DOCUMENT.is_in(before):
        return 0.0
    return _national(text, start, end, form, words)


def _international(written: str, text: str, start: int, words: _Words) -> float:
    digits = _digits(written)
    is_number = is_international(digits if written.startswith("+") else digits[2:])
    if is_number:
        return CHECKED
    if words.may_be_labelled and LABEL.is_in(context(text, (start, start), before=_LABEL_CHARS)):
        return LIKELY
    if is_number is None:
        return 0.0
    return PROBABLE if written.startswith("+") else POSSIBLE


def _national(text: str, start: int, end: int, form: _Form, words: _Words) -> float:
    """Return the confidence of a number without a plus or a label."""
    written = text[start:end]
    main = _main(written)
    groups = [each.decode("ascii") for each in _GROUP.findall(main.encode("ascii"))]
    count = sum(map(len, groups))
    if not _MIN_WITHOUT_WORD <= count <= _MAX_NATIONAL:
        return 0.0
    is_key = _KEY.is_in(surroundings(text, (start, end), before=_LABEL_CHARS))
    if is_key and len(groups) == 1:
        return 0.0
    is_named = words.is_named and not is_key and WORD.is_in(context(text, (start, end), before=100, after=40))
    is_grouped = len(groups) > 1 and not _THOUSANDS.is_in(main)
    is_likely = is_grouped and form.is_whole and count >= _MIN_BARE
    if is_likely and (is_usual(groups) or _has_code(groups)):
        return LIKELY if is_named else PROBABLE
    if _AREA_IN_BRACKETS.is_in(main) or (main != written and is_grouped):
        return LIKELY if is_named else PROBABLE
    has_trunk = _TRUNK.is_in(main)
    if is_named:
        is_usual_here = is_grouped and not _PAIR.is_in(main) and is_usual(groups, needs_prefix=False)
        if is_usual_here or is_valid_somewhere(groups):
            return LIKELY if has_trunk else PROBABLE
    if not has_trunk or count < _MIN_BARE or not is_valid_somewhere(groups):
        return 0.0
    # Ten bare digits with a zero in front may be any identifier; eleven, or groups, seldom are.
    if len(groups) == 1 and count < _BARE_DIGITS:
        return POSSIBLE
    return 0.5 if form.is_whole else POSSIBLE


def _has_code(groups: Sequence[str]) -> bool:
    return len(groups) >= _MIN_GROUPS_WITH_CODE and is_usual_international(groups)


def _main(written: str) -> str:
    """Return a number without its extension and a trunk zero in brackets."""
    extension = _OTHER_CHARS.search(written)
    return (written[: extension.start()] if extension else written).replace("(0)", "").rstrip(" ,")


def _digits(written: str) -> str:
    return digits_of(_main(written))
