"""Size limits and strict parsing of JSON schemas, for server, routing and engine."""

import json
import math
import re
from dataclasses import dataclass
from itertools import accumulate

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Also one without an end, which goes on to the end of the text: else each escaped quote in it would be taken
for the beginning of another one, which costs the square of the length."""
_NO_BRACKETS = bytes(set(range(0x100)) - set(b"[]{}"))
_LEVELS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""One level deeper, or one back: as signed bytes."""
_DIGITS = bytes(ord("0") if chr(byte).isdecimal() and byte < 0x80 else ord(" ") for byte in range(0x100))
NOT_JSON = "is not JSON"
MAX_DIGITS = 400
"""Of a whole number; to read one takes the square of its length. A float has at most 309 before its point."""


@dataclass(frozen=True, slots=True)
class SchemaBounds:
    """Most bytes of UTF-8, values and nesting levels of a schema."""

    max_bytes: int
    max_values: int
    max_depth: int

    def problem(self, text: str) -> str:
        """Return which limit a schema exceeds, or ""; takes milliseconds, without recursion."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > self.max_bytes:
            return f"is longer than {self.max_bytes} bytes"
        bare = _STRING.sub("", text).encode("utf-8", "surrogatepass")
        openings = bare.count(b"{") + bare.count(b"[")
        if openings + bare.count(b",") > self.max_values:
            return f"has more than {self.max_values} values"
        if bare.count(b"}") + bare.count(b"]") > openings:
            return NOT_JSON
        if b"0" * (MAX_DIGITS + 1) in bare.translate(_DIGITS):
            return f"has a number of more than {MAX_DIGITS} digits"
        levels = bare.translate(_LEVELS, _NO_BRACKETS)
        if max(accumulate(memoryview(levels).cast("b")), default=0) > self.max_depth:
            return f"is nested deeper than {self.max_depth}"
        return ""


ON_THE_WIRE = SchemaBounds(max_bytes=128 * 1024, max_values=20_000, max_depth=64)
"""Limits of a caller's schema at the gateway."""
AT_THE_EDGE = SchemaBounds(max_bytes=64 * 1024, max_values=20_000, max_depth=32)
"""Limits for a llama.cpp model, whose grammar grows with the schema."""


def wrapper_problem(schema: dict[str, object]) -> str:
    """Return a problem if the schema is wrapped, as in the `json_schema` of other APIs; else ""."""
    inside = next((key for key in ("schema", "json_schema") if isinstance(schema.get(key), dict)), "")
    is_wrapper = inside and schema.keys() <= {"type", "name", "title", "strict", "description", inside}
    return f'wraps a schema: send the value of "{inside}" alone' if is_wrapper else ""


def strict_json(text: str) -> object:
    """Parse standard JSON; raises ValueError.

    Python's own parser also accepts NaN, Infinity and numbers beyond a double, which no provider accepts.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(_: str) -> float:
    raise ValueError("not a number of JSON")
