"""Whether two schemas certainly have no value in common: then at most one of a `oneOf` can hold."""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import cast

from gateway.engine.grammar.schema import (
    KINDS,
    JsonValue,
    Schema,
    SchemaBudget,
    asserting,
    resolve,
    with_meant_kinds,
)

_MAX_DEPTH = 8
"""Levels of required members that are compared."""


def are_exclusive(options: Sequence[JsonValue], root: JsonValue, budget: SchemaBudget) -> bool:
    """Whether it is certain that what is generated for one of these schemas is not valid under another."""
    found = [conjuncts(option, root, budget) for option in options]
    return all(
        _are_disjoint([*map(with_meant_kinds, one)], other, root, budget, 0)
        for one, other in itertools.permutations(found, 2)
    )


def conjuncts(schema: JsonValue, root: JsonValue, budget: SchemaBudget) -> list[Schema]:
    """Return schemas that all hold wherever `schema` does: with those of `$ref` and `allOf`."""
    found: list[Schema] = []
    left, seen = [schema], set[str]()
    while left:
        budget.spend()
        part = left.pop()
        if part is False:
            part = {"const": None, "type": "string"}  # No value.
        if isinstance(part, dict):
            part = asserting(part)
            found.append(part)
            left += cast("list[JsonValue]", part.get("allOf", []))
            reference = str(part.get("$ref", ""))
            if reference and reference not in seen:
                seen.add(reference)
                left.append(resolve(root, reference))
    return found


def _are_disjoint(
    ones: list[Schema], others: list[Schema], root: JsonValue, budget: SchemaBudget, depth: int
) -> bool:
    budget.spend(len(ones) + len(others))
    kinds = set(KINDS)
    for each in (*ones, *others):
        kinds &= _kinds_of(each)
    if not kinds:
        return True
    values = [_values_of(ones), _values_of(others)]
    if values[0] is not None and values[1] is not None and values[0].isdisjoint(values[1]):
        return True
    if kinds != {"object"} or depth >= _MAX_DEPTH:
        return False
    names = {name for each in (*ones, *others) for name in cast("list[str]", each.get("required", []))}
    for name in names:
        one, other = (
            [part for each in side for part in conjuncts(_member(each, name), root, budget)]
            for side in (ones, others)
        )
        if _are_disjoint(one, other, root, budget, depth + 1):
            return True
    return False


def _member(schema: Schema, name: str) -> JsonValue:
    """Return what a schema says of a member, listed or not."""
    listed = cast(Schema, schema.get("properties", {}))
    if name in listed or "patternProperties" in schema:
        return listed.get(name, True)
    return schema.get("additionalProperties", True)


def _kinds_of(schema: Schema) -> set[str]:
    """Return the types that a schema allows; a number may be an integer."""
    given = schema.get("type", [*KINDS])
    kinds = {str(kind) for kind in given} if isinstance(given, list) else {str(given)}
    values = _values_of([schema])
    kinds |= {"integer"} if "number" in kinds else set()
    return kinds if values is None else kinds & {kind_of(json.loads(value)) for value in values}


def kind_of(value: JsonValue) -> str:
    """Return the narrowest type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) or value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "array" if isinstance(value, list) else "object"


def _values_of(schemas: Iterable[Schema]) -> set[str] | None:
    """Return the values that `enum` and `const` leave, as canonical JSON; None if none of them is set."""
    found: set[str] | None = None
    for each in schemas:
        for keyword in ("enum", "const"):
            if keyword in each:
                values = cast("list[JsonValue]", each["enum"]) if keyword == "enum" else [each["const"]]
                written = set(map(_written, values))
                found = written if found is None else found & written
    return found


def _written(value: JsonValue) -> str:
    """Return a value as canonical JSON, where 1.0 is 1."""
    return json.dumps(json.loads(json.dumps(value), parse_float=_number), sort_keys=True)


def _number(digits: str) -> float:
    number = float(digits)
    return int(number) if number.is_integer() else number
