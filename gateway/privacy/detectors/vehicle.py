"""Vehicle identification numbers (ISO 3779), and number plates."""

import re
from collections.abc import Iterator
from operator import mul

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import (
    CHECKED,
    PROBABLE,
    Match,
    accepted,
    context,
    digits_in,
    is_whole_token,
    sole_paragraph,
)
from gateway.privacy.detectors.labelled import LabelledValues

_VIN = Pattern(r"\b[A-HJ-NPR-Z0-9]{17}\b", ignore_case=True)
_VIN_WORDS = (
    r"vins?|vin[ -]?(?:code|kod|k\xf3d|nummer|number|no|nr)|vehicle identification|fin|chassis?(?:nummer)?"
    r"|fahrgestellnummer|fahrzeug-?identifi\w+|ch\xe2ssis|chasis|bastidor|telaio|nadwozia|podwozia"
    r"|rangka|s\xe9rie du v\xe9hicule|alv\xe1zsz\xe1m|karoserie|[?s]asiu?|runkonumero|stelnummer"
    r"|understellsnummer|s[?o] khung"
)
_VIN_WORD = Pattern(rf"\b(?:{_VIN_WORDS})\b", ignore_case=True)
_MISREAD_VIN = Pattern(r"\b[A-Z0-9]{17}\b", ignore_case=True)
"""Also letters that no such number has, which are digits misread; beside a word only."""
_MAKERS = (
    r"ERS|WAU|WBA|WBS|WBY|WDB|WDC|WDD|WDF|WEB|WF0|WMA|WME|WMW|WP0|WP1|WUA|WV1|WV2|WVG|WVW|W0L|W0V|W1K|W1N|"
    r"W1V|VF1|VF3|VF6|VF7|VF8|VNK|VR1|VR3|VR7|VSS|VS6|VSK|VV9|VWV|ZAR|ZFA|ZFF|ZHW|ZAM|ZLA|ZCF|ZDM|TMB|TMA|"
    r"TRU|TSM|TW1|UU1|SAJ|SAL|SAR|SCA|SCB|SCC|SCF|SDB|SHH|SHS|SJN|SUP|XLR|XLE|XTA|X7L|X9F|YK1|YS2|YS3|YV1|"
    r"YV2|YV4|NM0|NMT|NLH|JHM|JN1|JM1|JMZ|JF1|JSA|JT1|JTD|JTE|JTH|JTM|JTN|JYA|JKA|JS1|KL1|KMH|KNA|KNB|KND|"
    r"KPT|LVS|LFV|LSV|MA3|MAL|MAT|MBJ|MHF|MR0|9BW|9BD|9BF|93H|93Y|8AP|8AJ|8AD|3VW|AHT|AAV|6G1|6T1|ISO"
)
"""World codes of makers outside North America, whose numbers have no check digit (ISO 3780)."""
_MADE = Pattern(rf"^(?:{_MAKERS})[A-HJ-NPR-Z0-9]{{10}}\d{{4}}$")
_PLATE_LETTERS = r"(?-i:[A-Z\xc0-\xdd?]{1,4})"
_PLATES = LabelledValues(
    "plates",
    value=(
        rf"(?:{_PLATE_LETTERS}[ .-]{{0,2}}){{0,2}}\d[A-Z0-9?]{{0,7}}"
        rf"(?:(?:[ .-]| - )(?:{_PLATE_LETTERS}|[A-Z?]{{0,3}}\d[A-Z0-9?]{{0,5}})\b){{0,3}}"
    ),
)
"""Letters of other scripts are question marks."""
_PLATE_CHARS = range(4, 11)
_PLATE_LETTER = re.compile(rb"[A-Za-z\xc0-\xff?]")
_ISRAELI = re.compile(rb"\d{2}-\d{3}-\d{2}|\d{3}-\d{2}-\d{3}")
"""Plates without a letter are rare."""
# Formats of plates by authority. Two formats are unambiguous.
_BRITISH = r"[A-HK-PRSVWY][A-HJ-PR-Y](?:0[2-9]|[1267]\d|5[1-9])"
_DISTINCT = rf"[A-Z]{{3}}-\d{{3}}[A-Z]{{2}}|{_BRITISH} [A-HJ-PR-Z]{{3}}"
_FORM = (
    rf"{_DISTINCT}|[A-Z]{{3}} ?\d{{3}}[A-Z]{{2}}|{_BRITISH}-?[A-HJ-PR-Z]{{3}}"  # Nigeria, Great Britain
    r"|[A-HJ-NPR-TV-Y]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-HJ-NPR-TV-Y]"  # Great Britain, before 2001
    r"|[A-Z\xc4\xd6\xdc]{1,3}[ -][A-Z]{1,2}[ -]\d{1,4}[EH]?"  # Germany
    r"|[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,2}[ -]?\d{4}"  # India
    r"|[A-HJ-NP-TV-Z]{2}[ -]\d{3}[ -][A-HJ-NP-TV-Z]{2}"  # France, Italy
    r"|\d{2}-[A-Z]{2}-\d{2}|\d{2}-[A-Z]{2}-[A-Z]{2}|[A-Z]{2}-\d{2}-[A-Z]{2}"  # Portugal, Netherlands
    r"|\d-[A-Z]{3}-\d{2,3}|\d{2}-[A-Z]{3}-\d|[A-Z]-\d{3}-[A-Z]{2}"  # Netherlands, Belgium
    r"|[A-Z]{3}\d[A-Z]\d{2}|\d{4} [BCDFGHJKLMNPRSTVWXYZ]{3}"  # Brazil, Spain
)
_FORMS = Pattern(rf"\b(?:{_FORM})\b")
_BY_FORM = Pattern(rf"^(?:{_DISTINCT})$")
_SOLE = Pattern(rf"^(?:{_FORM})$", ignore_case=True)
_VEHICLE_WORD = Pattern(
    r"\b(?:plates?|vehicles?|cars?|vans?|lorry|truck|motorcycle|taxi|reg(?:istration)?|kennzeichen|auto|kfz"
    r"|parked|speeding|dvla|mot)\b",
    ignore_case=True,
)
_SPLIT_VIN = Pattern(r"\b[A-Z0-9]{2,8}(?:[ .-][A-Z0-9]{1,8}){1,8}\b")
_VIN_CHARS, _VIN_DIGITS = 17, 4
_I_O_Q = frozenset("IOQ")
_VALUES = bytes.maketrans(b"ABCDEFGHJKLMNPRSTUVWXYZ", b"12345678123457923456789")
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


class VehicleDetector:
    """Finds vehicle identification numbers and labelled number plates."""

    types = ("VEHICLE",)
    prefilter = rf"\b(?:{_VIN_WORDS})\b|\b[A-Z0-9]{{17}}\b|\b(?:{_FORM})\b|{_PLATES.names}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers; one without a valid check digit, as outside North America, needs a word."""
        data = as_data(text)
        yield from _plates(text, data)
        has_word = _VIN_WORD.is_in(data)
        for start, end in (_MISREAD_VIN if has_word else _VIN).places(data):
            vin = text[start:end].upper()
            if vin.isdigit() or vin.isalpha():
                continue
            if _I_O_Q.isdisjoint(vin) and has_check_digit(vin):
                yield Match("VEHICLE", start, end, CHECKED)
            elif (has_word and _VIN_WORD.is_in(context(text, (start, end), before=60, after=20))) or (
                _MADE.is_in(text[start:end])
            ):
                yield Match("VEHICLE", start, end, PROBABLE)
        if has_word:
            yield from accepted(_SPLIT_VIN, data, lambda start, end: _split_vin(text, start, end))
        for start, end, _ in _PLATES.find(data):
            if _is_plate(data, start, end):
                yield Match(type="VEHICLE", start=start, end=end, confidence=PROBABLE)


def _split_vin(text: str, start: int, end: int) -> Match | None:
    """Return the match of the first groups of capitals and digits that are as long as a number together."""
    chars = 0
    for at in range(start, end):
        chars += text[at].isalnum()
        if chars == _VIN_CHARS:
            vin = text[start : at + 1]
            is_one = (
                not text[at + 1 : at + 2].isalnum() and not vin.isalpha() and digits_in(vin) >= _VIN_DIGITS
            )
            is_named = is_one and _VIN_WORD.is_in(context(text, (start, at + 1), before=60, after=20))
            return Match("VEHICLE", start, at + 1, PROBABLE) if is_named else None
    return None


def _is_plate(data: bytes, start: int, end: int) -> bool:
    """Whether what follows a name of plates is as long as one, and has a letter."""
    written = data[start:end]
    if len(written.translate(None, b" .-")) not in _PLATE_CHARS or not is_whole_token(data, start, end):
        return False
    return bool(_PLATE_LETTER.search(written)) or bool(_ISRAELI.fullmatch(written))


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
