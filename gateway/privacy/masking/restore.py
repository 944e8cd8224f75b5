"""The way back from placeholders to values, in an answer that may come in pieces; pure.

A placeholder is recognised in any case, without its brackets, and with the underscores escaped as Markdown
does it, but only as a whole word. Within a URL it stays: whatever shows the answer may fetch that URL, and
with it would go the value, to a host that the model has named.
"""

import re
from collections.abc import Mapping

from gateway.privacy.masking.urls import UrlReader

_WORD = re.compile(r"(<?)((?:[A-Za-z0-9_]|\\_)+)(>?)")
_WORD_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Restorer:
    """Puts values back into an answer that comes in pieces; for one answer.

    What may be the beginning of a placeholder is held back until it is known, so the pieces together are
    what `restore` makes of the whole.
    """

    def __init__(self, values: Mapping[str, str], *, in_urls: bool = False) -> None:
        self._values = values
        self._in_urls = in_urls
        self._beginnings = {word[:length] for word in values for length in range(len(word) + 1)}
        self._longest = 2 * max(map(len, values), default=0)
        """Twice, for each character may be an underscore that is escaped."""
        self._urls = UrlReader()
        self._held = ""
        self._is_in_word = False

    def feed(self, text: str) -> str:
        """Return what is sure after the next piece."""
        text = self._held + text
        cut = self._beginning(text)
        self._held = text[cut:]
        return self._restored(text[:cut])

    def flush(self) -> str:
        """Return the rest, when no piece follows."""
        rest, self._held = self._held, ""
        return self._restored(rest)

    def _beginning(self, text: str) -> int:
        """Return where, at the end of `text`, a placeholder may have begun."""
        at = len(text) - text.endswith("\\")
        while at > 0 and text[at - 1] in _WORD_CHARS:
            at -= 2 if text[max(0, at - 2) : at] == "\\_" else 1
            if len(text) - at > self._longest + 1:
                return len(text)
        if at == 0 and self._is_in_word:
            return len(text)
        if _key(text[at:]) not in self._beginnings:
            return len(text)
        return at - 1 if text[at - 1 : at] == "<" else at

    def _restored(self, text: str) -> str:
        if not text:
            return ""
        head = 0
        while self._is_in_word and head < len(text) and text[head] in _WORD_CHARS:
            head += 1
        self._is_in_word = text[-1] in _WORD_CHARS
        pieces = []
        done = 0
        for match in _WORD.finditer(text, head):
            opening, word, closing = match.groups()
            value = self._values.get(_key(word))
            if value is None:
                continue
            before = text[done : match.start()]
            self._urls.read(before)
            if self._in_urls or not self._urls.is_inside():
                value = value if opening and closing else f"{opening}{value}{closing}"
            else:
                value = match[0]
            self._urls.read(word)
            pieces += [before, value]
            done = match.end()
        self._urls.read(text[done:])
        return "".join([*pieces, text[done:]])


def _key(word: str) -> str:
    return word.replace("\\", "").lower()


def restore(text: str, values: Mapping[str, str], *, in_urls: bool = False) -> str:
    """Return a whole answer with its values."""
    restorer = Restorer(values, in_urls=in_urls)
    return restorer.feed(text) + restorer.flush()
