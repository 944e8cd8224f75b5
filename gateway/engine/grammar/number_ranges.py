"""Converts a range of numbers to a grammar of digits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gateway.engine.grammar.schema import JsonValue, SchemaRefused

MAX_DIGITS = 16
"""Most digits before the decimal point, and after it without a bound: the precision of a double."""
_MAX_DECIMALS = 15
_FINER = 4
"""How many more decimals than the bound a number may have."""
_INTEGERS = {"int32": (-(2**31), 2**31 - 1)}
"""Formats of OpenAPI that bound an integer; int64 holds all of `MAX_DIGITS`."""
_Digits = list[tuple[int, int]]
"""Lowest and highest value of each digit."""


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """Inclusive bounds, as integers in units of 10 to the power of -`scale`."""

    low: int
    high: int
    scale: int


def number_bounds(
    schema: Mapping[str, JsonValue], *, is_integer: bool, number_format: str
) -> NumberBounds | None:
    """Return the bounds of a schema; None if it sets none."""
    given = {key: Decimal(str(schema[key])) for key in (*_LOW, *_HIGH) if key in schema}
    if is_integer and number_format in _INTEGERS:
        least, most = _INTEGERS[number_format]
        given["minimum"] = max(Decimal(least), given.get("minimum", Decimal(least)))
        given["maximum"] = min(Decimal(most), given.get("maximum", Decimal(most)))
    if not given:
        return None
    scale = 0 if is_integer else _FINER + max(_decimals(bound) for bound in given.values())
    if scale > _MAX_DECIMALS:
        raise SchemaRefused("minimum or maximum has more decimals than are supported here")
    edge = 10 ** (MAX_DIGITS + scale) - 1
    lows = [
        -edge,
        *(_first(given[key], scale, is_inclusive=key == "minimum") for key in _LOW if key in given),
    ]
    highs = [
        edge,
        *(-_first(-given[key], scale, is_inclusive=key == "maximum") for key in _HIGH if key in given),
    ]
    low, high = max(lows), min(highs)
    if low > edge or high < -edge:
        raise SchemaRefused(f"minimum or maximum has more than {MAX_DIGITS} digits")
    return NumberBounds(low=low, high=high, scale=scale)


def range_rule(low: int, high: int, scale: int) -> str:
    """Return alternatives for decimals from `low` to `high`, both in units of 10 to the power of -scale."""
    found = []
    if low < 0:
        found += ['"-" ' + each for each in _positive(max(1, -high), -low, scale)]
    if high >= 0:
        found += _positive(max(0, low), high, scale)
    return " | ".join(found)


_LOW = ("minimum", "exclusiveMinimum")
_HIGH = ("maximum", "exclusiveMaximum")


def _decimals(bound: Decimal) -> int:
    exponent = bound.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _first(bound: Decimal, scale: int, *, is_inclusive: bool) -> int:
    """Return the smallest integer, in units of 10 to the power of -scale, within a lower bound."""
    exact = Fraction(bound) * Fraction(10) ** scale
    return math.ceil(exact) + int(not is_inclusive and exact.denominator == 1)


def _positive(low: int, high: int, scale: int) -> list[str]:
    """Return alternatives for decimals from 0 on, by the count of their digits before the point."""
    found, complete = list[str](), list[int]()
    for length in range(1, len(str(high)) + 1):
        first = 0 if length == 1 else 10 ** (length - 1 + scale)
        start, end = max(low, first), min(high, 10 ** (length + scale) - 1)
        if length > 1 and (start, end) == (first, 10 ** (length + scale) - 1):
            complete.append(length)  # These become one alternative, since a decoder follows each.
        elif start <= end:
            width = length + scale
            found += [
                _written(digits, length) for digits in _same_length(f"{start:0{width}}", f"{end:0{width}}")
            ]
    if complete:
        fraction = f' ("." [0-9]{{1,{scale}}})?' if scale else ""
        found.append(f"[1-9] [0-9]{{{complete[0] - 1},{complete[-1] - 1}}}{fraction}")
    return found


def _same_length(low: str, high: str) -> list[_Digits]:
    """Return ranges of digits that together cover all numbers between two of the same length."""
    if set(low) <= {"0"} and set(high) <= {"9"}:
        return [[(0, 9)] * len(low)]
    first, last = int(low[0]), int(high[0])
    if first == last:
        return [[(first, first), *rest] for rest in _same_length(low[1:], high[1:])]
    found: list[_Digits] = []
    if low[1:].strip("0"):
        found += [[(first, first), *rest] for rest in _same_length(low[1:], "9" * len(low[1:]))]
        first += 1
    has_part = bool(high[1:].strip("9"))
    if first <= last - has_part:
        found.append([(first, last - has_part), *[(0, 9)] * len(low[1:])])
    if has_part:
        found += [[(last, last), *rest] for rest in _same_length("0" * len(high[1:]), high[1:])]
    return found


def _written(digits: _Digits, length: int) -> str:
    """Return the rule of a number; digits after the last significant one are optional."""
    whole, fraction = digits[:length], digits[length:]
    needed = len(fraction)
    last = fraction[-1] if fraction and fraction[-1] in ((0, 9), (0, 0)) else None
    while needed and fraction[needed - 1] == last:
        needed -= 1
    free = len(fraction) - needed if last == (0, 9) else 0
    rule = " ".join(map(_digit, whole))
    if needed:
        return f'{rule} "." {" ".join(map(_digit, fraction[:needed]))} [0-9]{{0,{free}}}'
    return f'{rule} ("." [0-9]{{1,{free}}})?' if free else rule


def _digit(bounds: tuple[int, int]) -> str:
    return f'"{bounds[0]}"' if bounds[0] == bounds[1] else f"[{bounds[0]}-{bounds[1]}]"
