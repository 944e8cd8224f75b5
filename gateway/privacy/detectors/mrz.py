"""Machine-readable zones of travel documents (ICAO 9303): the holder's name, birth date and numbers."""

from collections.abc import Iterator, Sequence

from gateway.domain.text.pattern import Pattern, Span, as_data
from gateway.privacy.detector import CERTAIN, CHECKED, LIKELY, Match

_BREAK = r"[\s\x1f>|*]{0,6}"
"""Between two lines: line ends, also escaped ones, and marks of quotations and tables."""
_TAIL = r"(\d{6})([0-9<])[MFX<](\d{6})([0-9<])"
"""The birth date, the sex, and the date of expiry, with check digits."""
_DOCUMENT = r"([A-Z0-9<]{9})([0-9<])"
_PATTERNS = (
    # Passports and visas of size 3, with 44 characters a line, and size 2, with 36: names may be missing.
    Pattern(
        rf"(?:\b[PV][A-Z<][A-Z<]{{3}}([A-Z<]{{39}}){_BREAK})?\b{_DOCUMENT}[A-Z<]{{3}}{_TAIL}"
        r"([A-Z0-9<]{14})[0-9<]{2}(?:[^A-Za-z0-9<]|$)"
    ),
    Pattern(
        rf"(?:\b[ACIPV][A-Z0-9<][A-Z<]{{3}}([A-Z<]{{31}}){_BREAK})?\b{_DOCUMENT}[A-Z<]{{3}}{_TAIL}"
        r"([A-Z0-9<]{7})[0-9<](?:[^A-Za-z0-9<]|$)"
    ),
)
_CARD = Pattern(
    rf"\b[ACI][A-Z0-9<][A-Z<]{{3}}{_DOCUMENT}([A-Z0-9<]{{15}}){_BREAK}\b{_TAIL}[A-Z<]{{3}}[A-Z0-9<]{{11}}[0-9<]"
    rf"{_BREAK}([A-Z][A-Z<]{{29}})?"
)
"""Identity cards of size 1, with three lines of 30 characters."""
_PREFILTER = Pattern(r"\d{6}[0-9<][MFX<]\d{6}")
_WEIGHTS = (7, 3, 1)
_MIN_NUMBER = 5


def zone_matches(text: str) -> Iterator[Match]:
    """Yield number, birth date and names of each zone with check digits that are right."""
    data = as_data(text)
    if not _PREFILTER.is_in(data):
        return
    for pattern in _PATTERNS:
        for span in pattern.find(data):
            names, document, check, birth, birth_check, expiry, expiry_check, other = span.groups
            pairs = ((document, check), (birth, birth_check), (expiry, expiry_check))
            yield from _found(text, span, pairs, names=names, numbers=(document, other))
    for span in _CARD.find(data):
        document, check, other, birth, birth_check, expiry, expiry_check, names = span.groups
        pairs = ((document, check), (birth, birth_check), (expiry, expiry_check))
        yield from _found(text, span, pairs, names=names, numbers=(document, other))


def _found(
    text: str,
    span: Span,
    pairs: Sequence[tuple[tuple[int, int], tuple[int, int]]],
    *,
    names: tuple[int, int],
    numbers: Sequence[tuple[int, int]],
) -> Iterator[Match]:
    right = sum(check_digit(text[slice(*value)]) == text[slice(*check)] for value, check in pairs)
    # One may be misread by a camera; a line by itself needs all.
    if right < len(pairs) - (names[0] >= 0):
        return
    sure = CERTAIN if right == len(pairs) else CHECKED
    yield Match("DOB", *pairs[1][0], sure)
    for first, last in numbers:
        written = text[first:last].rstrip("<")
        if len(written.strip("<")) >= _MIN_NUMBER:
            yield Match("NATIONAL_ID", first, first + len(written), sure)
    if names[0] >= 0 and (written := text[slice(*names)].rstrip("<")):
        yield Match("PERSON", names[0], names[0] + len(written), LIKELY)


def check_digit(value: str) -> str:
    """Return the check digit of ICAO 9303, part 3, section 4.9."""
    total = sum(_value_of(char) * _WEIGHTS[at % 3] for at, char in enumerate(value))
    return str(total % 10)


def _value_of(char: str) -> int:
    return 0 if char == "<" else int(char, 36)
