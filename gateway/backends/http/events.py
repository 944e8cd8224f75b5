"""Server-sent events as providers send them: raw bytes in, the JSON of each event out, within bounds.

Made for the many servers that follow the standard loosely. What is beside the answer (comments, pings, ids,
empty events) is passed over; what may hold a part of the answer and cannot be read is an error.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer, check_bound

LONGEST_INT = 18
"""Digits of a number that is read as one; no count is longer, and Python refuses to read 4,301."""
DONE = None
"""Stands for `[DONE]` among the events."""

_NOTHING: Final = object()
"""Of a line that ends no event."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t" + _BYTE_ORDER_MARK
"""What may stand before a field: blanks, and the mark of byte order."""
_NAMED_AGAIN = re.compile(rb"\s*(?:data:\s*)*")
_SIGNS_OF_JSON = (b'"', b"{")
"""What has neither holds no string, and so no part of an answer: a ping."""


def _bounded_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INT else float("nan")


_DECODER = json.JSONDecoder(strict=False)
_BOUNDED_DECODER = json.JSONDecoder(strict=False, parse_int=_bounded_int)
"""The slower one, for texts with a number that has thousands of digits."""


def parse_json(raw: bytes) -> object:
    """Return the value of a JSON text; raises UnreadableAnswer. A number of many digits is not a number."""
    try:
        text = raw.removeprefix(_BYTE_ORDER_MARK).decode().strip()
        try:
            value, end = _DECODER.raw_decode(text)
        except json.JSONDecodeError:
            raise
        except ValueError:
            value, end = _BOUNDED_DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("it is not JSON") from None
    if end != len(text):
        raise UnreadableAnswer("something follows its JSON")
    return value


class EventReader:
    """Takes a stream apart: `feed` it every piece, then ask for the `rest`."""

    def __init__(self, bounds: AnswerBounds) -> None:
        self._bounds = bounds
        self._bytes = 0
        self._events = 0
        self._lines = 0
        self._line: list[bytes] = []
        """The beginning of a line that has not ended."""
        self._line_bytes = 0
        self._ends_in_cr = False
        self._begun: list[bytes] = []
        """Lines of an event that is not whole yet."""
        self._begun_bytes = 0
        self._is_error = False
        """Whether the event is named one."""
        self._is_done = False
        """Whether DONE came: nothing that follows can be a part of the answer."""

    def feed(self, raw: bytes) -> Iterator[object]:
        """Yield the JSON value of each event that is whole, DONE for the end; raises UnreadableAnswer.

        Behind DONE what cannot be read is passed over.
        """
        try:
            yield from self._feed(raw)
        except UnreadableAnswer:
            if not self._is_done:
                raise

    def _feed(self, raw: bytes) -> Iterator[object]:
        self._bytes += len(raw)
        check_bound(self._bytes, self._bounds.body_bytes, "the stream")
        if self._ends_in_cr and raw.startswith(b"\n"):
            raw = raw[1:]
        self._ends_in_cr = raw.endswith(b"\r")
        lines = raw.splitlines()
        is_whole = raw.endswith((b"\n", b"\r"))
        if lines and self._line and (is_whole or len(lines) > 1):
            lines[0] = b"".join([*self._line, lines[0]])
            self._line, self._line_bytes = [], 0
        if lines and not is_whole:
            rest = lines.pop()
            self._line.append(rest)
            self._line_bytes += len(rest)
            check_bound(self._line_bytes, self._bounds.json_bytes, "a line")
        self._lines += len(lines)
        check_bound(self._lines, self._bounds.lines, "the number of lines")
        for line in lines:
            event = self._take(line)
            if event is not _NOTHING:
                yield event

    def rest(self, *, is_needed: bool = True) -> Iterator[object]:
        """Yield what is at the end of the stream without the blank line that belongs there.

        Raises UnreadableAnswer for a part of an event, if that is needed.
        """
        line = b"".join(self._line)
        self._line = []
        try:
            for event in (self._take(line), self._take(b"")):
                if event is not _NOTHING:
                    yield event
        except UnreadableAnswer:
            if is_needed and not self._is_done:
                raise

    def _take(self, line: bytes) -> object:
        """Return the event that a line ends, if it ends one."""
        if line.startswith(b"data:"):
            return self._take_data(line[5:])
        if not line:
            return self._take_blank()
        return _NOTHING if line.startswith(b":") else self._take_field(line)

    def _take_data(self, data: bytes) -> object:
        """Take a line of data: most often it is a whole event, whether or not a blank line follows."""
        # Some proxies put the name of the field there once more; cutting off one at a time costs its square.
        data = _NAMED_AGAIN.sub(b"", data, count=1).rstrip()
        if self._begun:
            return self._keep(data)
        if not data.startswith(b"{") and data[:7].lstrip(b'"').upper().startswith(b"[DONE]"):
            return self._counted(DONE)
        is_json = data.startswith((b"{", b"["))
        if is_json:
            try:
                return self._counted(parse_json(data))
            except UnreadableAnswer:
                pass  # Perhaps the next line goes on.
        elif self._is_error:
            return self._counted({"message": data.decode("utf-8", "replace")})
        is_part = any(sign in data for sign in _SIGNS_OF_JSON)
        return self._keep(data) if is_part else _NOTHING

    def _take_blank(self) -> object:
        if not self._begun:
            self._is_error = False
            return _NOTHING
        data = b"\n".join(self._begun)
        self._begun, self._begun_bytes = [], 0
        return self._counted(parse_json(data))

    def _take_field(self, line: bytes) -> object:
        """Take a line that is no plain `data:`, among them what the standard does not know."""
        if self._begun:
            return self._keep(line)  # JSON over several lines, of which only the first says `data:`.
        line = line.strip(_BLANKS)
        name, _, value = line.partition(b":")
        match name.lower():
            case b"data":
                return self._take_data(value)
            case b"event":
                self._is_error = value.strip() == b"error"
            case b"error":
                self._is_error = True
                return self._take_data(value)
            case b"" | b"id" | b"retry":
                pass
            case _ if line.startswith((b"{", b"[DONE]")):
                return self._take_data(line)
            case _ if any(sign in line for sign in _SIGNS_OF_JSON):
                raise UnreadableAnswer("a line is no field of an event")
        return _NOTHING

    def _keep(self, line: bytes) -> object:
        self._begun.append(line)
        self._begun_bytes += len(line) + 1
        check_bound(self._begun_bytes, self._bounds.json_bytes, "an event")
        return _NOTHING

    def _counted(self, event: object) -> object:
        self._events += 1
        self._is_done = self._is_done or event is DONE
        check_bound(self._events, self._bounds.events, "the number of events")
        if not self._is_error or event is DONE:
            return event
        # Also without a blank line the next event is another one.
        self._is_error = False
        error = event.get("error") if isinstance(event, dict) else None
        return {"error": error or event}
