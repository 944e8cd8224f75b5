"""Validates telephone numbers of all countries, by the tables of `phonenumbers`.

RE2 matches the tables: the library's own functions recompile a pattern for most numbers, because it has more
patterns than Python's cache holds.
"""

from functools import cache
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

from gateway.domain.text.pattern import Pattern

_KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager",
    "uan", "voicemail",
)  # fmt: skip
_MAX_CODE_DIGITS = 3
_MIN_DIGITS, _MAX_DIGITS = 7, 15
"""Digits of an international number: the maximum of ITU-T E.164, and the minimum of small islands."""


class _Region(NamedTuple):
    """The pattern of national numbers in a country, and the prefix that is dialled before them."""

    number: Pattern
    prefix: str


@cache
def _region(name: str, code: int) -> _Region | None:
    if name == "001":  # Numbers without a country: satellites, international freephone.
        metadata = PhoneMetadata.metadata_for_nongeo_region(code)
    else:
        metadata = PhoneMetadata.metadata_for_region(name)
    if metadata is None:
        return None
    listed = [getattr(metadata, kind) for kind in _KINDS]
    patterns = [each.national_number_pattern for each in listed if _is_used(each)]
    return (
        _Region(Pattern(f"^(?:{'|'.join(patterns)})$"), metadata.national_prefix or "") if patterns else None
    )


def _is_used(description: PhoneNumberDesc | None) -> bool:
    return description is not None and bool(description.national_number_pattern)


def preload(*regions: str) -> None:
    """Read the tables of some countries now instead of at their first use."""
    for region in regions:
        is_national(("0000000",), region)


def is_national(written: tuple[str, ...], region: str) -> bool:
    """Whether any of these is a number of a region, with or without its dialling prefix."""
    code = _CODES.get(region, 0)
    found = _region(region, code)
    return found is not None and any(_is_of(found, digits) for digits in written)


def is_international(digits: str) -> bool | None:
    """Whether digits with a country code are a valid number there; None: no known length or code."""
    if not _MIN_DIGITS <= len(digits) <= _MAX_DIGITS:
        return None
    for size in range(1, _MAX_CODE_DIGITS + 1):
        code = int(digits[:size])
        regions = COUNTRY_CODE_TO_REGION_CODE.get(code)
        if regions:
            rest = digits[size:]
            found = [_region(name, code) for name in regions]
            return any(each is not None and _is_of(each, rest) for each in found)
    return None


def _is_of(region: _Region, digits: str) -> bool:
    if region.number.is_in(digits):
        return True
    prefix = region.prefix
    return bool(prefix) and digits.startswith(prefix) and region.number.is_in(digits[len(prefix) :])


_CODES = {name: code for code, names in COUNTRY_CODE_TO_REGION_CODE.items() for name in names}
