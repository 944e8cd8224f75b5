"""JSON schemas as text: how large they may be, and how they are read; for wire, routing and engine alike."""

import json
import math
import re
from dataclasses import dataclass

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class SchemaBounds:
    """How many bytes of UTF-8, how many values, and how deeply nested brackets are taken."""

    max_bytes: int
    max_values: int
    max_depth: int

    def problem(self, text: str) -> str:
        """Say which bound a schema exceeds, or "" when it keeps all; without recursion, in milliseconds."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > self.max_bytes:
            return f"is longer than {self.max_bytes} bytes"
        bare = _STRING.sub("", text)
        if bare.count("{") + bare.count("[") + bare.count(",") > self.max_values:
            return f"has more than {self.max_values} values"
        depth = 0
        for bracket in _BRACKET.findall(bare):
            depth += 1 if bracket in "[{" else -1
            if depth > self.max_depth:
                return f"is nested deeper than {self.max_depth}"
        return ""


ON_THE_WIRE = SchemaBounds(max_bytes=128 * 1024, max_values=20_000, max_depth=64)
"""What the gateway takes from a caller."""
AT_THE_EDGE = SchemaBounds(max_bytes=64 * 1024, max_values=20_000, max_depth=32)
"""What a llama.cpp model takes: its grammar grows with the schema."""


def wrapper_problem(schema: dict[str, object]) -> str:
    """Say that a schema is inside what was sent, as the `json_schema` of other interfaces has it; else ""."""
    inside = next((key for key in ("schema", "json_schema") if isinstance(schema.get(key), dict)), "")
    is_wrapper = inside and schema.keys() <= {"type", "name", "title", "strict", "description", inside}
    return f'wraps a schema: send the value of "{inside}" alone' if is_wrapper else ""


def strict_json(text: str) -> object:
    """Read JSON as the standard has it; raises ValueError.

    Python's own reader also takes NaN, Infinity and numbers beyond a double, which no provider reads.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(_: str) -> float:
    raise ValueError("not a number of JSON")
