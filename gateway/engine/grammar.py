"""A JSON schema as a grammar for the decoder (GBNF): what it cannot hold to the letter, it refuses.

Everything that a grammar made here admits is valid under the schema. It need not admit everything that
is: properties come in the schema's order, unlisted ones do not come, and numbers have at most 16 digits.
"""

import json
from typing import cast

from gateway.engine.ambiguity import check_readings
from gateway.engine.schema import JsonValue, SchemaRefused, resolve
from gateway.schema_bounds import AT_THE_EDGE, strict_json

MAX_REPEATS = 1000
"""The largest bound on lengths that is honoured; llama.cpp refuses grammars with more than 2,000."""
MAX_RULES = 1000
"""Rules of one grammar, two for a property: llama.cpp follows all that may come next at every token."""

_Schema = dict[str, JsonValue]

_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
     "deprecated", "readOnly", "writeOnly"}
)  # fmt: skip
_KEYWORDS = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
}
_PRIMITIVES = {
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "ws": '" "?',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}"',
    "array": '"[" ws (value ("," ws value)*)? "]"',
}


def grammar_of(schema: str) -> str:
    """Return the GBNF grammar whose texts are valid under a JSON schema; raises SchemaRefused."""
    problem = AT_THE_EDGE.problem(schema)
    if problem:
        raise SchemaRefused(problem)
    try:
        parsed = cast(JsonValue, strict_json(schema))
    except (ValueError, RecursionError):
        raise SchemaRefused("is not JSON") from None
    grammar = _Grammar(parsed).text()
    check_readings(parsed)
    return grammar


class _Grammar:
    """The rules of one schema, gathered while walking it."""

    def __init__(self, schema: JsonValue) -> None:
        self._root = schema
        self._rules: list[str] = []
        self._references: dict[str, str] = {}

    def text(self) -> str:
        root = self._visit(self._root, depth=0)
        rules = [f"root ::= {root}", *self._rules]
        return "\n".join(rules + [f"{name} ::= {body}" for name, body in _PRIMITIVES.items()])

    def _add(self, body: str) -> str:
        name = self._reserve()
        self._fill(name, body)
        return name

    def _reserve(self) -> str:
        if len(self._rules) >= MAX_RULES:
            raise SchemaRefused(f"needs more than {MAX_RULES} rules")
        self._rules.append("")
        return f"r{len(self._rules) - 1}"

    def _fill(self, name: str, body: str) -> None:
        self._rules[int(name[1:])] = f"{name} ::= {body}"

    def _visit(self, schema: JsonValue, *, depth: int) -> str:
        """Return an expression for a schema."""
        if depth > AT_THE_EDGE.max_depth:  # References nest deeper than the text does.
            raise SchemaRefused(f"is nested deeper than {AT_THE_EDGE.max_depth}")
        if schema is True:
            return "value"
        if not isinstance(schema, dict):
            raise SchemaRefused("a schema has to be an object or true")
        keywords = schema.keys() - _ANNOTATIONS
        for keyword, convert in (("$ref", self._reference), ("enum", self._enum), ("const", self._const)):
            if keyword in keywords:
                return convert(schema, depth)
        if "anyOf" in keywords:
            _allow(keywords, {"anyOf"})
            return self._any_of(schema["anyOf"], depth)
        return self._typed(schema, keywords, depth)

    def _typed(self, schema: _Schema, keywords: set[str], depth: int) -> str:
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            return self._any_of([{**schema, "type": one} for one in kind], depth)
        if kind is None:
            _allow(keywords, set())
            return "value"
        if not isinstance(kind, str) or kind not in _PRIMITIVES or kind in {"char", "ws", "value"}:
            raise SchemaRefused("type is none that JSON has")
        _allow(keywords, {"type", *_KEYWORDS.get(kind, ())})
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string" and keywords & _KEYWORDS["string"]:
            return self._add(rf'"\"" char{_bounds(schema, "minLength", "maxLength")} "\""')
        return kind

    def _reference(self, schema: _Schema, depth: int) -> str:
        _allow(schema.keys() - _ANNOTATIONS, {"$ref"})
        reference = schema["$ref"]
        if not isinstance(reference, str):
            raise SchemaRefused("$ref has to point into the schema itself")
        if reference not in self._references:
            name = self._references[reference] = self._reserve()
            self._fill(name, self._visit(resolve(self._root, reference), depth=depth + 1))
        return self._references[reference]

    def _enum(self, schema: _Schema, depth: int) -> str:
        _allow(schema.keys() - _ANNOTATIONS, {"enum"} | _type_of_strings(schema))
        values = schema["enum"]
        if not isinstance(values, list) or not values:
            raise SchemaRefused("enum has to be a list of values")
        return self._add(" | ".join(_literal(value) for value in values))

    def _const(self, schema: _Schema, depth: int) -> str:
        _allow(schema.keys() - _ANNOTATIONS, {"const"} | _type_of_strings(schema))
        return _literal(schema["const"])

    def _any_of(self, options: JsonValue, depth: int) -> str:
        if not isinstance(options, list) or not options:
            raise SchemaRefused("anyOf has to be a list of schemas")
        return self._add(" | ".join(self._visit(option, depth=depth + 1) for option in options))

    def _array(self, schema: _Schema, depth: int) -> str:
        item = self._visit(schema.get("items", True), depth=depth + 1)
        least, most = _limits(schema, "minItems", "maxItems")
        if most == 0:
            return '"[]"'
        more = f'("," ws {item}){_repeat(max(least - 1, 0), None if most is None else most - 1)}'
        items = f"{item} {more}"
        return self._add(f'"[" ws {items if least else f"({items})?"} "]"')

    def _object(self, schema: _Schema, depth: int) -> str:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise SchemaRefused("properties has to be an object and required a list")
        if not all(isinstance(name, str) and name in properties for name in required):
            raise SchemaRefused("required names what is not in properties")
        if not properties:
            return self._map(schema.get("additionalProperties", True), depth)
        members = [
            (f'{_literal(name)} ":" ws {self._visit(value, depth=depth + 1)}', name in required)
            for name, value in properties.items()
        ]
        return self._add(f'"{{" ws {self._members(members)} "}}"')

    def _members(self, members: list[tuple[str, bool]]) -> str:
        """Return the members in order, optional ones or not, with a comma between any two.

        `first` continues an object that has no member yet, `next` one that has.
        """
        first = following = '""'
        for member, is_required in reversed(members):
            with_first = f"{member} {following}"
            with_next = f'"," ws {member} {following}'
            first = self._add(with_first if is_required else f"{with_first} | {first}")
            following = self._add(with_next if is_required else f"{with_next} | {following}")
        return first

    def _map(self, values: JsonValue, depth: int) -> str:
        if values is False:
            return '"{}"'
        value = self._visit(values, depth=depth + 1)
        member = f'string ":" ws {value}'
        return self._add(f'"{{" ws ({member} ("," ws {member})*)? "}}"')


_KNOWN_KEYWORDS = frozenset(
    {"$anchor", "$dynamicRef", "additionalItems", "allOf", "contains", "dependentRequired",
     "dependentSchemas", "else", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "maximum",
     "maxProperties", "minimum", "minProperties", "multipleOf", "not", "oneOf", "pattern",
     "patternProperties", "prefixItems", "propertyNames", "then", "type", "unevaluatedItems",
     "unevaluatedProperties", "uniqueItems"}
)  # fmt: skip


def _allow(keywords: set[str], allowed: set[str]) -> None:
    """Refuse any keyword that the grammar would not enforce."""
    for keyword in sorted(keywords - allowed):
        known = keyword in _KNOWN_KEYWORDS or any(keyword in group for group in _KEYWORDS.values())
        raise SchemaRefused(f"{keyword if known else 'an unknown keyword'} is not supported here")


def _type_of_strings(schema: _Schema) -> set[str]:
    """Return {"type"} where it adds nothing to the values of enum or const: the common case of strings."""
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    if (
        schema.get("type") == "string"
        and isinstance(values, list)
        and all(isinstance(v, str) for v in values)
    ):
        return {"type"}
    return set()


def _limits(schema: _Schema, least_key: str, most_key: str) -> tuple[int, int | None]:
    least, most = schema.get(least_key, 0), schema.get(most_key)
    for key, value in ((least_key, least), (most_key, most)):
        if value is not None and (type(value) is not int or not 0 <= value <= MAX_REPEATS):
            raise SchemaRefused(f"{key} has to be from 0 to {MAX_REPEATS}")
    checked = cast("tuple[int, int | None]", (least, most))
    if checked[1] is not None and checked[0] > checked[1]:
        raise SchemaRefused(f"{least_key} is more than {most_key}")
    return checked


def _bounds(schema: _Schema, least_key: str, most_key: str) -> str:
    return _repeat(*_limits(schema, least_key, most_key))


def _repeat(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _literal(value: JsonValue) -> str:
    """Return a GBNF literal for the JSON text of a value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
