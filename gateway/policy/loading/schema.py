"""The JSON schema of a policy, for editors; `gateway policy schema` prints it."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.policy.model import PolicyFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """Return the schema; the description of every key holds its meaning, default and range."""
    schema = PolicyFile.model_json_schema()
    described = _describe(_by_kind(schema, schema["$defs"]))
    if not isinstance(described, dict):
        raise TypeError("the schema of a model is an object")
    return {"$schema": _DIALECT, **described, "title": "Gateway policy"}


def _by_kind(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema in which `kind` selects the branch, in place of pydantic's `oneOf`.

    A validator then reports the errors of that branch by key, and not only that no branch matches.
    """
    if isinstance(schema, list):
        return [_by_kind(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _by_kind(each, definitions) for key, each in schema.items()}
    if "discriminator" not in plain:
        return plain
    rest = {key: each for key, each in plain.items() if key not in {"oneOf", "discriminator"}}
    key, branches = plain["discriminator"]["propertyName"], plain["discriminator"]["mapping"]
    meanings = [
        f"{kind}: {definitions[branch.rpartition('/')[2]]['properties'][key]['description']}"
        for kind, branch in branches.items()
    ]
    return {
        **rest,
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(branches), "description": " ".join(meanings)}},
        "allOf": [
            {
                "if": {"properties": {key: {"const": kind}}, "required": [key]},
                "then": {"$ref": branch},
            }
            for kind, branch in branches.items()
        ],
    }


def _describe(schema: object) -> object:
    """Return a schema without titles and nulls, and with default and range in the descriptions."""
    if isinstance(schema, list):
        return [_describe(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = _without_null({key: each for key, each in schema.items() if key != "title"})
    properties = plain.get("properties")
    if isinstance(properties, dict):
        plain["properties"] = {name: _describe_key(_describe(each)) for name, each in properties.items()}
    return {key: each if key in {"properties", "default"} else _describe(each) for key, each in plain.items()}


def _without_null(schema: dict[str, object]) -> dict[str, object]:
    """Return a schema without null: in a file, a missing key means None."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return schema
    branches = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: each for key, each in schema.items() if key not in {"anyOf", "default"}}
    return {**branches[0], **rest} if len(branches) == 1 else {"anyOf": branches, **rest}


def _describe_key(schema: object) -> object:
    if not isinstance(schema, dict):
        return schema
    meaning = str(schema.get("description", ""))
    detail = " ".join(word for word in (meaning, _range_of(schema), _default_of(schema)) if word)
    return {**schema, "description": detail} if detail else schema


def _range_of(schema: Mapping[str, object]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high = schema.get("maximum")
    if low == high and low is not None:
        return f"Only {low}."
    ends = [f"from {low}" if low is not None else f"above {above}" if above is not None else ""]
    ends.append(f"to {high}" if high is not None else "")
    detail = " ".join(end for end in ends if end)
    return f"Range: {detail}." if detail else ""


def _default_of(schema: Mapping[str, object]) -> str:
    default = schema.get("default")
    if default is None:
        return ""
    return f"Default: {json.dumps(default)}."


def schema_text() -> str:
    """Return the text of `policies/schema.json`."""
    return json.dumps(json_schema(), indent=2) + "\n"
