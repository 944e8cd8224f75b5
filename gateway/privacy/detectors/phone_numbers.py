"""Validates telephone numbers of all countries, by the tables of `phonenumbers`.

RE2 matches the tables: the library's own functions recompile a pattern for most numbers, because it has more
patterns than Python's cache holds.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS, NumberFormat, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

from gateway.domain.text.pattern import Pattern
from gateway.domain.text.search_budget import loading
from gateway.privacy.detector import digits_of

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
@loading()
def _region(name: str, code: int) -> _Region | None:
    metadata = _metadata(name, code)
    if metadata is None:
        return None
    listed = [getattr(metadata, kind) for kind in _KINDS]
    patterns = [each.national_number_pattern for each in listed if _is_used(each)]
    return (
        _Region(Pattern(f"^(?:{'|'.join(patterns)})$"), metadata.national_prefix or "") if patterns else None
    )


def _is_used(description: PhoneNumberDesc | None) -> bool:
    return description is not None and bool(description.national_number_pattern)


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


Grouping = tuple[str, tuple[int, ...]]
"""What is dialled before a national number, and how many digits each group of it has."""
_Plan = tuple[frozenset[str], tuple[str, ...]]
"""The first digits of numbers that are written in some way, and the regions that write them so."""
_ANY_DIGIT = bytes.maketrans(b"0123456789", b"9999999999")
_WITH_AREA = 2
"""The groups of a number with a code of an area only, behind which there may be any mark."""
_MIN_GROUPS = 3
"""A number with more groups is also written with the same mark between all."""
_GROUP = re.compile(r"\(([^()]*)\)")
_COUNT = re.compile(r"(?:\\d|\[[^\]]*\]|\d)(?:\{(\d+)(?:,(\d+))?\})?")


def is_usual(groups: Sequence[str], *, needs_prefix: bool = True) -> bool:
    """Whether a national number is grouped as a country writes it, by official tables.

    `needs_prefix`: only with what is dialled before it, or a zero of its own.
    """
    return any(
        _is_usual(groups, prefix)
        for prefix in _prefixes()
        if prefix or not needs_prefix or groups[0].startswith("0")
    )


def is_written_as_usual(written: str) -> bool:
    """Whether a national number has the groups and marks of a country, and is one of its plan."""
    shape = written.encode("ascii").translate(_ANY_DIGIT).decode("ascii")
    digits = digits_of(written)
    for prefix, (heads, regions) in _shapes().get(shape, {}).items():
        is_dialled = prefix or digits.startswith("0")
        if is_dialled and digits.startswith(prefix):
            number = digits[len(prefix) :]
            if _head(heads).is_in(number) and any(is_national((number,), region) for region in regions):
                return True
    return False


def is_usual_international(groups: Sequence[str]) -> bool:
    """Whether a country code in the first group, without a plus, is before a number in a usual grouping."""
    if not groups[0] or groups[0][0] == "0" or len(groups[0]) > _MAX_CODE_DIGITS:
        return False
    code = int(groups[0])
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code)
    if regions is None or not is_international("".join(groups)):
        return False
    return any(tuple(map(len, groups[1:])) in _lengths(name, code) for name in regions)


def _is_usual(groups: Sequence[str], prefix: str) -> bool:
    if not groups[0].startswith(prefix):
        return False
    rest = [groups[0][len(prefix) :], *groups[1:]] if len(groups[0]) > len(prefix) else groups[1:]
    found = _usual().get((prefix, tuple(map(len, rest))))
    return found is not None and found.is_in("".join(rest))


@cache
@loading()
def _head(heads: frozenset[str]) -> Pattern:
    return Pattern(f"^(?:{'|'.join(sorted(heads))})")


@cache
@loading()
def _lengths(name: str, code: int) -> frozenset[tuple[int, ...]]:
    """Return the groupings of the numbers of a region."""
    metadata = _metadata(name, code)
    formats = (metadata.number_format or metadata.intl_number_format) if metadata else ()
    main = COUNTRY_CODE_TO_REGION_CODE[code][0]
    if not formats and main != name:
        return _lengths(main, code)
    return frozenset(lengths for each in formats for lengths in _groupings(each))


def _metadata(name: str, code: int) -> PhoneMetadata | None:
    if name == "001":  # Numbers without a country: satellites, international freephone.
        return PhoneMetadata.metadata_for_nongeo_region(code)
    return PhoneMetadata.metadata_for_region(name)


@cache
@loading()
def _usual() -> dict[Grouping, Pattern]:
    """Return, for each grouping of any country, a pattern of the numbers that are written in it."""
    heads: dict[Grouping, set[str]] = {}
    for name in SUPPORTED_REGIONS:
        metadata = PhoneMetadata.metadata_for_region(name)
        for each in metadata.number_format if metadata else ():
            rule = each.national_prefix_formatting_rule or ""
            prefix = digits_of(rule.partition("\\1")[0])
            head = each.leading_digits_pattern[-1] if each.leading_digits_pattern else r"\d"
            for lengths in _groupings(each):
                heads.setdefault((prefix, lengths), set()).add(head)
    return {key: Pattern(f"^(?:{'|'.join(sorted(each))})") for key, each in heads.items()}


@cache
@loading()
def _shapes() -> dict[str, dict[str, _Plan]]:
    """Return, for each shape of a number with nines for digits, the countries that write it, by prefix."""
    found: dict[str, dict[str, tuple[set[str], set[str]]]] = {}
    for name in SUPPORTED_REGIONS:
        metadata = PhoneMetadata.metadata_for_region(name)
        for each in metadata.number_format if metadata else ():
            rule = each.national_prefix_formatting_rule or "\\1"
            head = each.leading_digits_pattern[-1] if each.leading_digits_pattern else r"\d"
            for lengths in _groupings(each):
                for shape in _spellings((each.format or "").replace("\\1", rule, 1), lengths):
                    heads, regions = found.setdefault(shape, {}).setdefault(
                        digits_of(rule.partition("\\1")[0]), (set(), set())
                    )
                    heads.add(head)
                    regions.add(name)
    return {
        shape: {key: (frozenset(heads), tuple(sorted(regions))) for key, (heads, regions) in plans.items()}
        for shape, plans in found.items()
    }


def _spellings(form: str, lengths: tuple[int, ...]) -> Iterator[str]:
    """Yield the shapes of an official form: its own, and those with other marks that people write it with."""
    shape = "".join(
        "9" * lengths[int(part) - 1] if at % 2 else part for at, part in enumerate(re.split(r"\\(\d)", form))
    )
    shape = re.sub(r"\d", "9", shape)
    yield shape
    groups = re.findall("9+", shape)
    if len(groups) == _WITH_AREA and "(" not in shape:
        yield from (mark.join(groups) for mark in " -/")
    if len(groups) > _MIN_GROUPS:
        yield from (mark.join(groups) for mark in " -.")


def _groupings(each: NumberFormat) -> Iterator[tuple[int, ...]]:
    counts = [_sizes(group) for group in _GROUP.findall(each.pattern or "")]
    yield from product(*counts)


def _sizes(group: str) -> range:
    least = most = 0
    for low, high in _COUNT.findall(group):
        least += int(low or 1)
        most += int(high or low or 1)
    return range(least, most + 1)


_CODES = {name: code for code, names in COUNTRY_CODE_TO_REGION_CODE.items() for name in names}


@cache
def _prefixes() -> list[str]:
    return sorted({prefix for prefix, _ in _usual()})


_TRUNK_REGIONS = ("GB", "DE", "FR", "IT", "IN", "AU", "PH", "ZA", "NL")
_OTHER_REGIONS = ("US", "IN", "BR", "CN", "ES", "PL")
"""Regions tried without a word or a code of a country: of numbers with a zero in front, and of others."""


def is_valid_somewhere(groups: Sequence[str]) -> bool:
    """Whether a number without the code of its country is one of a large region."""
    digits = "".join(groups)
    regions = _TRUNK_REGIONS if digits.startswith("0") else _OTHER_REGIONS
    return any(is_national((digits,), region) for region in regions)
