"""What well-known programs send, as their public sources build it; written anew, with a conversation each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
PARAMETERS: Any = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "Where it is."}},
    "required": ["path"],
    "additionalProperties": False,
    "$schema": "http://json-schema.org/draft-07/schema#",
}
PATCH_GRAMMAR = 'start: "*** Begin Patch" /(.|\\n)+/ "*** End Patch"'


@dataclass(frozen=True, kw_only=True)
class KnownRequest:
    """A request, and the member that it is refused for; None: it is answered."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    refused_for: str | None = None


def function(name: str, **members: Any) -> dict[str, Any]:
    """Return a tool as chat completions have it."""
    return {
        "type": "function",
        "function": {"name": name, "description": "Reads.", "parameters": PARAMETERS, **members},
    }


def call(call_id: str, name: str, arguments: str = '{"path": "a.py"}') -> dict[str, Any]:
    """Return a call as chat completions have it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
