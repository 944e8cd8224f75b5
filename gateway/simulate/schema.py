"""A small value that a JSON schema allows, for answers of the simulated provider."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

import jsonschema_rs

MAX_DEPTH = 32
"""Deeper schemas, and recursive ones, are refused."""
MAX_LENGTH = 10_000
"""A schema that requires a longer string or array is refused."""


Number = int | float


def minimal_instance(schema: object, *, numbers: Sequence[Number] = ()) -> object:
    """Return a small value that `schema` allows; raises ValueError if none is found.

    It supports const, enum, type, properties, required, items, minItems, minLength, minimum,
    anyOf, oneOf and local $ref. The value is validated against the whole schema. Where the schema wants
    numbers, `numbers` are taken in their order, if it allows them.
    """
    checked = cast(dict[str, Any], schema)
    try:
        # Without this retriever a $ref to a URL would be fetched.
        validator = jsonschema_rs.Draft202012Validator(checked, retriever=_fetch_nothing)
        instance = _Builder(schema, numbers).instance(schema, MAX_DEPTH)
        if numbers and not validator.is_valid(instance):
            instance = _Builder(schema, ()).instance(schema, MAX_DEPTH)
        validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        keyword = next((part for part in reversed(error.schema_path) if isinstance(part, str)), "$ref")
        raise ValueError(f"no answer is known for this schema (see its {keyword})") from None
    return instance


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError("a $ref in the schema points to nothing")


class _Builder:
    """Builds one value for the schema `root`; uses up `numbers`."""

    def __init__(self, root: object, numbers: Sequence[Number]) -> None:
        self._root = root
        self._numbers = list(numbers)

    def instance(self, schema: object, depth: int) -> object:
        if depth == 0:
            raise ValueError(f"the schema is deeper than {MAX_DEPTH}")
        if not isinstance(schema, Mapping):
            return None
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        if "$ref" in schema:
            return self.instance(_resolve(str(schema["$ref"]), self._root), depth - 1)
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self.instance(schema[choice][0], depth - 1)
        return self._of_type(schema, depth)

    def _of_type(self, schema: Mapping[str, object], depth: int) -> object:
        kind = schema.get("type", "object" if "properties" in schema else "null")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            properties = cast(Mapping[str, object], schema.get("properties", {}))
            names = [
                *properties,
                *(n for n in cast(list[str], schema.get("required", [])) if n not in properties),
            ]
            return {name: self.instance(properties.get(name), depth - 1) for name in names}
        if kind == "array":
            return [self.instance(schema.get("items"), depth - 1)] * _length(schema, "minItems")
        if kind == "string":
            return "x" * _length(schema, "minLength")
        if kind in ("integer", "number"):
            return self._number(schema, is_integer=kind == "integer")
        return False if kind == "boolean" else None

    def _number(self, schema: Mapping[str, object], *, is_integer: bool) -> object:
        for i, number in enumerate(self._numbers):
            if isinstance(number, int) or not is_integer:
                return self._numbers.pop(i)
        return schema.get("minimum", 0)


def _length(schema: Mapping[str, object], key: str) -> int:
    length = int(cast(int, schema.get(key, 0)))
    if length > MAX_LENGTH:
        raise ValueError(f"{key} in the schema is over {MAX_LENGTH}")
    return length


def _resolve(pointer: str, root: object) -> object:
    if not pointer.startswith("#"):
        raise ValueError("a $ref points outside the schema")
    found = root
    for part in pointer.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or key not in found:
            raise ValueError("a $ref in the schema points to nothing")
        found = found[key]
    return found
