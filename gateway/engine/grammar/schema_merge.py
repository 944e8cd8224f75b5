"""Merges two schemas that must both hold (`allOf`, or keywords next to a `$ref`)."""

import json
from collections.abc import Callable, Iterable
from typing import Any, cast

from gateway.engine.grammar.schema import JsonValue, Schema, SchemaRefused, kinds_of, shared_kinds

MAX_PRODUCT = 100
"""Most pairs of alternatives in the product of two lists."""


def merge(one: Schema, other: Schema) -> Schema:
    """Return the intersection of two schemas; raises SchemaRefused if no single schema expresses it."""
    if any("patternProperties" in each for each in (one, other)) and one.keys() & other.keys():
        raise SchemaRefused("patternProperties is not supported here")
    if any("prefixItems" in each or isinstance(each.get("items"), list) for each in (one, other)) and (
        {"prefixItems", "items"} & one.keys() and {"prefixItems", "items"} & other.keys()
    ):
        raise SchemaRefused("allOf: prefixItems beside other items is not supported here")
    found = dict(one)
    for keyword, value in other.items():
        if keyword == "properties" or keyword not in one or same(one[keyword], value):
            found[keyword] = value
        elif keyword in _COMBINED:
            found[keyword] = _COMBINED[keyword](one[keyword], value)
        else:
            raise SchemaRefused(f"allOf: two values of {keyword} are not supported here")
    if "properties" in one or "properties" in other:
        found["properties"] = _properties(one, other)
    return found


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are equal in JSON, where true is not 1."""
    return one is other or written(one) == written(other)


def written(value: JsonValue) -> str:
    """Return a value as canonical JSON."""
    return json.dumps(value, sort_keys=True)


def are_disjoint(one: Schema, other: Schema, flat: Callable[[JsonValue], Schema | None]) -> bool:
    """Whether certainly no value is valid under both; `flat` returns a schema without references."""
    kinds = shared_kinds(kinds_of(one), kinds_of(other))
    if not kinds:
        return True
    if isinstance(values := one.get("enum"), list) and isinstance(others := other.get("enum"), list):
        return set(map(written, values)).isdisjoint(map(written, others))
    if kinds != {"object"}:
        return False
    required = {*_names(one), *_names(other)}
    for name in required:
        found = [flat(_member(each, name)) for each in (one, other)]
        if found[0] is None or found[1] is None or are_disjoint(found[0], found[1], flat):
            return True
    return False


def _names(schema: Schema) -> list[str]:
    return cast("list[str]", schema.get("required", []))


def _member(schema: Schema, name: str) -> JsonValue:
    """Return the schema of a member of an object, listed or not."""
    properties = cast(Schema, schema.get("properties", {}))
    return properties.get(name, schema.get("additionalProperties", True))


def _properties(one: Schema, other: Schema) -> JsonValue:
    """Return the members of both; a member that one schema does not list gets its additionalProperties."""
    listed = [cast(Schema, each.get("properties", {})) for each in (one, other)]
    found: Schema = {}
    for name in [*listed[0], *listed[1]]:
        found[name] = _both(_member(one, name), _member(other, name))
    return found


def _both(one: JsonValue, other: JsonValue) -> JsonValue:
    if one is False or other is False:
        return False
    if one is True or other is True:
        return other if one is True else one
    return one if same(one, other) else {"allOf": [one, other]}


def _product(one: Any, other: Any) -> JsonValue:
    if len(one) * len(other) > MAX_PRODUCT:
        raise SchemaRefused(f"anyOf: more than {MAX_PRODUCT} pairs of alternatives")
    return [{"allOf": [left, right]} for left in one for right in other]


def _kinds(one: Any, other: Any) -> JsonValue:
    found = sorted(shared_kinds(kinds_of({"type": one}), kinds_of({"type": other})))
    return cast("list[JsonValue]", found) or False  # False means no type; `reduce` raises NoValue.


def _shared(one: Any, other: Any) -> JsonValue:
    others = set(map(written, other))
    return [value for value in one if written(value) in others]


def _union(one: Iterable[Any], other: Iterable[Any]) -> JsonValue:
    return list(dict.fromkeys([*one, *other]))


_COMBINED: dict[str, Callable[[Any, Any], JsonValue]] = {
    "type": _kinds, "enum": _shared, "required": _union, "anyOf": _product,
    "items": _both, "additionalProperties": _both, "propertyNames": _both,
    "minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max, "minProperties": max,
    "maximum": min, "exclusiveMaximum": min, "maxLength": min, "maxItems": min, "maxProperties": min,
}  # fmt: skip
