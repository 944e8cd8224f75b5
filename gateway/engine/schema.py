"""A JSON schema as it was parsed, for its grammar and for the checks before it."""

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class SchemaRefused(Exception):
    """A schema has no grammar; the message names the keyword, never a word of the schema."""


def resolve(root: JsonValue, reference: str) -> JsonValue:
    """Return what a `$ref` points to; raises SchemaRefused unless that is a place in the schema itself."""
    if not (reference == "#" or reference.startswith("#/")):
        raise SchemaRefused("$ref has to point into the schema itself")
    target = root
    for part in reference.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or key not in target:
            raise SchemaRefused("$ref points to nothing")
        target = target[key]
    return target
