"""Which digits are a telephone number of some country, by the tables of `phonenumbers`.

The tables are read here and matched by RE2: the library's own functions compile a pattern anew for most
numbers, since it has more of them than Python's cache of patterns holds.
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
"""Of an international number; ITU-T E.164 has the upper bound, and the lower one is that of small islands."""


class _Region(NamedTuple):
    """How national numbers are written in a country, and the digits that are dialled before them there."""

    number: Pattern
    prefix: str


@cache
def _region(name: str, code: int) -> _Region | None:
    if name == "001":  # What no country has: satellites, free phone of the world.
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
    """Read the tables of some countries now, and not with the first number that needs them."""
    for region in regions:
        is_national(("0000000",), region)


def is_national(written: tuple[str, ...], region: str) -> bool:
    """Whether any of these digits is a number of a region, with the prefix that is dialled there or not."""
    code = _CODES.get(region, 0)
    found = _region(region, code)
    return found is not None and any(_is_of(found, digits) for digits in written)


def is_international(digits: str) -> bool | None:
    """Whether digits that begin with a country's code are a number there; None: no known length or code."""
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
