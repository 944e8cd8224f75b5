"""International bank account numbers (ISO 13616): length by country, mod 97."""

from collections.abc import Iterator

from stdnum.iso7064 import mod_97_10

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, Match, accepted, digits_in, is_in_uuid, is_whole_token

# Country and total length, from the IBAN registry of SWIFT.
_REGISTRY = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28
EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26
IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28
NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25
SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _REGISTRY.split()}
_MAX_CHARS = 34
_NUMERIC = "AT|BA|BE|CZ|DE|DK|EE|ES|FI|HR|HU|IL|IS|LT|ME|NO|PL|PT|RS|SE|SI|SK|TN|XK"
"""Countries whose accounts are of digits only, so that a letter is a digit misread."""
_MISREAD = Pattern(rf"\b(?:{_NUMERIC})[ .-]?(?:[0-9OoIlSsBZG]{{1,4}}[ .-]?){{4,8}}\b")
_AS_DIGITS = str.maketrans("OoIlSsBZG", "001155826")
_LEAST_DIGITS = 0.7
"""Share of the characters behind the country."""
_POLISH = Pattern(r"\b\d{2}(?:[ -]?\d{4}){6}\b")
_START = Pattern(r"\b[A-Z]{2}[ -]?\d{2}[ -]?[A-Z0-9]", ignore_case=True)


class IbanDetector:
    """Finds IBANs, with or without groups."""

    types = ("IBAN",)
    prefilter = (
        rf"\b(?:{_NUMERIC})[ .-]?(?:[0-9OILSBZG]{{1,4}}[ .-]?){{4}}|"
        r"\b[A-Z]{2}[ -]?\d{2}[ -]?[A-Z0-9]|\d{2}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"
    )

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers with a valid country, length and check digits."""
        data = as_data(text)

        def match_at(start: int, _: int) -> Match | None:
            length = _LENGTHS.get(text[start : start + 2].upper())
            end = _end(data, start, length) if length else None
            if not end or not is_iban(text[start:end]) or is_in_uuid(data, start, end):
                return None
            return Match("IBAN", start, end, CHECKED)

        def polish_match_at(start: int, end: int) -> Match | None:
            """Return the match of a Polish account number, which is an IBAN without the country code."""
            is_one = is_whole_token(data, start, end) and is_iban("PL" + text[start:end])
            return Match("IBAN", start, end, LIKELY) if is_one else None

        def misread_match_at(start: int, end: int) -> Match | None:
            """Return the match of a number with letters in place of some digits."""
            end = start + len(text[start:end].rstrip(" .-"))
            head, rest = text[start : start + 2], text[start + 2 : end]
            is_likely = digits_in(rest) >= _LEAST_DIGITS * sum(map(str.isalnum, rest))
            right = head + rest.translate(_AS_DIGITS)
            is_one = is_likely and sum(map(str.isalnum, right)) == _LENGTHS[head] and is_iban(right)
            return Match("IBAN", start, end, CHECKED) if is_one and right[2:] != rest else None

        yield from accepted(_START, data, match_at)
        yield from accepted(_MISREAD, data, misread_match_at)
        yield from accepted(_POLISH, data, polish_match_at)


def is_iban(written: str) -> bool:
    """Whether the check digits are valid, with any separators."""
    compact = "".join(filter(str.isalnum, written)).upper()
    return bool(mod_97_10.is_valid(compact[4:] + compact[:4]))


def _end(data: bytes, start: int, length: int) -> int | None:
    """Return the end of `length` letters and digits that form a whole word, with single separators."""
    count, after_separator = 0, True
    for at in range(start, min(len(data), start + 2 * _MAX_CHARS)):
        char = data[at : at + 1]
        if char.isalnum():
            count, after_separator = count + 1, False
        elif char in b" -.\n" and not after_separator:
            after_separator = True
        else:
            return None
        if count == length:
            return None if data[at + 1 : at + 2].isalnum() else at + 1
    return None
