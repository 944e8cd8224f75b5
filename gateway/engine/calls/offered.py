"""The tools that a request offers, prepared for the form of a model's calls."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from gateway.engine.calls.form import CallForm, ParameterForm
from gateway.engine.interfaces import GrammarRefused

Schema = Mapping[str, object]
Prepare = Callable[[str], Schema]
"""Returns a JSON schema in llguidance's terms, with options in `x-guidance`; raises GrammarRefused."""
NO_ARGUMENTS = '{"type": "object", "properties": {}, "additionalProperties": false}'
_AROUND = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "$defs",
    "x-guidance",
}
"""Keywords of an object whose members are written one after another."""
_PLAIN_STRING = {"type", "minLength", "maxLength", "pattern"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterValue:
    """One way to write the value of a parameter."""

    form: Literal["text", "quoted", "json", "bare"]
    """"text" is written as it is, "quoted" in single quotes; "bare" is an object or array without quotes."""
    schema: Schema = field(repr=False)
    choices: tuple[str, ...] = field(default=(), repr=False)
    """Of a text: the only ones that are allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolParameter:
    """A parameter of a tool, where arguments are no JSON object."""

    name: str = field(repr=False)
    is_required: bool
    values: tuple[ParameterValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableTool:
    """A tool that a model may call."""

    name: str = field(repr=False)
    schema: Schema = field(repr=False)
    """Of its arguments."""
    parameters: tuple[ToolParameter, ...] = ()
    """Where they are no JSON object."""


def callable_tool(name: str, schema: str, form: CallForm, prepare: Prepare) -> CallableTool:
    """Return a tool prepared for a form; raises GrammarRefused."""
    prepared = prepare(_of_object(schema or NO_ARGUMENTS))
    if form.parameters is None:
        return CallableTool(name=name, schema=prepared)
    if unknown := next((keyword for keyword in prepared if keyword not in _AROUND), None):
        raise GrammarRefused(f"{unknown} beside properties is not supported in calls of this model")
    properties = cast("Mapping[str, Schema | bool]", prepared.get("properties", {}))
    required = cast("Sequence[str]", prepared.get("required", ()))
    around = {key: prepared[key] for key in ("$defs", "x-guidance") if key in prepared}
    missing: dict[str, Schema | bool] = {key: {} for key in required if key not in properties}
    return CallableTool(
        name=name,
        schema=prepared,
        parameters=tuple(
            ToolParameter(
                name=key, is_required=key in required, values=_values(part, around, form.parameters)
            )
            for key, part in {**properties, **missing}.items()
            if part is not False or key in required
        ),
    )


def _of_object(schema: str) -> str:
    """Return a schema that allows objects only: arguments are one."""
    try:
        found = json.loads(schema)
    except (ValueError, RecursionError):
        return schema  # Its problem is named by what prepares it.
    if not isinstance(found, dict) or "$ref" in found:
        return schema
    kinds = found.get("type", "object")
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        raise GrammarRefused("type must be object: arguments are an object")
    return json.dumps({**found, "type": "object"})


def _values(schema: Schema | bool, around: Schema, form: ParameterForm) -> tuple[ParameterValue, ...]:
    """Return how values of a schema are written; raises GrammarRefused."""
    if schema is False:
        raise GrammarRefused("properties: a required one allows no value")
    part = _resolved({} if schema is True else schema, around)
    if form.is_json:
        return (ParameterValue(form="json", schema={**part, **around}),)
    text: Literal["text", "quoted"] = "quoted" if form.is_quoted else "text"
    choices = _choices(part)
    is_safe = not form.is_quoted and all(choice and _is_whole(choice, form) for choice in choices)
    if choices and is_safe:
        return (ParameterValue(form=text, schema=part, choices=choices),)
    is_string = part.get("type") == "string" and part.keys() <= _PLAIN_STRING and _has_simple_pattern(part)
    if is_string and (not form.is_quoted or part.keys() == {"type"}):
        return (ParameterValue(form=text, schema=part),)
    if form.string_mark:
        return (ParameterValue(form="bare", schema={**part, **around}),)
    kinds = part.get("type")
    if isinstance(kinds, list) and "string" in kinds and part.keys() == {"type"} and _tells_strings(form):
        others = {"type": [kind for kind in kinds if kind != "string"], **around}
        return (
            ParameterValue(form=text, schema={"type": "string"}),
            ParameterValue(form="json", schema=others),
        )
    return (ParameterValue(form="json", schema={**part, **around}),)


def _tells_strings(form: ParameterForm) -> bool:
    """Whether what is before a value says that it is a string."""
    return form.string_name_end != form.name_end


def _resolved(schema: Schema, around: Schema) -> Schema:
    """Return what a schema refers to, if it is a reference and nothing else."""
    definitions = cast("Mapping[str, Schema]", around.get("$defs", {}))
    for _ in definitions:
        reference = str(schema.get("$ref", ""))
        target = definitions.get(reference.removeprefix("#/$defs/"))
        if len(schema) != 1 or not isinstance(target, dict):
            break
        schema = target
    return schema


def _choices(schema: Schema) -> tuple[str, ...]:
    """Return the texts that a schema allows, if it lists them."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not isinstance(values, list) or not schema.keys() <= {"type", "enum", "const"}:
        return ()
    return tuple(values) if all(isinstance(value, str) for value in values) else ()


def _is_whole(text: str, form: ParameterForm) -> bool:
    """Whether a text is read as it is written: it does not hold its own end."""
    end = form.string_value_end
    return (text + end).find(end) == len(text)


def _has_simple_pattern(schema: Schema) -> bool:
    """Whether a pattern can be written as a regular expression of the whole text."""
    pattern = str(schema.get("pattern", ""))
    inside = re.sub(r"\\.|\[[^\]]*\]", "", pattern).removeprefix("^").removesuffix("$")
    return not set("^$") & set(inside) and (not pattern or "|" not in inside)
