"""JSON that a caller sends: schemas, and the arguments of calls."""

import json
import re
from functools import lru_cache

from gateway.domain.text.schema_bounds import (
    NOT_JSON,
    ON_THE_WIRE,
    SchemaBounds,
    strict_json,
    wrapper_problem,
)
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Steps

ARGUMENTS = SchemaBounds(max_bytes=8 * 1024 * 1024, max_values=32_768, max_depth=64)
"""Limits of the arguments of one call, which may hold a whole file."""

DIALECTS = frozenset(
    f"{uri}{end}"
    for uri in (
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    )
    for end in ("", "#")
)
"""What `$schema` may name; a schema of any other dialect, or of none, is read as draft 2020-12."""
KEYWORDS = frozenset({
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema",
    "$vocabulary", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "dependencies",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "format", "id", "if", "items", "maxContains", "maxItems",
    "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
    "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties",
    "propertyNames", "readOnly", "required", "then", "title", "type", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems", "writeOnly",
})  # fmt: skip
"""The keywords of JSON Schema, drafts 4 to 2020-12."""

_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)", re.DOTALL
)
_NEEDED = frozenset(['"', "\\", *map(chr, range(0x20))])
"""What JSON cannot hold without an escape."""
STEP_ESCAPES = 1000
ESCAPE_CHARS = 8
"""To read an escape takes as long as so many characters of a schema: half a microsecond."""


def checked_schema(field: str, text: str) -> str:
    """Return a JSON schema as it is sent; raises InvalidRequest."""
    problem, plain = _checked(text)
    if problem:
        raise InvalidRequest(field, problem)
    return _encodable(field, plain)


def argument_steps(field: str, text: str) -> Steps[str]:
    """Return the arguments of a call, "{}" where there are none, with the caller's order, spaces and numbers.

    Raises InvalidRequest.
    """
    if not text.strip():
        return "{}"
    if problem := ARGUMENTS.problem(text):
        raise InvalidRequest(field, problem)
    try:
        strict_json(text)
    except ValueError:
        raise InvalidRequest(field, NOT_JSON) from None
    return _encodable(field, (yield from without_needless_escapes(text)))


def without_needless_escapes(text: str) -> Steps[str]:
    """Return a JSON text whose strings hold characters as they are, wherever JSON allows it."""
    if "\\u" not in text and "\\/" not in text:
        return text
    pieces: list[str] = []
    at = 0
    for number, escape in enumerate(_ESCAPE.finditer(text)):
        if number % STEP_ESCAPES == 0:
            yield STEP_ESCAPES * ESCAPE_CHARS
        pieces += text[at : escape.start()], _plain(escape)
        at = escape.end()
    return "".join((*pieces, text[at:]))


def _plain(escape: re.Match[str]) -> str:
    high, low, code = escape.groups()
    if high is not None:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00))
    if code is None:
        return "/" if escape[0] == "\\/" else escape[0]
    character = chr(int(code, 16))
    return escape[0] if character in _NEEDED else character


def _encodable(field: str, text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(field, "has half of a surrogate pair") from None
    return text


def schema_problem(text: str) -> str:
    """Say what keeps `text` from being a JSON schema that is taken, or "" when nothing does."""
    return _checked(text)[0]


@lru_cache(maxsize=256)
def _checked(text: str) -> tuple[str, str]:
    """Return the problem of a schema, and the schema without the escapes that JSON does not need.

    Behind them private data would pass the detectors, and a provider is sent the schema without them.
    Applications send the same few schemas again and again, and a check costs milliseconds: hence the cache.
    """
    if problem := ON_THE_WIRE.problem(text):
        return problem, ""
    try:
        schema = strict_json(text)
    except ValueError:
        return NOT_JSON, ""
    plain = json.dumps(schema, ensure_ascii=False)
    return _problem(schema), text if plain == text else plain


def _problem(schema: object) -> str:
    if not isinstance(schema, dict):
        return "must be a JSON object"
    if str(schema.get("$schema")) not in DIALECTS:
        # The library would look up, on the network too, a dialect that it does not know.
        schema = {key: value for key, value in schema.items() if key != "$schema"}
    if problem := wrapper_problem(schema):
        return problem
    import jsonschema_rs  # Many a gateway is never sent a schema.

    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        keyword = error.instance_path[-1] if error.instance_path else None
        # Only a keyword of the standard is named: other names in a schema are the caller's text.
        if keyword in KEYWORDS:
            return f"is not a JSON schema: the value of {keyword!r} is wrong"
        return "is not a JSON schema"
    return ""
