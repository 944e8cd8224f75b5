"""Sources of telephone numbers: valid numbers of every region, in every format that phonenumbers writes."""

from collections.abc import Iterator
from random import Random

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from benchmarks.privacy_generated.label_words import labels_of
from benchmarks.privacy_generated.value import Draw, Source

_TYPES = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
_FORMATS = ("E164", "international", "national", "RFC 3966", "with extension", "without plus", "with 00")
_EVIDENT = frozenset({"E164", "international", "RFC 3966", "with extension"})
_LANGUAGES = {
    **dict.fromkeys(("DE", "AT", "CH", "LI"), "de"), **dict.fromkeys(("FR", "BE", "SN", "CI", "MA", "RE"), "fr"),
    **dict.fromkeys(("ES", "MX", "AR", "CO", "CL", "PE", "EC", "UY", "VE", "CR"), "es"), "IT": "it", "SM": "it",
    **dict.fromkeys(("BR", "PT", "AO", "MZ"), "pt"), "NL": "nl", "PL": "pl", "CZ": "cs", "SK": "sk", "SE": "sv",
    "DK": "da", "NO": "no", "FI": "fi", "TR": "tr", **dict.fromkeys(("RU", "BY", "KZ", "KG"), "ru"), "UA": "uk",
    "BG": "bg", "HU": "hu", "RO": "ro", "HR": "hr", "SI": "sl", "GR": "el", "CY": "el", "LT": "lt", "LV": "lv",
    "EE": "et", "ID": "id", "VN": "vi", "TH": "th", "JP": "ja", **dict.fromkeys(("CN", "TW", "HK"), "zh"), "KR": "ko",
    **dict.fromkeys(("EG", "SA", "AE", "JO", "DZ", "TN", "IQ", "KW"), "ar"), "IL": "he", "IR": "fa", "IN": "hi",
}  # fmt: skip
"""The language of the labels where it is not English."""


def sources() -> Iterator[Source]:
    """Yield a source for each region and format."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        examples = [one for kind in _TYPES if (one := phonenumbers.example_number_for_type(region, kind))]
        lang = _LANGUAGES.get(region, "en")
        for form in _FORMATS if examples else ():
            yield Source(
                name=f"phonenumbers {region}",
                kind=f"phone, {form}",
                type="PHONE",
                draw=_draw(region, examples, form),
                labels=labels_of("PHONE", lang),
                lang=lang,
                is_evident=form in _EVIDENT,
            )


def _draw(region: str, examples: list[phonenumbers.PhoneNumber], form: str) -> Draw:
    return lambda random: _formatted(_valid(random.choice(examples), random), region, form, random)


def _valid(example: phonenumbers.PhoneNumber, random: Random) -> phonenumbers.PhoneNumber:
    """Return a valid number near an example: its last digits drawn anew, fewer where none of them is valid."""
    digits = phonenumbers.national_significant_number(example)
    for changed in (4, 4, 4, 3, 3, 2, 1):
        tail = "".join(random.choices("0123456789", k=changed))
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(digits[:-changed] + tail),
            italian_leading_zero=example.italian_leading_zero,
            number_of_leading_zeros=example.number_of_leading_zeros,
        )
        if phonenumbers.is_valid_number(number):
            return number
    return example


def _formatted(number: phonenumbers.PhoneNumber, region: str, form: str, random: Random) -> str:
    if form == "with extension":
        number.extension = str(random.randrange(10, 9999))
        return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    match form:
        case "E164":
            return phonenumbers.format_number(number, PhoneNumberFormat.E164)
        case "national":
            return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        case "RFC 3966":
            return phonenumbers.format_number(number, PhoneNumberFormat.RFC3966)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    match form:
        case "without plus":
            return international.removeprefix("+")
        case "with 00":
            return "00" + international.removeprefix("+")
    return international
