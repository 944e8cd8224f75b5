"""Fields of records whose place says what they are: HL7 version 2 and vCard."""

import re
from collections.abc import Iterator, Mapping

from gateway.domain.text.pattern import Pattern
from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import CHECKED, LIKELY, Match, digits_in
from gateway.privacy.detectors.mrz import zone_matches

# The types of the fields of each segment, by their number.
_SEGMENTS: Mapping[str, Mapping[int, str]] = {
    "PID": {
        2: "NATIONAL_ID", 3: "NATIONAL_ID", 4: "NATIONAL_ID", 5: "PERSON", 6: "PERSON", 7: "DOB", 9: "PERSON",
        11: "ADDRESS", 13: "PHONE", 14: "PHONE", 18: "NATIONAL_ID", 19: "US_SSN", 20: "NATIONAL_ID",
    },
    "NK1": {2: "PERSON", 4: "ADDRESS", 5: "PHONE", 6: "PHONE", 16: "DOB"},
    "GT1": {3: "PERSON", 5: "ADDRESS", 6: "PHONE", 7: "PHONE", 8: "DOB", 12: "US_SSN"},
}  # fmt: skip
_SEGMENT = Pattern(r"(?:^|[\n\r\x0b\"'>]|\\[nr])[ \t]*(PID|NK1|GT1)\|([^\n\r\"]+)")
_FIELD = re.compile(r"[^|\n\r\\]*")
_REPEATS = re.compile(r"[^~]+")
_MIN_DIGITS: Mapping[str, int] = {"DOB": 6, "PHONE": 6, "US_SSN": 7, "NATIONAL_ID": 4}
_PROPERTY = Pattern(
    r"(?m)^[ \t]*(?:item\d+\.)?(FN|N|NICKNAME|TEL|ADR|LABEL|BDAY)((?:;[^:\n]*)?):"
    r"([^\n]*(?:\r?\n[ \t][^\n]*)*)",
    ignore_case=True,
)
_CARD_TYPES: Mapping[str, str] = {
    "FN": "PERSON", "N": "PERSON", "TEL": "PHONE", "ADR": "ADDRESS", "LABEL": "ADDRESS",
    "BDAY": "DOB",
}  # fmt: skip
_SCHEME = re.compile(r"(?:tel|mailto|sip):", re.IGNORECASE)
_SSN_DIGITS = 9
_AROUND = " \t\r\n;,^&"


def record_matches(text: str, kind: str) -> Iterator[Match]:
    """Yield the matches of a type in records: patient segments, vCards, and zones of travel documents."""
    if "PID|" in text or "NK1|" in text or "GT1|" in text:
        yield from (match for match in _segments(text) if match.type == kind)
    if "BEGIN:VCARD" in text or "begin:vcard" in text:
        yield from (match for match in _cards(text) if match.type == kind)
    if "<" in text:
        yield from (match for match in zone_matches(text) if match.type == kind)


def _segments(text: str) -> Iterator[Match]:
    for found in _SEGMENT.find(text):
        kinds, (start, end) = _SEGMENTS[text[slice(*found.groups[0])]], found.groups[1]
        for number in range(1, max(kinds) + 1):
            count_candidate()
            field = _FIELD.match(text, start, end)
            if field is None:
                break
            kind = kinds.get(number)
            for part in _REPEATS.finditer(text, *field.span()) if kind else ():
                yield from _match(text, kind or "", *part.span())
            start = field.end() + 1
            if start > end or text[field.end() : start] != "|":
                break


def _cards(text: str) -> Iterator[Match]:
    for found in _PROPERTY.find(text):
        name, _, (start, end) = found.groups
        kind = _CARD_TYPES.get(text[slice(*name)].upper())
        if kind is None:
            continue
        scheme = _SCHEME.match(text, start, end)
        yield from _match(text, kind, scheme.end() if scheme else start, end)


def _match(text: str, kind: str, start: int, end: int) -> Iterator[Match]:
    """Yield a match of a field, without the separators around it; numbers end at their first component."""
    if kind in _MIN_DIGITS and kind != "PHONE":
        end = min(end, next((at for at in range(start, end) if text[at] == "^"), end))
    while start < end and text[start] in _AROUND:
        start += 1
    while start < end and text[end - 1] in _AROUND:
        end -= 1
    written = text[start:end]
    if digits_in(written) < _MIN_DIGITS.get(kind, 0) or not any(map(str.isalnum, written)):
        return
    if kind == "US_SSN" and digits_in(written) != _SSN_DIGITS:
        kind = "NATIONAL_ID"
    yield Match(kind, start, end, CHECKED if kind in _MIN_DIGITS else LIKELY)
