"""Vehicle identification numbers (ISO 3779), and number plates."""

from collections.abc import Iterator
from operator import mul

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import (
    CHECKED,
    PROBABLE,
    Match,
    accepted,
    context,
    is_whole_token,
    sole_paragraph,
)

_VIN = Pattern(r"\b[A-HJ-NPR-Z0-9]{17}\b", ignore_case=True)
_VIN_WORD = Pattern(r"\b(?:vins?|vehicle identification|chassis|fahrgestellnummer|fin)\b", ignore_case=True)
_PLATE_WORD = (
    r"\b(?:(?:number|licen[cs]e|registration) plates?|plate (?:number|no)|car reg(?:istration)?"
    r"|vehicle reg(?:istration)?|kennzeichen)"
)
_PLATE = Pattern(
    _PLATE_WORD + r"(?: (?:number|no))?\.?(?: is| was)?[ \t]*[:=#]?[ \t]*"
    r"([A-Z0-9]{1,4}(?:[ -][A-Z0-9]{1,4}){1,2}|[A-Z]{1,4}\d[A-Z0-9]{1,5}|\d[A-Z0-9]{3,7})\b",
    ignore_case=True,
)
# Formats of plates by authority. Two formats are unambiguous.
_BRITISH = r"[A-HK-PRSVWY][A-HJ-PR-Y](?:0[2-9]|[1267]\d|5[1-9])"
_DISTINCT = rf"[A-Z]{{3}}-\d{{3}}[A-Z]{{2}}|{_BRITISH} [A-HJ-PR-Z]{{3}}"
_FORM = (
    rf"{_DISTINCT}|[A-Z]{{3}} ?\d{{3}}[A-Z]{{2}}|{_BRITISH}-?[A-HJ-PR-Z]{{3}}"  # Nigeria, Great Britain
    r"|[A-HJ-NPR-TV-Y]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-HJ-NPR-TV-Y]"  # Great Britain, before 2001
    r"|[A-Z\xc4\xd6\xdc]{1,3}[ -][A-Z]{1,2}[ -]\d{1,4}[EH]?"  # Germany
    r"|[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,2}[ -]?\d{4}"  # India
)
_FORMS = Pattern(rf"\b(?:{_FORM})\b")
_BY_FORM = Pattern(rf"^(?:{_DISTINCT})$")
_SOLE = Pattern(rf"^(?:{_FORM})$", ignore_case=True)
_VEHICLE_WORD = Pattern(
    r"\b(?:plates?|vehicles?|cars?|vans?|lorry|truck|motorcycle|taxi|reg(?:istration)?|kennzeichen|auto|kfz"
    r"|parked|speeding|dvla|mot)\b",
    ignore_case=True,
)
_VALUES = bytes.maketrans(b"ABCDEFGHJKLMNPRSTUVWXYZ", b"12345678123457923456789")
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


class VehicleDetector:
    """Finds vehicle identification numbers and labelled number plates."""

    types = ("VEHICLE",)
    prefilter = rf"\b[A-HJ-NPR-Z0-9]{{17}}\b|\b(?:{_FORM})\b|{_PLATE_WORD}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers; one without a valid check digit, as outside North America, needs a word."""
        data = as_data(text)
        yield from _plates(text, data)
        has_word = _VIN_WORD.is_in(data)
        for start, end in _VIN.places(data):
            vin = text[start:end].upper()
            if vin.isdigit() or vin.isalpha():
                continue
            if has_check_digit(vin):
                yield Match("VEHICLE", start, end, CHECKED)
            elif has_word and _VIN_WORD.is_in(context(text, (start, end), before=60, after=20)):
                yield Match("VEHICLE", start, end, PROBABLE)
        for span in _PLATE.find(text):
            start, end = span.groups[0]
            if any(char.isdigit() for char in text[start:end]):
                yield Match(type="VEHICLE", start=start, end=end, confidence=PROBABLE)


def _plates(text: str, data: bytes) -> Iterator[Match]:
    sole = sole_paragraph(text)
    if sole and _SOLE.is_in(text[slice(*sole)]):
        yield Match(type="VEHICLE", start=sole[0], end=sole[1], confidence=PROBABLE)

    def match_at(start: int, end: int) -> Match | None:
        if not is_whole_token(data, start, end):
            return None
        is_named = _VEHICLE_WORD.is_in(context(text, (start, end), before=60, after=30))
        is_one = is_named or _BY_FORM.is_in(text[start:end])
        return Match("VEHICLE", start, end, PROBABLE) if is_one else None

    yield from accepted(_FORMS, data, match_at)


def has_check_digit(vin: str) -> bool:
    """Whether the check digit, the ninth of 17 capitals and digits, is valid."""
    total = sum(map(mul, _WEIGHTS, vin.encode("ascii").translate(_VALUES))) - sum(_WEIGHTS) * ord("0")
    return vin[8] == "0123456789X"[total % 11]
