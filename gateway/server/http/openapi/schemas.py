"""Short ways to write JSON Schema."""

from typing import Any, Final

from gateway.server.validation.request import IDENTIFIER

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
NOTHING: Final[Schema] = {"type": "null"}
ANYTHING: Final[Schema] = {}
IDENTIFIED: Final[Schema] = {"type": "string", "pattern": f"^{IDENTIFIER.pattern}$"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}


def record(*needed: str, **members: Schema) -> Schema:
    """Return the schema of an object that may have other members too."""
    return {"type": "object", "properties": members, "required": list(needed)}


def closed(*needed: str, **members: Schema) -> Schema:
    """Return the schema of an object of a request: null counts as absent, and other members are refused."""
    properties = {name: each if name in needed else either(each, NOTHING) for name, each in members.items()}
    return {**record(*needed, **properties), "additionalProperties": NOTHING}


def either(*schemas: Schema) -> Schema:
    """Return the schema of what is one of several kinds."""
    return ANYTHING if ANYTHING in schemas else {"anyOf": list(schemas)}


def words(*known: str) -> Schema:
    """Return the schema of a word out of some."""
    return {"type": "string", "enum": list(known)}


def only(value: object) -> Schema:
    """Return the schema of one value."""
    return {"const": value}


def many(items: Schema, **bounds: int) -> Schema:
    """Return the schema of a list; `bounds` as JSON Schema names them."""
    return {"type": "array", "items": items, **bounds}


def number(least: float, most: float, *, kind: str = "number") -> Schema:
    """Return the schema of a number within bounds."""
    return {"type": kind, "minimum": least, "maximum": most}


def whole(least: int, most: int) -> Schema:
    """Return the schema of a whole number within bounds."""
    return number(least, most, kind="integer")


def named(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}
