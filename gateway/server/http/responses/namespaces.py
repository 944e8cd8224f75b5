"""Tools in namespaces: for models one flat list of names, for clients the names that they gave."""

from collections.abc import Mapping
from typing import Any

SEPARATOR = "__"


def joined_name(namespace: str | None, name: str) -> str:
    """Return the name by which a model calls a tool of a namespace."""
    if not namespace:
        return name
    return f"{namespace.removesuffix(SEPARATOR)}{SEPARATOR}{name}"


def names_of(body: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return by the name that models see, namespace and name of each tool of a namespace."""
    names: dict[str, tuple[str, str]] = {}
    for tool in body.get("tools") or ():
        if isinstance(tool, dict) and tool.get("type") == "namespace":
            for inner in tool.get("tools") or ():
                namespace, name = tool.get("name"), inner.get("name") if isinstance(inner, dict) else None
                if isinstance(namespace, str) and isinstance(name, str):
                    names[joined_name(namespace, name)] = (namespace, name)
    return names
