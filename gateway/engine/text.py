"""Converts the bytes of tokens to text that may be sent: whole characters, no part of a stop string."""

import codecs


class TextStream:
    """The text of one answer; returns each part once, as soon as no later token can change it.

    The first complete stop string ends the text; of two that end together, the longer one does. So the result
    does not depend on token boundaries.
    """

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.is_stopped = False
        self.met = ""
        """The stop string that ended the text."""

    def push(self, data: bytes) -> str:
        """Take the bytes of the next token; return the text that may be sent now."""
        return self._take(self._decoder.decode(data))

    def finish(self) -> str:
        """Return the text that was held back, after the last token; incomplete characters are dropped."""
        shown, self._held = self._held, ""
        return shown

    def _take(self, text: str) -> str:
        if not self._stop:
            return text
        if self.is_stopped:
            return ""
        self._held += text
        end = find_stop(self._held, self._stop)
        if end is not None:
            self.is_stopped = True
            self.met = min((s for s in self._stop if self._held.startswith(s, end)), key=len)
            shown, self._held = self._held[:end], ""
            return shown
        safe = len(self._held) - held_length(self._held, self._stop)
        shown, self._held = self._held[:safe], self._held[safe:]
        return shown


def find_stop(text: str, stop: tuple[str, ...]) -> int | None:
    """Return the index of the first complete stop string; None if there is none."""
    found = [(start + len(s), start) for s in stop if (start := text.find(s)) >= 0]
    return min(found)[1] if found else None


def held_length(text: str, stop: tuple[str, ...]) -> int:
    """Return the length of the longest suffix of `text` that is a prefix of a stop string."""
    longest = max((len(s) for s in stop), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(s.startswith(text[-length:]) for s in stop):
            return length
    return 0
