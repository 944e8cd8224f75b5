"""Telephone numbers: international ones, and national ones by format or a word near them."""

from collections.abc import Iterator, Sequence
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
    surroundings,
)
from gateway.privacy.detectors.phone_forms import (
    AREA_IN_BRACKETS,
    EXTENSION,
    GROUP,
    MIN_GROUPS_WITH_CODE,
    MIN_WITHOUT_WORD,
    NORTH_AMERICAN_FORM,
    PhoneForm,
    forms_of,
    main_of,
)
from gateway.privacy.detectors.phone_numbers import (
    is_international,
    is_usual,
    is_usual_international,
    is_valid_somewhere,
    is_written_as_usual,
)
from gateway.privacy.detectors.phone_words import ANY_WORD, DOCUMENT, INITIAL, LABEL, NEXT, WORD
from gateway.privacy.detectors.records import record_matches
from gateway.privacy.things import is_epoch, is_of_firm, is_of_something_else

_JOINT = r"(?:\)?(?:[ ./-]| - )\(?|\)\(?|\()"
_CANDIDATE = Pattern(
    rf"(?:\+ ?)?\(?(?:\d{{1,15}}(?:{_JOINT}\d{{1,12}}){{1,7}}|\d{{6,15}}){EXTENSION}", ignore_case=True
)
_NORTH_AMERICAN = Pattern(
    NORTH_AMERICAN_FORM.format(one="1", area=r"[2-9]\d\d", extension=EXTENSION), ignore_case=True
)
_LIKE_NORTH_AMERICAN = Pattern(
    rf"^(?:(?:00)?1[ .-])?(?:\(\d{{3}}\)[ ./-]?|\d{{3}}[.-])\d{{3}}[.-]\d{{4}}{EXTENSION}$", ignore_case=True
)
_TRUNK = Pattern(r"^(?:\(0\d{1,5}\) ?[\d ./-]{5,12}|0\d{1,5}[ /-][\d ./-]{5,12}|0\d{9,10})$")
_THOUSANDS = Pattern(r"^\d{1,3}(?:[ .]\d{3})+$")
_ANY_DIGIT = bytes.maketrans(b"0123456789", b"9999999999")
_KEY = Pattern(r"(?:[\"'][ \t]*[:=]|[A-Za-z][_\x1f][\w\x1f]*[ \t]*:|\w=)[ \t]*[\"'\[(]?$")
"""The name of a field right before a number that no word for telephones is in."""
_BARE_DIGITS = 11
_MIN_BARE = 9
"""The least digits of a national number without a word; shorter ones are parts and counts as well."""
_PAIR = Pattern(r"^\d+ \d+$")
_NATIONAL_DIGITS = 10
"""Digits of a North American number."""
_MAX_NATIONAL = 15
_MOST_WITHOUT_WORD = 12
_MAX_LINK = 12
"""Characters between two numbers of a list."""
_LABEL_CHARS = 60
"""Characters before a number in which the words that announce it are looked for."""


class PhoneDetector:
    """Finds telephone and fax numbers."""

    types = ("PHONE",)
    prefilter = r"\d(?:[^0-9A-Z\n]{0,3}\d){5}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers, with the extension where there is one."""
        yield from record_matches(text, "PHONE")
        data = as_data(text)
        words = _Words(text, is_named=WORD.is_in(data), may_be_labelled=ANY_WORD.is_in(data))
        text = data.decode("latin-1")
        place = _CANDIDATE.place(data, 0)
        listed = -1
        while place is not None:
            start, end = place
            if listed >= 0:
                words = words._replace(follows=NEXT.is_in(data[listed : min(start, listed + _MAX_LINK)]))
            forms = forms_of(data[start:end].translate(_ANY_DIGIT), words.may_be_labelled or words.follows)
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

    text: str
    """The text in all its scripts."""
    is_named: bool
    may_be_labelled: bool
    follows: bool = False
    """Whether the candidate continues a list of numbers."""


def _first(text: str, data: bytes, at: int, forms: tuple["PhoneForm", ...], words: _Words) -> Match | None:
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


def _confidence(text: str, start: int, end: int, form: PhoneForm, words: _Words) -> float:
    """Return the confidence of a form; 0 if it is no telephone number."""
    written = text[start:end]
    is_like_north_american = form.digits >= _NATIONAL_DIGITS and _LIKE_NORTH_AMERICAN.is_in(written)
    if written.startswith("+"):
        found = _international(written, text, start, words)
        return max(found, PROBABLE) if is_like_north_american else found
    before = surroundings(text, (start, end), before=_LABEL_CHARS)
    is_labelled = words.may_be_labelled and LABEL.is_in(before)
    if not is_labelled and is_of_something_else(words.text, start):
        return 0.0
    if written.startswith("00") and form.digits >= _NATIONAL_DIGITS and (is_labelled or form.is_whole):
        found = _international(written, text, start, words)
        return max(found, PROBABLE) if is_like_north_american else found
    if form.digits >= _NATIONAL_DIGITS and _NORTH_AMERICAN.is_in(written):
        return LIKELY
    if words.may_be_labelled and form.digits <= _MAX_NATIONAL:
        if is_labelled:
            return LIKELY
        if form.digits >= _MIN_BARE and INITIAL.is_in(before):
            return PROBABLE
    if words.follows and MIN_WITHOUT_WORD <= form.digits <= _MAX_NATIONAL:
        return LIKELY
    if form.needs_label:
        return 0.0
    if is_like_north_american:
        is_likely = words.is_named or form.digits > _NATIONAL_DIGITS or written[0] not in "01"
        return PROBABLE if is_likely else POSSIBLE
    if DOCUMENT.is_in(before) or is_of_firm(text, start):
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


def _national(text: str, start: int, end: int, form: PhoneForm, words: _Words) -> float:
    """Return the confidence of a number without a plus or a label."""
    written = text[start:end]
    main = main_of(written)
    groups = [each.decode("ascii") for each in GROUP.findall(main.encode("ascii"))]
    count = sum(map(len, groups))
    if not MIN_WITHOUT_WORD <= count <= _MAX_NATIONAL:
        return 0.0
    is_key = _KEY.is_in(surroundings(text, (start, end), before=_LABEL_CHARS))
    if is_key and len(groups) == 1:
        return 0.0
    if is_epoch(main) or (form.start and not form.is_whole):
        return 0.0
    is_named = words.is_named and not is_key and WORD.is_in(context(text, (start, end), before=100, after=40))
    is_grouped = len(groups) > 1 and not _THOUSANDS.is_in(main)
    is_likely = is_grouped and form.is_whole and count >= _MIN_BARE
    if is_likely and ((count <= _MOST_WITHOUT_WORD and is_written_as_usual(main)) or _has_code(groups)):
        return LIKELY if is_named else PROBABLE
    if AREA_IN_BRACKETS.is_in(main) or (main != written and is_grouped):
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
    return 0.5 if form.is_whole and len(groups) == 1 else POSSIBLE


def _has_code(groups: Sequence[str]) -> bool:
    return len(groups) >= MIN_GROUPS_WITH_CODE and is_usual_international(groups)


def _digits(written: str) -> str:
    return digits_of(main_of(written))
