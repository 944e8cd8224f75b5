"""Server-sent events as providers send them: raw bytes in, the JSON of each event out, within bounds.

Made for the many servers that follow the standard loosely. What is beside the answer (comments, pings, ids,
empty events) is passed over; what may hold a part of the answer and cannot be read is an error.
"""

import json
from collections.abc import Iterator

from gateway.backends.cloud_bounds import AnswerBounds, UnreadableAnswer, check_bound

LONGEST_INT = 18
"""Digits of a number that is read as one; no count is longer, and Python refuses to read 4,301."""
DONE = None
"""Stands for `[DONE]` among the events."""

_BLANKS = b" \t\xef\xbb\xbf"
"""What may stand before a field: blanks, and the mark of byte order."""
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
        text = raw.decode("utf-8-sig").strip()
        try:
            return _DECODER.decode(text)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return _BOUNDED_DECODER.decode(text)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("it is not JSON") from None


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

    def feed(self, raw: bytes) -> Iterator[object]:
        """Yield the JSON value of each event that is whole, DONE for the end; raises UnreadableAnswer."""
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
            yield from self._take(line)

    def rest(self, *, is_needed: bool = True) -> Iterator[object]:
        """Yield what stands at the end of the stream without the blank line that belongs there.

        Raises UnreadableAnswer for a part of an event, if that is needed.
        """
        line = b"".join(self._line)
        self._line = []
        try:
            yield from self._take(line)
            yield from self._take(b"")
        except UnreadableAnswer:
            if is_needed:
                raise

    def _take(self, line: bytes) -> Iterator[object]:
        if line.startswith(b"data:"):
            yield from self._take_data(line[5:])
        elif not line:
            yield from self._take_blank()
        elif not line.startswith(b":"):
            yield from self._take_field(line)

    def _take_data(self, data: bytes) -> Iterator[object]:
        """Take a line of data: most often it is a whole event, whether or not a blank line follows."""
        data = data.strip()
        while data.startswith(b"data:"):  # Some proxies put the name of the field there once more.
            data = data[5:].strip()
        if self._begun:
            self._keep(data)
        elif data.startswith(b"[DONE]"):
            yield self._counted(DONE)
        elif data.startswith((b"{", b"[")):
            try:
                event = parse_json(data)
            except UnreadableAnswer:
                if any(sign in data for sign in _SIGNS_OF_JSON):
                    self._keep(data)  # Perhaps the next line goes on.
            else:
                yield self._counted(event)
        elif self._is_error:
            yield self._counted({"message": data.decode("utf-8", "replace")})
        elif any(sign in data for sign in _SIGNS_OF_JSON):
            self._keep(data)

    def _take_blank(self) -> Iterator[object]:
        if self._begun:
            data = b"\n".join(self._begun)
            self._begun, self._begun_bytes = [], 0
            yield self._counted(parse_json(data))
        self._is_error = False

    def _take_field(self, line: bytes) -> Iterator[object]:
        """Take a line that is no plain `data:`, among them what the standard does not know."""
        if self._begun:
            self._keep(line)  # JSON over several lines, of which only the first says `data:`.
            return
        line = line.strip(_BLANKS)
        name, _, value = line.partition(b":")
        match name.lower():
            case b"data":
                yield from self._take_data(value)
            case b"event":
                self._is_error = value.strip() == b"error"
            case b"error":
                self._is_error = True
                yield from self._take_data(value)
            case b"id" | b"retry":
                pass
            case _:
                if line.startswith((b"{", b"[DONE]")):
                    yield from self._take_data(line)
                elif not line.startswith(b":") and any(sign in line for sign in _SIGNS_OF_JSON):
                    raise UnreadableAnswer("a line is no field of an event")

    def _keep(self, line: bytes) -> None:
        self._begun.append(line)
        self._begun_bytes += len(line) + 1
        check_bound(self._begun_bytes, self._bounds.json_bytes, "an event")

    def _counted(self, event: object) -> object:
        self._events += 1
        check_bound(self._events, self._bounds.events, "the number of events")
        if not self._is_error or event is DONE:
            return event
        # Also without a blank line the next event is another one.
        self._is_error = False
        error = event.get("error") if isinstance(event, dict) else None
        return {"error": error or event}
