"""Bounds the concurrent parses of an answer under a JSON schema: the decoder follows them all.

llama.cpp follows every parse that the answer so far allows, and compares them with each other. Alternatives
with a common prefix multiply with each level of nesting, and without bound under a recursive `$ref`: a schema
of a hundred bytes can block a decoder for hours. So an upper bound on the parses is computed here:

* alternatives of `anyOf` add up if they may begin with the same character; * the values of an `enum` are a
prefix tree: as many are open as its widest node has next characters. The names   of members that may come
next are all open. Each counts as a fraction of a parse; * a `$ref` to a schema that is being counted is
allowed once among such alternatives; twice has no bound."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.engine.grammar.schema import JsonValue, SchemaRefused, resolve

MAX_PARSES = 100
"""At 400 parses, llama.cpp took 0.2 s for a token with a vocabulary of 660; at 8,000, over a minute."""
LITERALS_PER_PARSE = 8
"""This many values of an `enum` with different next characters, or names of members, count as one parse.
Each is compared with every token: 3,000 took 3 s for a token with a vocabulary of 150,000."""
MAX_VISITS = 10_000
"""Most nodes of a schema that are visited, counting repeated visits."""

_FIRST = {
    "string": '"', "integer": "-0", "number": "-0", "boolean": "tf", "null": "n", "object": "{", "array": "[",
}  # fmt: skip
_ANYTHING = frozenset("".join(_FIRST.values()))
_Count = Counter[str]
"""Parses: under "" a number; under each `$ref` that is being counted, the factor of its own count."""


def check_ambiguity(schema: JsonValue) -> None:
    """Raise SchemaRefused if more than MAX_PARSES parses may be open concurrently."""
    if _ParseCounter(schema).of(schema)[""] > MAX_PARSES:
        raise SchemaRefused(f"enum or anyOf: more than {MAX_PARSES} parses may be open concurrently")


class _ParseCounter:
    """Counts the parses of one schema and caches the counts."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._open: list[str] = []
        """References that are being counted, the outermost first."""
        self._known: dict[str, _Count] = {}
        self._visits = 0
        self._widths: dict[int, int] = {}
        """How many values of an `enum` are open concurrently, by the identity of its list."""

    def of(self, schema: JsonValue) -> _Count:
        """Return the most parses that are open in a value of this schema."""
        self._visits += 1
        if self._visits > MAX_VISITS:
            raise SchemaRefused("refers to itself in too many ways")
        if not isinstance(schema, dict):
            return Counter({"": 1})
        if "$ref" in schema:
            return self._of_reference(str(schema["$ref"]))
        if isinstance(values := schema.get("enum"), list):
            return Counter({"": 1 + self._width(values) // LITERALS_PER_PARSE})
        if isinstance(options := schema.get("anyOf"), list):
            return self._of_options(options)
        if isinstance(kinds := schema.get("type"), list):
            return self._of_options([{**schema, "type": kind} for kind in kinds])
        return _most(
            [
                Counter({"": 1 + _optional(schema) // LITERALS_PER_PARSE}),
                *map(self.of, _values(schema.get("properties"))),
                *map(self.of, _values(schema.get("prefixItems"))),
                self.of(schema.get("items")),
                self.of(schema.get("propertyNames")),
                self.of(schema.get("additionalProperties")),
            ]
        )

    def _width(self, values: list[JsonValue]) -> int:
        if id(values) not in self._widths:
            self._widths[id(values)] = _widest(values)
        return self._widths[id(values)]

    def _of_reference(self, reference: str) -> _Count:
        if reference in self._open:
            return Counter({reference: 1})
        if reference in self._known:
            return self._known[reference]
        self._open.append(reference)
        count = self.of(resolve(self._root, reference))
        self._open.pop()
        if count.pop(reference, 0) > 1:
            raise SchemaRefused("$ref: alternatives that begin alike lead back to it, without end")
        if count.keys() <= {""}:
            self._known[reference] = count
        return count

    def _of_options(self, options: list[JsonValue]) -> _Count:
        counts = [(self._first(option, ()), self.of(option)) for option in options]
        firsts = frozenset[str]().union(*(first for first, _ in counts))
        return _most(_sum(count for first, count in counts if character in first) for character in firsts)

    def _first(self, schema: JsonValue, seen: tuple[str, ...]) -> frozenset[str]:
        """Return the characters that a value may begin with; "0" means any digit."""
        if not isinstance(schema, dict):
            return _ANYTHING
        if "$ref" in schema:
            reference = str(schema["$ref"])
            return frozenset() if reference in seen else self._first(
                resolve(self._root, reference), (*seen, reference)
            )  # fmt: skip
        if "const" in schema or "enum" in schema:
            values = _values(schema.get("enum")) or [schema.get("const")]
            return frozenset("0" if (c := json.dumps(value)[0]).isdigit() else c for value in values)
        if isinstance(options := schema.get("anyOf"), list):
            return frozenset[str]().union(*(self._first(option, seen) for option in options))
        kind = schema.get("type", "object" if "properties" in schema else None)
        kinds = kind if isinstance(kind, list) else [kind]
        return frozenset[str]().union(*(_FIRST.get(str(each), _ANYTHING) for each in kinds))


def _values(found: JsonValue) -> list[JsonValue]:
    if isinstance(found, dict):
        return list(found.values())
    return found if isinstance(found, list) else []


def _widest(values: list[JsonValue]) -> int:
    """Return the most different characters that may come next in one of these values."""
    root: dict[str, Any] = {}
    widest = 0
    for value in values:
        node = root
        for character in json.dumps(value, ensure_ascii=False, separators=(",", ":")):
            following = node.setdefault(character, {})
            widest = max(widest, len(node))
            node = following
    return widest


def _optional(schema: Mapping[str, JsonValue]) -> int:
    """Return how many members may come next: a run of optional ones, and the required one after it."""
    required, properties = _values(schema.get("required")), schema.get("properties")
    longest = run = 0
    for name in properties if isinstance(properties, dict) else ():
        run += 1
        longest = max(longest, run)
        if name in required:
            run = 0
    return longest


def _sum(counts: Iterable[_Count]) -> _Count:
    total: _Count = Counter()
    for count in counts:
        total.update(count)
    return total


def _most(counts: Iterable[_Count]) -> _Count:
    """Return the larger number of each kind."""
    most: _Count = Counter()
    for count in counts:
        most |= count
    return most
