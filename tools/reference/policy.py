"""docs/reference/policy.md: every key of a policy, section by section, from the schema that editors read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.policy.loading.schema import json_schema
from reference.tables import page, paragraph, table

Schema = Mapping[str, Any]
_DEFAULT = re.compile(r" ?\bDefault: (.+?)\.(?=$| Range:)")
_RANGE = re.compile(r" ?\bRange: (.+?)\.(?=$| Default:)")
_LITERAL = re.compile(r"-?[\d.]+|true|false|\"[^\"]*\"|\[.+\]|[a-z_.]*[._][a-z_.]*")
"""A default that is a value, or the name of a key."""
_HEAD = ("key", "takes", "default", "meaning")
MANY = 8
"""More values than these are listed below a table, not in it."""


def text() -> str:
    """Return the page."""
    schema: Schema = json_schema()
    return page(
        "# Policy",
        paragraph(
            "Every key of a policy file. [Write a policy](../guides/write-a-policy.md) says how they work "
            "together; an editor with a YAML language server has the same text from `policies/schema.json`."
        ),
        paragraph(
            "`<name>` is a name of your own, `[]` each entry of a list. A key that is left out has its "
            "default; `gateway policy show FILE` prints a policy with all of them filled in."
        ),
        "## The file",
        *_section("", schema, schema),
    )


def _section(
    path: str, part: Schema, schema: Schema, *, leave_out: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield the table of a section's keys, and then the sections below it."""
    keys = {name: key for name, key in part.get("properties", {}).items() if name not in leave_out}
    required = set(part.get("required", ()))
    if keys:
        yield table(_HEAD, (_row(name, key, schema, name in required) for name, key in keys.items()))
    for name, key in keys.items():
        if len(names := _resolve(key.get("items", key), schema).get("enum", ())) > MANY:
            yield paragraph(f"Values of `{name}`: {', '.join(f'`{each}`' for each in names)}.")
    for name, key in keys.items():
        yield from _below(f"{path}.{name}".lstrip("."), key, schema)


def _below(path: str, key: Schema, schema: Schema) -> Iterator[str]:
    """Yield the heading and the parts of a key that has keys of its own."""
    if "items" in key:
        yield from _below(f"{path}[]", key["items"], schema)
    elif _entries(key):
        yield from _below(f"{path}.<name>", _entries(key), schema)
    elif "allOf" in key:
        yield f"## `{path}`"
        yield from _kinds(path, key, schema)
    elif "properties" in (part := _resolve(key, schema)):
        yield f"## `{path}`"
        yield _said_of(part)
        yield from _section(path, part, schema)


def _kinds(path: str, key: Schema, schema: Schema) -> Iterator[str]:
    """Yield what all kinds have in common, and then what each has besides."""
    branches = {_kind(each): _resolve(each["then"], schema) for each in key["allOf"]}
    properties = [branch["properties"] for branch in branches.values()]
    shared = {
        name: each for name, each in properties[0].items() if all(each == p.get(name) for p in properties)
    }
    required = set.intersection(*(set(branch.get("required", ())) for branch in branches.values()))
    yield "Keys of every kind:"
    kind = {"kind": key["properties"]["kind"]}
    yield from _section(path, {"properties": {**kind, **shared}, "required": [*required]}, schema)
    for name, branch in branches.items():
        yield f"### `{path}`, `kind: {name}`"
        yield _said_of(branch)
        yield from _section(path, branch, schema, leave_out=frozenset({"kind", *shared}))


def _kind(branch: Schema) -> str:
    return str(branch["if"]["properties"]["kind"]["const"])


def _said_of(part: Schema) -> str:
    """Return what a section is for, a paragraph a line."""
    paragraphs = str(part["description"]).split("\n\n")
    return "\n\n".join(map(paragraph, paragraphs))


def _row(name: str, key: Schema, schema: Schema, is_required: bool) -> tuple[str, str, str, str]:
    """Return the row of a key; its description ends with range and default."""
    meaning = str(key.get("description", ""))
    default, bounds = _DEFAULT.search(meaning), _RANGE.search(meaning)
    meaning = _RANGE.sub("", _DEFAULT.sub("", meaning))
    if not meaning:
        meaning = _said_of(_resolve(key, schema)).partition("\n\n")[0]
    takes = _takes(key, schema) + (f" {bounds[1]}" if bounds else "")
    return f"`{name}`", takes, "**required**" if is_required else _default(default), meaning


def _default(found: re.Match[str] | None) -> str:
    """Return a default in words; that of a section is the sum of its keys'."""
    if found is None:
        return ""
    said = found[1]
    if said in ("{}", "[]"):
        return "none"
    if said.startswith("{"):
        return ""
    return f"`{said}`" if _LITERAL.fullmatch(said) else said


def _entries(key: Schema) -> Schema:
    """Return the schema of a map's values; empty for what is no map."""
    named = key.get("patternProperties") or {"": key.get("additionalProperties")}
    (value,) = named.values()
    return value if isinstance(value, Mapping) else {}


def _resolve(key: Schema, schema: Schema) -> Schema:
    reference = key.get("$ref")
    if reference is None:
        return key
    found: Schema = schema["$defs"][str(reference).rpartition("/")[2]]
    return found


def _takes(key: Schema, schema: Schema) -> str:
    """Return in a few words what a key takes."""
    part = _resolve(key, schema)
    if "enum" in part:
        names = part["enum"]
        return f"one of {len(names)} names" if len(names) > MANY else ", ".join(f"`{each}`" for each in names)
    if "anyOf" in part:
        return " or ".join(_takes(choice, schema) for choice in part["anyOf"])
    if "const" in part:
        return f"`{part['const']}`"
    if "items" in part:
        return f"list of {_takes(part['items'], schema)}"
    if _entries(part):
        return f"map to {_takes(_entries(part), schema)}"
    kind = str(part.get("type", "section"))
    return {"object": "section", "boolean": "`true`, `false`", "number": "number", "string": "text"}.get(
        kind, kind
    )
