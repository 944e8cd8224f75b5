"""A parsed JSON schema: its known keywords, the check of their values, and references."""

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from gateway.engine.interfaces import GrammarRefused

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
Schema = dict[str, JsonValue]

KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")
"""The types of JSON, as `type` names them."""
MAX_NODES = 10_000
"""Most nodes of a schema that are visited, counting repeated visits."""


class SchemaBudget:
    """Counts visited nodes, so that a small schema cannot take long."""

    def __init__(self, most: int = MAX_NODES) -> None:
        self._left = most

    def spend(self, nodes: int = 1) -> None:
        """Count visited nodes; raises GrammarRefused if there are too many."""
        self._left -= nodes
        if self._left < 0:
            raise GrammarRefused("refers to itself in too many ways, or has too many alternatives")


def resolve(root: JsonValue, reference: str) -> JsonValue:
    """Return the target of a `$ref`; raises GrammarRefused unless it is in the schema itself."""
    if isinstance(root, dict) and isinstance(own := root.get("$id"), str):
        reference = reference.removeprefix(own.removesuffix("#"))
    if not reference.startswith("#"):
        raise GrammarRefused("$ref must point into the schema itself, as in #/$defs/...")
    if reference != "#" and not reference.startswith("#/"):
        return _anchor(root, unquote(reference[1:]))
    target = root
    for part in reference.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict) and key in target:
            target = target[key]
        elif isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        else:
            raise GrammarRefused("$ref points to nothing")
    return target


def _anchor(root: JsonValue, name: str) -> JsonValue:
    left = [root]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if node.get("$anchor") == name:
                return node
            left += node.values()
        elif isinstance(node, list):
            left += node
    raise GrammarRefused("$ref points to nothing")


def _is_count(value: JsonValue) -> bool:
    return type(value) in (int, float) and value == int(value) >= 0  # type: ignore[arg-type]  # Its type is checked.


def _is_number(value: JsonValue) -> bool:
    return type(value) in (int, float)


def _is_schema(value: JsonValue) -> bool:
    return isinstance(value, (dict, bool))


def _are_schemas(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value)


def _are_names(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_lists_of_names(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(map(_are_names, value.values()))


def _are_kinds(value: JsonValue) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return bool(kinds) and all(isinstance(kind, str) and kind in KINDS for kind in kinds)


_Check = tuple[Callable[[JsonValue], bool], str]
_COUNT: _Check = (_is_count, "must be a whole number from 0")
_NUMBER: _Check = (_is_number, "must be a number")
_SCHEMA: _Check = (_is_schema, "must be a schema")
_SCHEMAS: _Check = (_are_schemas, "must be a list of schemas")
_NAMED: _Check = (lambda value: isinstance(value, dict), "must be an object")
_TEXT: _Check = (lambda value: isinstance(value, str), "must be a string")
_FLAG: _Check = (lambda value: isinstance(value, bool), "must be true or false")
_ANY: _Check = (lambda value: True, "")

KEYWORDS: Mapping[str, Mapping[str, _Check]] = {
    "": {
        "$ref": _TEXT, "$dynamicRef": _TEXT, "$recursiveRef": _TEXT, "const": _ANY,
        "enum": (_are_schemas, "must be a list of at least one value"),
        "type": (_are_kinds, "is not a type of JSON"), "anyOf": _SCHEMAS, "oneOf": _SCHEMAS,
        "allOf": _SCHEMAS, "not": _SCHEMA, "if": _SCHEMA, "then": _SCHEMA, "else": _SCHEMA,
    },
    "object": {
        "properties": _NAMED, "patternProperties": _NAMED, "additionalProperties": _SCHEMA,
        "unevaluatedProperties": _SCHEMA, "required": (_are_names, "must be a list of names"),
        "propertyNames": _SCHEMA, "minProperties": _COUNT, "maxProperties": _COUNT,
        "dependentRequired": (_are_lists_of_names, "must be an object of lists of names"),
        "dependentSchemas": _NAMED, "dependencies": _NAMED,
    },
    "array": {
        "items": (lambda value: _is_schema(value) or isinstance(value, list), "must be a schema"),
        "prefixItems": _SCHEMAS, "additionalItems": _SCHEMA, "unevaluatedItems": _SCHEMA, "minItems": _COUNT,
        "maxItems": _COUNT, "uniqueItems": _FLAG, "contains": _SCHEMA,
    },
    "string": {"minLength": _COUNT, "maxLength": _COUNT, "pattern": _TEXT, "format": _TEXT},
    "number": {
        "minimum": _NUMBER, "maximum": _NUMBER, "exclusiveMinimum": _NUMBER, "exclusiveMaximum": _NUMBER,
        "multipleOf": _NUMBER,
    },
}  # fmt: skip
"""The keywords that restrict a value, by the type that they restrict ("": any); others are ignored."""
_CHECKS = {keyword: check for group in KEYWORDS.values() for keyword, check in group.items()}


IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
"""Keywords whose schemas restrict the same value."""


def with_meant_kinds(schema: Schema) -> Schema:
    """Return a schema with the types that its keywords restrict; others are allowed, but not meant."""
    if ({"type", "enum", "const"} | IN_PLACE) & schema.keys():
        return schema
    kinds: list[JsonValue] = [
        kind for kind, group in KEYWORDS.items() if kind and group.keys() & schema.keys()
    ]
    return {**schema, "type": kinds} if kinds else schema


def asserting(schema: Schema) -> Schema:
    """Return the keywords of a schema that restrict a value; raises GrammarRefused for a wrong one."""
    for keyword, value in schema.items():
        if keyword in _CHECKS and not _CHECKS[keyword][0](value):
            raise GrammarRefused(f"{keyword} {_CHECKS[keyword][1]}")
    return {keyword: value for keyword, value in schema.items() if keyword in _CHECKS}
