"""Reduces a JSON schema to its core form, from which a grammar is made.

A core form is: true, a `$ref` into its own `$defs`, `enum`, `anyOf`, or an object, array, string, number,
integer, boolean or null with its own keywords. A schema without an exact core form is refused. The result may
allow less than the schema, never more.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

from gateway.domain.text.schema_bounds import wrapper_problem
from gateway.engine.grammar.schema import (
    KEYWORDS,
    KINDS,
    JsonValue,
    Schema,
    SchemaBudget,
    SchemaRefused,
    asserting,
    kinds_of,
    resolve,
)
from gateway.engine.grammar.schema_leaves import NoValue, enum_form, length_bounds, number_form, string_form
from gateway.engine.grammar.schema_merge import are_disjoint, merge

MAX_NESTED = 32
"""Most levels of nesting, counting references."""
_UNSUPPORTED = ("not", "if", "$dynamicRef", "$recursiveRef")
_UNSUPPORTED_BY_KIND = {
    "object": ("patternProperties", "dependentSchemas", "dependencies"),
    "array": ("contains",),
    "string": ("pattern",),
}


def core_of(root: JsonValue) -> JsonValue:
    """Return the core form of a schema, with its `$defs`; raises SchemaRefused."""
    if not isinstance(root, dict) and root is not True:
        raise SchemaRefused("a schema must be an object or true")
    if isinstance(root, dict) and (problem := wrapper_problem({**root})):
        raise SchemaRefused(problem)
    reducer = _Reducer(root)
    try:
        core = reducer.reduce(root, 0)
    except NoValue:
        raise SchemaRefused("no value is valid under this schema") from None
    return {**core, "$defs": reducer.defs} if isinstance(core, dict) else core


class _Reducer:
    """Reduces the parts of one schema; the target of a `$ref` is reduced once."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._budget = SchemaBudget()
        self._names: dict[str, str] = {}
        self._empty: set[str] = set()
        self.defs: dict[str, JsonValue] = {}

    def reduce(self, schema: JsonValue, depth: int) -> JsonValue:
        """Return the core form of a schema; raises NoValue."""
        if depth > MAX_NESTED:
            raise SchemaRefused(f"is nested deeper than {MAX_NESTED}")
        if isinstance(schema, dict) and asserting(schema).keys() == {"$ref"}:
            return self._reference(str(schema["$ref"]), depth)
        flat = self._flat(schema, depth)
        if "anyOf" in flat:
            return self._options(flat, "anyOf", depth)
        if "oneOf" in flat:
            self._check_exclusive(flat, depth)
            return self._options(flat, "oneOf", depth)
        if unsupported := next((keyword for keyword in _UNSUPPORTED if keyword in flat), None):
            raise SchemaRefused(f"{unsupported} is not supported here")
        if "enum" in flat:
            return enum_form(flat)
        if not flat:
            return True
        kinds = kinds_of(flat) if "type" in flat else _meant(flat)
        return _joined(partial(self._typed, kind, flat, depth) for kind in KINDS if kind in kinds)

    def _reference(self, reference: str, depth: int) -> JsonValue:
        if reference in self._empty:
            raise NoValue
        if reference not in self._names:
            name = self._names[reference] = str(len(self._names))
            try:
                self.defs[name] = self.reduce(resolve(self._root, reference), depth + 1)
            except NoValue:
                self._empty.add(reference)
                raise
        return {"$ref": f"#/$defs/{self._names[reference]}"}

    def _flat(self, schema: JsonValue, depth: int) -> Schema:
        """Return the keywords of a schema with `$ref`, `allOf` and `const` merged in; raises NoValue."""
        self._budget.spend()
        if depth > MAX_NESTED:
            raise SchemaRefused("$ref or allOf leads back to itself")
        if schema is False:
            raise NoValue
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise SchemaRefused("a schema must be an object, true or false")
        found = asserting(schema)
        self._budget.spend(sum(len(part) for part in found.values() if isinstance(part, (list, dict))) // 16)
        parts = cast("list[JsonValue]", found.pop("allOf", []))
        if "$ref" in found:
            parts = [resolve(self._root, str(found.pop("$ref"))), *parts]
        if "const" in found:
            found = merge(found, {"enum": [found.pop("const")]})
        for part in parts:
            found = merge(found, self._flat(part, depth + 1))
        if found.get("type") is False:
            raise NoValue
        return found

    def _options(self, flat: Schema, keyword: str, depth: int) -> JsonValue:
        rest = {key: value for key, value in flat.items() if key != keyword}
        options = cast("list[JsonValue]", flat[keyword])
        return _joined(
            partial(self.reduce, {**rest, "allOf": [option]} if rest else option, depth + 1)
            for option in options
        )

    def _check_exclusive(self, flat: Schema, depth: int) -> None:
        """Raise SchemaRefused unless at most one option of `oneOf` can hold."""
        found = [self._try_flat(option, depth) for option in cast("list[JsonValue]", flat["oneOf"])]
        for one, other in itertools.combinations([each for each in found if each is not None], 2):
            self._budget.spend()
            flat_of = partial(self._try_flat, depth=depth)
            if not (
                are_disjoint(_written(one), other, flat_of) and are_disjoint(_written(other), one, flat_of)
            ):
                raise SchemaRefused("oneOf is supported only if no two options can both hold; write anyOf")

    def _try_flat(self, schema: JsonValue, depth: int) -> Schema | None:
        try:
            return self._flat(schema, depth + 1)
        except NoValue:
            return None

    def _typed(self, kind: str, flat: Schema, depth: int) -> JsonValue:
        for keyword in _UNSUPPORTED_BY_KIND.get(kind, ()):
            if keyword in flat:
                raise SchemaRefused(f"{keyword} is not supported here")
        if kind == "object":
            return self._object(flat, depth)
        if kind == "array":
            return self._array(flat, depth)
        if kind == "string":
            return string_form(flat)
        return number_form(kind, flat) if kind in ("number", "integer") else {"type": kind}

    def _object(self, flat: Schema, depth: int) -> JsonValue:
        listed = cast(Schema, flat.get("properties", {}))
        dependents = cast("dict[str, list[str]]", flat.get("dependentRequired", {})).values()
        required = dict.fromkeys(cast("list[str]", flat.get("required", [])))
        required |= dict.fromkeys(name for names in dependents for name in names)
        others = flat.get("additionalProperties", flat.get("unevaluatedProperties", True))
        names = self._member_names(flat, depth)
        if not listed and not required:
            return self._map(flat, others, names, depth)
        members: Schema = {}
        for name in [*listed, *(name for name in required if name not in listed)]:
            try:
                if not _may_be_named(name, names):
                    raise NoValue
                members[name] = self.reduce(listed.get(name, others), depth + 1)
            except NoValue:
                if name in required:
                    raise
        return _object(flat, members, [name for name in members if name in required])

    def _member_names(self, flat: Schema, depth: int) -> JsonValue:
        """Return the core form of a member's name; true: any string."""
        names = flat.get("propertyNames", True)
        try:
            form = self.reduce({"allOf": [names, {"type": "string"}]}, depth + 1)
        except NoValue:
            return False
        return True if form == {"type": "string"} else form

    def _map(self, flat: Schema, others: JsonValue, names: JsonValue, depth: int) -> JsonValue:
        least, most = length_bounds(flat, "minProperties", "maxProperties")
        try:
            value: JsonValue = self.reduce(others, depth + 1) if names is not False and most != 0 else False
        except NoValue:
            value = False
        if least > 1:  # A name may be repeated.
            raise SchemaRefused("minProperties above 1 is not supported here without properties")
        if value is False and least:
            raise NoValue
        return {
            "type": "object", "additionalProperties": value, "propertyNames": names,
            "minProperties": least, "maxProperties": most,
        }  # fmt: skip

    def _array(self, flat: Schema, depth: int) -> JsonValue:
        least, most = length_bounds(flat, "minItems", "maxItems")
        if flat.get("uniqueItems") is True and (most is None or most > 1):
            raise SchemaRefused("uniqueItems is not supported here")
        items = flat.get("items", flat.get("unevaluatedItems"))
        first = cast("list[JsonValue]", flat.get("prefixItems", items if isinstance(items, list) else []))
        rest = flat.get("additionalItems") if isinstance(items, list) else items
        if rest is None and first and least <= len(first):
            rest = False  # More items are allowed, but not required.
        forms: list[JsonValue] = []
        try:
            for item in first[:most]:
                forms.append(self.reduce(item, depth + 1))
            form = self.reduce(True if rest is None else rest, depth + 1)
        except NoValue:
            form, most = False, len(forms)
        if most is not None and least > most:
            raise NoValue
        return {"type": "array", "prefixItems": forms, "items": form, "minItems": least, "maxItems": most}


def _joined(makers: Iterable[Callable[[], JsonValue]]) -> JsonValue:
    """Return the union of several core forms, without those that no value satisfies."""
    found: list[JsonValue] = []
    for make in makers:
        with contextlib.suppress(NoValue):
            found.append(make())
    if not found:
        raise NoValue
    enums = [each["enum"] for each in found if isinstance(each, dict) and isinstance(each.get("enum"), list)]
    if len(enums) == len(found):
        return {"enum": [value for values in enums for value in cast("list[JsonValue]", values)]}
    return found[0] if len(found) == 1 else {"anyOf": found}


def _meant(flat: Schema) -> set[str]:
    """Return the types that the keywords of a schema without a type restrict; others are not generated."""
    return {kind for kind, group in KEYWORDS.items() if group.keys() & flat.keys()} - {""}


def _written(flat: Schema) -> Schema:
    """Return a schema with the types that are generated for it."""
    kinds = _meant(flat)
    return {**flat, "type": [*kinds]} if kinds and not {"type", "enum"} & flat.keys() else flat


def _may_be_named(name: str, names: JsonValue) -> bool:
    if names is True or names is False:
        return names
    if isinstance(names, dict) and isinstance(values := names.get("enum"), list):
        return name in values
    raise SchemaRefused("propertyNames is supported only with enum, or without properties")


def _object(flat: Schema, members: Schema, required: list[str]) -> JsonValue:
    """Return an object with these members, as many required and listed as its bounds allow."""
    least, most = length_bounds(flat, "minProperties", "maxProperties")
    if most is not None and len(required) > most:
        raise NoValue
    if least > len(members):
        raise SchemaRefused("minProperties above the number of properties is not supported here")
    optional = [name for name in members if name not in required]
    names = {*required, *(optional if most is None else optional[: most - len(required)])}
    needed = {*required, *optional[: max(0, least - len(required))]}
    properties = {name: form for name, form in members.items() if name in names}
    return {"type": "object", "properties": properties, "required": [n for n in members if n in needed]}
