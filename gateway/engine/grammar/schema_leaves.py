"""Core forms of `schema_core` without nested schemas: `enum`, strings and numbers."""

from collections.abc import Callable
from typing import Any, cast

from gateway.engine.grammar.number_ranges import number_bounds
from gateway.engine.grammar.schema import (
    KEYWORDS,
    KINDS,
    JsonValue,
    Schema,
    SchemaRefused,
    kinds_of,
    names_of,
)
from gateway.engine.grammar.string_formats import FORMATS, UNSUPPORTED_FORMATS

MAX_REPEATS = {"minLength": 100_000, "minItems": 1000, "minProperties": 1000}
"""Largest lower bound of each length; a larger upper bound is lowered to it."""
_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "minLength": lambda text, bound: len(text) >= bound,
    "maxLength": lambda text, bound: len(text) <= bound,
    "minimum": lambda number, bound: number >= bound,
    "maximum": lambda number, bound: number <= bound,
    "exclusiveMinimum": lambda number, bound: number > bound,
    "exclusiveMaximum": lambda number, bound: number < bound,
}
"""Checks of `enum` values against other keywords."""


class NoValue(Exception):
    """No value is valid under this schema."""


def length_bounds(flat: Schema, least_key: str, most_key: str) -> tuple[int, int | None]:
    """Return the bounds of a length; raises SchemaRefused, or NoValue if no length is within them."""
    least = int(cast(float, flat.get(least_key, 0)))
    most = None if most_key not in flat else int(cast(float, flat[most_key]))
    if least > MAX_REPEATS[least_key]:
        raise SchemaRefused(f"{least_key} must be at most {MAX_REPEATS[least_key]}")
    if most is not None and least > most:
        raise NoValue
    return least, None if most is None else min(most, MAX_REPEATS[least_key])


def enum_form(flat: Schema) -> JsonValue:
    """Return the values of an `enum` that the other keywords allow; raises NoValue."""
    kinds = kinds_of({"type": flat["type"]}) if "type" in flat else set(KINDS)
    values = cast("list[JsonValue]", flat["enum"])
    found = [value for value in values if names_of(value) & kinds and _is_allowed(value, flat)]
    if not found:
        raise NoValue
    return {"enum": found}


def _is_allowed(value: JsonValue, flat: Schema) -> bool:
    relevant = {keyword for name in names_of(value) for keyword in KEYWORDS.get(name, {})} & flat.keys()
    if unsupported := min(relevant - _HOLDS.keys(), default=None):
        raise SchemaRefused(f"{unsupported} beside enum or const is not supported here")
    return all(_HOLDS[keyword](value, flat[keyword]) for keyword in relevant)


def string_form(flat: Schema) -> JsonValue:
    """Return a string with a format or a length; raises SchemaRefused or NoValue."""
    least, most = length_bounds(flat, "minLength", "maxLength")
    name = str(flat.get("format", ""))
    if name in UNSUPPORTED_FORMATS:
        raise SchemaRefused("format: this one is not supported here")
    if name not in FORMATS:  # An unknown format is ignored, as the standard says.
        return (
            {"type": "string", "minLength": least, "maxLength": most}
            if least or most is not None
            else {"type": "string"}
        )
    if least > FORMATS[name].shortest or (most is not None and most < FORMATS[name].longest):
        raise SchemaRefused("format with these lengths is not supported here")
    return {"type": "string", "format": name}


def number_form(kind: str, flat: Schema) -> JsonValue:
    """Return a number or an integer within its bounds; raises SchemaRefused or NoValue."""
    step = flat.get("multipleOf", 1 if kind == "integer" else None)
    if step not in (1, None):
        raise SchemaRefused("multipleOf is supported only with 1")
    found = number_bounds(flat, is_integer=step == 1, number_format=str(flat.get("format", "")))
    if found is None:
        return {"type": "integer" if step == 1 else "number"}
    if found.low > found.high:
        raise NoValue
    return {"type": "number", "scale": found.scale, "low": found.low, "high": found.high}
