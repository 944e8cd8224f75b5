"""The grammar of values whose objects have names without quotes, and whose strings stand between marks."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from gateway.engine.calls.form import ParameterForm
from gateway.engine.calls.offered import Schema
from gateway.engine.calls.special import SpecialTokens
from gateway.engine.calls.text_grammar import text_and_end
from gateway.engine.grammar.schema_grammar import ANY
from gateway.engine.interfaces import GrammarRefused

MAX_DEPTH = 16
"""Most levels of nesting."""
MAX_ITEMS = 64
"""Most items of an array without `maxItems`."""
_SCALARS = ("integer", "number", "boolean", "null")
_KNOWN = {
    "string": {"type", "minLength", "maxLength", "pattern"},
    "object": {"type", "properties", "required", "additionalProperties"},
    "array": {"type", "items", "minItems", "maxItems"},
}
"""The keywords that can be held to, by kind."""
_OF_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_OF_ONE_KIND = _OF_NUMBERS.union(*_KNOWN.values())
"""Keywords that say nothing of values of other kinds."""


def bare_rules(
    schema: Schema,
    form: ParameterForm,
    special: SpecialTokens,
    *,
    rule: Callable[[str], str],
    terminal: Callable[[str], str],
) -> str:
    """Return a rule for the values of a schema; raises GrammarRefused. `rule` and `terminal` add one."""
    around = {key: schema[key] for key in ("$defs", "x-guidance") if key in schema}
    writer = _BareWriter(form, special, around, rule=rule, terminal=terminal)
    return writer.value({key: part for key, part in schema.items() if key not in around}, 0)


class _BareWriter:
    """Writes the rules of one value."""

    def __init__(
        self,
        form: ParameterForm,
        special: SpecialTokens,
        around: Schema,
        *,
        rule: Callable[[str], str],
        terminal: Callable[[str], str],
    ) -> None:
        self._form = form
        self._terminal = terminal
        self._rule = rule
        self._special = special
        self._around = around

    def value(self, schema: Schema, depth: int) -> str:
        """Return the rule of a value; raises GrammarRefused."""
        if depth > MAX_DEPTH:
            raise GrammarRefused("$ref: recursion is not supported in calls of this model")
        reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        target = cast("Mapping[str, Schema]", self._around.get("$defs", {})).get(reference)
        if reference == ANY and isinstance(target, dict):  # Anything but what nests without an end.
            found = [each for each in target["anyOf"] if each["type"] not in ("object", "array")]
            return self._rule(" | ".join(self.value(each, depth + 1) for each in found))
        if len(schema) == 1 and isinstance(target, dict):
            return self.value(target, depth + 1)
        if options := schema.get("anyOf"):
            if len(schema) > 1:
                raise GrammarRefused("anyOf beside other keywords is not supported in calls of this model")
            return self._rule(
                " | ".join(self.value(each, depth + 1) for each in cast("list[Schema]", options))
            )
        if "enum" in schema or "const" in schema:
            values = cast("Sequence[object]", schema.get("enum", [schema.get("const")]))
            return self._rule(" | ".join(self._constant(value) for value in values))
        kinds = schema.get("type", [*_SCALARS, "string"])
        found = kinds if isinstance(kinds, list) else [kinds]
        return self._rule(" | ".join(self._kind(str(kind), schema, depth) for kind in found))

    def _kind(self, kind: str, schema: Schema, depth: int) -> str:
        if kind in _SCALARS:
            return self._rule(f"%json {json.dumps({**schema, **self._around, 'type': kind})}")
        known = _KNOWN[kind] | _OF_ONE_KIND
        if unknown := next((keyword for keyword in schema if keyword not in known), None):
            raise GrammarRefused(f"{unknown} is not supported in calls of this model")
        if kind == "string":
            mark = self._form.string_mark
            return f"{self._special.lark(mark)} {text_and_end(schema, mark, self._special, self._terminal)}"
        return self._object(schema, depth) if kind == "object" else self._array(schema, depth)

    def _object(self, schema: Schema, depth: int) -> str:
        properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
        required = cast("Sequence[str]", schema.get("required", ()))
        first = following = '""'
        for name in reversed([*properties, *(name for name in required if name not in properties)]):
            if ":" in name or name.startswith("}"):
                raise GrammarRefused("properties: a name with : or } cannot be told in calls of this model")
            value = self.value(properties.get(name, {}), depth + 1)
            one = f"{json.dumps(name + ':', ensure_ascii=False)} {value}"
            is_free = name not in required
            first, following = (
                self._rule(f"{one} {following}" + (f" | {first}" if is_free else "")),
                self._rule(f'"," {one} {following}' + (f" | {following}" if is_free else "")),
            )
        return f'"{{" {first} "}}"'

    def _array(self, schema: Schema, depth: int) -> str:
        least, most = cast(int, schema.get("minItems", 0)), cast(int, schema.get("maxItems", MAX_ITEMS))
        if most < max(least, 1):
            return '"[" "]"' if least == 0 else self._none()
        item = self.value(cast(Schema, schema.get("items", {})), depth + 1)
        items = f'{item} ("," {item}){{{max(0, least - 1)},{most - 1}}}'
        return f'"[" {items} "]"' if least else f'"[" ({items})? "]"'

    def _none(self) -> str:
        raise GrammarRefused("minItems above maxItems allows no value")

    def _constant(self, value: object) -> str:
        if isinstance(value, str):
            mark = self._form.string_mark
            if mark in value:
                raise GrammarRefused("enum: a value holds what ends a string in calls of this model")
            return self._special.lark(f"{mark}{value}{mark}")
        if isinstance(value, (dict, list)):
            raise GrammarRefused("enum of objects or arrays is not supported in calls of this model")
        return json.dumps(json.dumps(value))
