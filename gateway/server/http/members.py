"""Reads the members of a JSON object by their types; what nobody reads is refused by name."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any, TypeVar

from gateway.errors import InvalidRequest, Unsupported

_Known = TypeVar("_Known")
MAX_NUMBER = 1e300
MAX_NAME = 64
"""Characters of an unknown member's name that an error repeats."""
MAX_OBJECTS = 4096
"""Messages, parts, tools and what they hold: to read as many takes the event loop 15 to 30 ms."""


class Members:
    """The members of one object; a member that is null counts as absent. Reading raises InvalidRequest."""

    def __init__(self, values: Mapping[str, Any], *, path: str = "", parent: "Members | None" = None) -> None:
        """Read an object, that of a request or one in `parent`; raises InvalidRequest for too many."""
        self._objects: Iterator[int] = count(1) if parent is None else parent._objects
        if next(self._objects) > MAX_OBJECTS:
            raise InvalidRequest(path, f"is one too many: a request has at most {MAX_OBJECTS} objects")
        self.values = values
        """All of them, unchecked."""
        self.path = path
        """Of the object itself, as errors name it."""
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """Return the path of a member, as errors name it."""
        return f"{self.path}.{name}" if self.path else name

    def value(self, name: str) -> Any:
        """Return what is there, unchecked; None where nothing is."""
        self._read.add(name)
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """Return a string."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(self.at(name), "must be a string")
        return value

    def needed_text(self, name: str) -> str:
        """Return a string that has to be there."""
        value = self.text(name)
        if value is None:
            raise InvalidRequest(self.at(name), "must be there, a string")
        return value

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidRequest(self.at(name), "must be true or false")
        return value

    def number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRequest(self.at(name), "must be a number")
        if abs(value) > MAX_NUMBER or math.isnan(value):
            raise InvalidRequest(self.at(name), "must be a finite number")
        return float(value)

    def integer(self, name: str) -> int | None:
        """Return a whole number, be it written with a decimal point."""
        value, number = self.value(name), self.number(name)
        if number is None:
            return None
        if not number.is_integer():
            raise InvalidRequest(self.at(name), "must be a whole number")
        whole = value if isinstance(value, int) else int(number)
        if not -(2**63) <= whole < 2**63:
            raise InvalidRequest(self.at(name), "must be a whole number of 64 bits")
        return whole

    def known(self, name: str, known: Mapping[str, _Known]) -> _Known | None:
        """Return what a word means."""
        value = self.text(name)
        if value is None:
            return None
        if value not in known:
            raise InvalidRequest(self.at(name), f"must be one of {', '.join(known)}")
        return known[value]

    def needed(self, name: str, known: Mapping[str, _Known]) -> _Known:
        """Return what a word means that has to be there."""
        value = self.known(name, known)
        if value is None:
            raise InvalidRequest(self.at(name), f"must be one of {', '.join(known)}")
        return value

    def members(self, name: str) -> "Members | None":
        """Return an object."""
        value = self.value(name)
        return None if value is None else self._in(value, self.at(name))

    def needed_members(self, name: str) -> "Members":
        """Return an object that has to be there."""
        return self._in(self.value(name), self.at(name))

    def items(self, name: str) -> list[Any]:
        """Return a list, empty where none is, with its items unchecked."""
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise InvalidRequest(self.at(name), "must be a list")
        return value

    def objects(self, name: str) -> "Iterator[Members]":
        """Yield the objects of a list."""
        for i, value in enumerate(self.items(name)):
            yield self._in(value, f"{self.at(name)}[{i}]")

    def refuse(self, name: str, description: str) -> None:
        """Raise Unsupported for a member that is there."""
        if self.value(name) is not None:
            raise Unsupported(self.at(name), description)

    def only(self, name: str, value: object) -> None:
        """Raise Unsupported for a member that is there with another value."""
        if self.value(name) not in (None, value):
            raise Unsupported(self.at(name), f"must be {json.dumps(value)}: nothing else is supported")

    def refuse_rest(self, *, ignored: Collection[str] = ()) -> None:
        """Raise Unsupported for the first member that nobody has read and that may not be ignored."""
        for name, value in self.values.items():
            if name not in self._read and name not in ignored and value is not None:
                raise Unsupported(self.at(name[:MAX_NAME]), "is not known here; leave it out")

    def _in(self, value: Any, path: str) -> "Members":
        """Return the members of what has to be an object."""
        if not isinstance(value, dict):
            raise InvalidRequest(path, "must be an object")
        return Members(value, path=path, parent=self)
