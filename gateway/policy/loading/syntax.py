"""Finds comparisons of a variable with a number in a condition, from CEL's syntax tree; pure.

The tree is a `cel.expr.CheckedExpr`, for which no package ships Python classes. The few fields that are
needed are read by number (https://github.com/cel-expr/cel-spec, proto/cel/expr/syntax.proto).
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.policy.loading.rules import checked_syntax

_CHECKED_EXPR, _CHECKED_SOURCE, _SOURCE_POSITIONS = 4, 5, 4
_ID, _CONSTANT, _IDENTIFIER, _CALL = 2, 3, 4, 6
_CALL_FUNCTION, _CALL_ARGUMENT, _CONSTANT_DOUBLE = 2, 3, 5
_PARTS: Mapping[int, tuple[int, ...]] = {5: (1,), 6: (1, 3), 7: (1,), 9: (2, 4, 5, 6, 7)}
"""For each kind of expression, the fields that hold expressions: select, call, list, comprehension."""
_STRUCT, _STRUCT_ENTRY, _ENTRY_PARTS = 8, 2, (3, 4)

_OPERATORS = {"_>=_": (">=", "<="), "_>_": (">", "<"), "_<=_": ("<=", ">="), "_<_": ("<", ">")}
"""The operator of a comparison as read from its left side, and from its right side."""
_NUMBER = re.compile(r"-?\s*(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of a variable with a literal number."""

    operator: str
    """`>=`, `>`, `<=` or `<`, with the variable on the left."""
    value: float
    start: int
    """The first character of the number in the condition's text."""
    end: int


def comparisons(when: str, variable: str) -> tuple[tuple[Comparison, ...], int]:
    """Return the comparisons of `variable` in a valid condition, and how often it is read elsewhere."""
    checked = Any.FromString(checked_syntax(when)).value
    (root,) = _values(checked, _CHECKED_EXPR)
    (source,) = _values(checked, _CHECKED_SOURCE)
    positions = {_first(each, 1): _first(each, 2) for each in _values(source, _SOURCE_POSITIONS)}
    found: list[Comparison] = []
    reads = 0
    for node in _nodes(root):
        reads += _name(node) == variable
        if (one := _comparison(node, variable, when, positions)) is not None:
            found.append(one)
    found.sort(key=lambda each: each.start)
    return tuple(found), reads - len(found)


def _comparison(node: bytes, variable: str, when: str, positions: Mapping[int, int]) -> Comparison | None:
    for call in _values(node, _CALL):
        function = b"".join(_values(call, _CALL_FUNCTION)).decode()
        if function not in _OPERATORS:
            return None
        left, right = _values(call, _CALL_ARGUMENT)
        operator, turned = _OPERATORS[function]
        if _name(right) == variable:
            left, right, operator = right, left, turned
        value, start = _double(right), positions.get(_first(right, _ID), len(when))
        written = _NUMBER.match(when, start)
        if _name(left) != variable or value is None or written is None:
            return None
        if float("".join(written[0].split())) != value:
            return None
        return Comparison(operator=operator, value=value, start=start, end=written.end())
    return None


def _nodes(node: bytes) -> Iterator[bytes]:
    """Yield an expression and all expressions in it; macros are expanded."""
    yield node
    for kind, parts in _PARTS.items():
        for inner in _values(node, kind):
            for part in parts:
                for child in _values(inner, part):
                    yield from _nodes(child)
    for inner in _values(node, _STRUCT):
        for entry in _values(inner, _STRUCT_ENTRY):
            for part in _ENTRY_PARTS:
                for child in _values(entry, part):
                    yield from _nodes(child)


def _name(node: bytes) -> str | None:
    for inner in _values(node, _IDENTIFIER):
        return b"".join(_values(inner, 1)).decode()
    return None


def _double(node: bytes) -> float | None:
    for inner in _values(node, _CONSTANT):
        for bits in _numbers(inner, _CONSTANT_DOUBLE):
            return float(struct.unpack("<d", struct.pack("<Q", bits))[0])
    return None


def _values(message: bytes, field: int) -> list[bytes]:
    """Return the values of a field of messages or text."""
    return [data for number, data in _fields(message) if number == field and isinstance(data, bytes)]


def _numbers(message: bytes, field: int) -> list[int]:
    return [data for number, data in _fields(message) if number == field and isinstance(data, int)]


def _first(message: bytes, field: int) -> int:
    """Return a number; 0 if the field is absent, because 0 is not sent."""
    return next(iter(_numbers(message, field)), 0)


def _fields(message: bytes) -> Iterator[tuple[int, object]]:
    """Yield number and content of every field: an empty message keeps all as unknown fields."""
    fields = UnknownFieldSet(Empty.FromString(message))
    for at in range(len(fields)):
        yield fields[at].field_number, fields[at].data
