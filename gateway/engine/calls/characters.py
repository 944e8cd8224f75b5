"""Parts of a parser that takes one character at a time, as it is generated."""

import json
from collections.abc import Callable, Generator, Sequence

from gateway.engine.calls.form import Segment, Slot
from gateway.engine.text import held_length

Parsing = Generator[None, str, None]
"""A parser that takes a character with each `send`."""
_SPACE = " \t\n\r"
_IN_SCALAR = frozenset("0123456789+-.eEaflnrstu")
"""The characters of numbers, true, false and null."""


class BadCall(Exception):
    """A call does not have the form of the model; its grammar would not allow it."""


class CharacterReader:
    """Reads characters, and collects the arguments that they mean."""

    def __init__(self) -> None:
        self._back: list[str] = []
        self.written = ""
        """Arguments since they were last taken, JSON."""
        self.reached: int | None = None
        """The number of the text that was read, while a longer one may still come."""
        self.is_leaf = False
        """Whether a character of a name or a value came since this was last set."""

    def next(self) -> Generator[None, str, str]:
        """Return the next character."""
        if self._back:
            return self._back.pop()
        return (yield)

    def one_of(
        self, segments: Sequence[Segment], *, begins_with_name: bool = False
    ) -> Generator[None, str, int]:
        """Read one of several texts, the longest that comes; return its number; raises BadCall.

        `begins_with_name`: the first part of each text is the name of a tool.
        """
        places: list[_Place | None] = [
            _Place(tuple(each for each in segment if each)) for segment in segments
        ]
        self.reached = None
        read: list[str] = []
        while True:
            done = next((at for at, place in enumerate(places) if place is not None and place.is_done), None)
            if done is not None:
                self.reached, read = done, []
            if not any(place is not None and not place.is_over for place in places):
                break
            is_name = begins_with_name and any(place is not None and place.is_in_first for place in places)
            sign = yield from self.next()
            self.is_leaf |= is_name
            read.append(sign)
            places = [place.after(sign) if place is not None else None for place in places]
            if all(place is None for place in places):
                break
        found, self.reached = self.reached, None
        if found is None:
            raise BadCall
        self._back.extend(reversed(read))
        return found

    def text_until(self, end: str) -> Parsing:
        """Read a text and its end; write it as a JSON string."""
        self.written += '"'
        held = ""
        while not held.endswith(end):
            sign = yield from self.next()
            held += sign
            safe = len(held) - (len(end) if held.endswith(end) else held_length(held, (end,)))
            self._write_text(held[:safe])
            held = held[safe:]
        self.written += '"'

    def quoted(self) -> Parsing:
        """Read a string of Python up to its single quote; write it as a JSON string."""
        self.written += '"'
        while (sign := (yield from self.next())) != "'":
            if sign == "\\":
                sign = yield from self.next()
                sign = "\n" if sign == "n" else sign
            self._write_text(sign)
        self.written += '"'

    def _write_text(self, text: str) -> None:
        if text:
            self.is_leaf = True
            self.written += json.dumps(text, ensure_ascii=False)[1:-1]

    def json_value(self) -> Parsing:
        """Read a JSON value and write it."""
        sign = yield from self._next_sign()
        self.written += sign
        if sign == "{":
            yield from self._members()
        elif sign == "[":
            yield from self._items(self.json_value)
        elif sign == '"':
            yield from self._string(is_leaf=True)
        else:
            yield from self._scalar()

    def bare_value(self, mark: str) -> Parsing:
        """Read a value whose strings stand between marks, and whose names are bare; write it as JSON."""
        number = yield from self.one_of((("{",), ("[",), (mark,), *((sign,) for sign in "-0123456789tfn")))
        if number == 0:
            yield from self._bare_members(mark)
        elif number == 1:
            self.written += "["
            yield from self._items(lambda: self.bare_value(mark))
        elif number == 2:
            yield from self.text_until(mark)
        else:
            self.written += "-0123456789tfn"[number - 3]
            yield from self._scalar()

    def _bare_members(self, mark: str) -> Parsing:
        self.written += "{"
        sign = yield from self.next()
        while sign != "}":
            name = ""
            while sign != ":":
                name += sign
                sign = yield from self.next()
            self.written += json.dumps(name, ensure_ascii=False) + ": "
            yield from self.bare_value(mark)
            sign = yield from self.next()
            if sign == ",":
                self.written += ", "
                sign = yield from self.next()
        self.written += "}"

    def _members(self) -> Parsing:
        sign = yield from self._next_sign()
        while sign != "}":
            self.written += sign
            if sign == '"':
                yield from self._string(is_leaf=False)
            elif sign == ":":
                yield from self.json_value()
            elif sign != ",":
                raise BadCall
            sign = yield from self._next_sign()
        self.written += sign

    def _items(self, value: Callable[[], Parsing]) -> Parsing:
        sign = yield from self._next_sign()
        while sign != "]":
            if sign == ",":
                self.written += sign
            else:
                self._back.append(sign)
                yield from value()
            sign = yield from self._next_sign()
        self.written += sign

    def _string(self, *, is_leaf: bool) -> Parsing:
        """Read a JSON string after its first quote."""
        sign = ""
        while sign != '"':
            sign = yield from self.next()
            self.written += sign
            self.is_leaf |= is_leaf and sign != '"'
            if sign == "\\":
                escaped = yield from self.next()
                self.written += escaped

    def _scalar(self) -> Parsing:
        """Read the rest of a number or a word."""
        self.is_leaf = True
        while (sign := (yield from self.next())) in _IN_SCALAR:
            self.written += sign
        self._back.append(sign)

    def _next_sign(self) -> Generator[None, str, str]:
        """Return the next character that is no white space; write what is skipped."""
        while (sign := (yield from self.next())) in _SPACE:
            self.written += sign
        return sign


class _Place:
    """A place in a text that is being matched."""

    def __init__(self, segment: Segment, part: int = 0, offset: int = 0) -> None:
        self._segment = segment
        self._part = part
        self._offset = offset

    @property
    def is_over(self) -> bool:
        """Whether nothing more can follow."""
        return self._part == len(self._segment)

    @property
    def is_in_first(self) -> bool:
        """Whether the first part is not over."""
        return self._part == 0

    @property
    def is_done(self) -> bool:
        """Whether the whole text was read; a slot at the end may go on."""
        if self._part == len(self._segment) - 1:
            return isinstance(self._segment[self._part], Slot) and self._offset > 0
        return self.is_over

    def after(self, sign: str) -> "_Place | None":
        """Return the place after a character; None if it does not match."""
        if self.is_over:
            return None
        part = self._segment[self._part]
        if isinstance(part, Slot):
            if sign.isalnum():
                return _Place(self._segment, self._part, self._offset + 1)
            return _Place(self._segment, self._part + 1).after(sign) if self._offset else None
        if part[self._offset] != sign:
            return None
        at = self._offset + 1
        return (
            _Place(self._segment, self._part + 1)
            if at == len(part)
            else _Place(self._segment, self._part, at)
        )
