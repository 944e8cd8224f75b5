"""Telephone numbers: international ones as they stand, national ones by format or a word beside them."""

from collections.abc import Iterator

from gateway.scoring.pattern import Pattern
from gateway.scoring.privacy.detector import (
    CHECKED,
    LIKELY,
    POSSIBLE,
    PROBABLE,
    Match,
    context,
    digits_of,
    stands_alone,
)
from gateway.scoring.privacy.phone_numbers import is_international, is_national, preload

_EXTENSION = r"(?: ?(?:x|ext\.?|extension) ?\d{1,6})?"
_JOINT = r"(?:\)?(?:[ ./-]| - )\(?|\)\(?|\()"
_CANDIDATE = Pattern(
    rf"(?:\+ ?)?\(?(?:\d{{1,15}}(?:{_JOINT}\d{{1,12}}){{1,7}}|\d{{6,15}}){_EXTENSION}", ignore_case=True
)
_NORTH_AMERICAN = Pattern(
    r"^(?:(?:\+|00)?1[ .-]?)?(?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[.-]|[2-9]\d\d )[2-9]\d\d[.-]\d{4}"
    + _EXTENSION
    + "$",
    ignore_case=True,
)
_LIKE_NORTH_AMERICAN = Pattern(r"^(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}$")
_TRUNK = Pattern(r"^(?:\(0\d{1,5}\) ?[\d ./-]{5,12}|0\d{1,4}[ /-][\d ./-]{5,12}|0\d{9,10})$")
_SOMETHING_ELSE = Pattern(
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2})?$"
    r"|^\d{3}-\d{2}-\d{4}$|^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$"
)
_WORDS = (
    r"(?:(?:tele)?phones?|phone ?no|tel|telephon|telefon[a-z]{0,3}|t[eé]l[eé]phone|t[eé]l[eé]fono|telepono"
    r"|mobiles?|mob|m[oó]vil|mobil|cell(?:ular|phone)?|celular|handy|fax|whats ?app|sms|desk|landline|hotline"
    r"|dial(?:led|ing)?|pager|call(?:ed|ing)?|ring|(?:text(?:ed)?|reach(?:ed)?) (?:me|him|her|them|us)"
    r"|contact (?:number|no)|(?:my|his|her|their|our) (?:[A-Za-z]+ )?number)"
)
_LABEL = Pattern(
    r"\b" + _WORDS + r"\b(?: ?(?:number|numbers|no|nr|num|line))?\.?(?: (?:me|him|her|us|them|back))?"
    r"(?: (?:is|was|at|on|under|to))?\s*[:=#(-]?\s*(?:is )?$",
    ignore_case=True,
)
_WORD = Pattern(r"\b" + _WORDS + r"\b", ignore_case=True)

_MARKS = frozenset("-/.")
_NATIONAL_DIGITS = 10
"""Of a North American number."""
_LEAST_DIGITS = 6
_MOST_DIGITS = 21
"""Fifteen (ITU-T E.164) and an extension."""

# Where a national number is looked up: regions that write a trunk zero, and regions that do not.
_TRUNK_REGIONS = ("GB", "DE", "FR", "IT", "IN", "AU", "PH", "ZA", "NL")
_OTHER_REGIONS = ("US", "IN", "BR", "CN", "ES", "PL")


class PhoneDetector:
    """Finds telephone and fax numbers."""

    types = ("PHONE",)
    sign = r"\d(?:[^0-9A-Z\n]{0,3}\d){5}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers, with the extension where there is one."""
        has_word = _WORD.is_in(text)
        for span in _CANDIDATE.find(text):
            if span.end - span.start < _LEAST_DIGITS or not stands_alone(text, span.start, span.end):
                continue
            for end in _ends(text, span.start, span.end):
                confidence = _confidence(text, span.start, end, has_word=has_word)
                if confidence:
                    yield Match(type="PHONE", start=span.start, end=end, confidence=confidence)
                    break


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where it may end: at the last group, or up to two before, as another number may follow it."""
    for _ in range(3):
        yield end
        end = max(text.rfind(" ", start, end), text.rfind("/", start, end))
        if end <= start:
            return


def _confidence(text: str, start: int, end: int, *, has_word: bool) -> float:
    """Return 0 for what is no telephone number."""
    written = text[start:end]
    digits = digits_of(written)
    is_decimal = len(digits) + 1 == len(written) and "." in written
    is_spelled = len(written) >= 2 * len(digits) - 1
    if not _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS or is_decimal or is_spelled:
        return 0.0
    if not _MARKS.isdisjoint(written) and _SOMETHING_ELSE.is_in(written):
        return 0.0
    if written.startswith("+") or (digits.startswith("00") and len(digits) >= 10):
        return _international(written, text, start, has_word=has_word)
    if len(digits) >= _NATIONAL_DIGITS and _NORTH_AMERICAN.is_in(written):
        return LIKELY
    if has_word and len(digits) <= 15 and _LABEL.is_in(context(text, (start, end), before=40)):
        return LIKELY
    if len(digits) == _NATIONAL_DIGITS and _LIKE_NORTH_AMERICAN.is_in(written):
        return PROBABLE
    return _national(text, start, end, has_word=has_word) if 7 <= len(digits) <= 11 else 0.0


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
    """Judge a number without country code or label."""
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
