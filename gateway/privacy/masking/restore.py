"""Restores values for placeholders in an answer, which may be streamed; pure.

A placeholder is recognised in any case, without its brackets, and with underscores escaped as in Markdown,
but only as a whole word. Within a URL it stays: a client that shows the answer may fetch the URL, and would
send the value to a host that the model chose.
"""

import json
import re
from collections.abc import Mapping

from gateway.privacy.masking.urls import UrlReader

_WORD = re.compile(r"(<?)((?:[A-Za-z0-9_]|\\_)+)(>?)")
_JSON_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_CUT_ESCAPE = re.compile(r"(\\+)(?:u[0-9A-Fa-f]{0,3})?\Z")
_BRACKETS = {"\\u003c": "<", "\\u003e": ">"}
_WORD_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Restorer:
    """Restores values in the chunks of one answer.

    Text that may begin a placeholder is held back until it is complete, so the result is that of `restore`
    for the whole answer.
    """

    def __init__(self, values: Mapping[str, str], *, in_urls: bool = False) -> None:
        self._values = values
        self._in_urls = in_urls
        self._beginnings = {word[:length] for word in values for length in range(len(word) + 1)}
        self._longest = 2 * max(map(len, values), default=0)
        """Twice the length, because each character may be an escaped underscore."""
        self._urls = UrlReader()
        self._held = ""
        self._is_in_word = False

    def feed(self, text: str) -> str:
        """Add a chunk; return the text that is complete."""
        text = self._held + text
        end = self._beginning(text)
        self._held = text[end:]
        return self._restored(text[:end])

    def flush(self) -> str:
        """Return the rest, when no chunk follows."""
        rest, self._held = self._held, ""
        return self._restored(rest)

    def _beginning(self, text: str) -> int:
        """Return the offset at which an incomplete placeholder may begin at the end of `text`."""
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


class JsonRestorer:
    """Restores values in the chunks of one JSON text, which stays one.

    Some providers escape the brackets of a placeholder, so that `\\u003cEMAIL_1_KTQRW\\u003e` comes back.
    """

    def __init__(self, values: Mapping[str, str], *, in_urls: bool = False) -> None:
        escaped = {word: json.dumps(value, ensure_ascii=False)[1:-1] for word, value in values.items()}
        self._restorer = Restorer(escaped, in_urls=in_urls)
        self._held = ""

    def feed(self, text: str) -> str:
        """Add a chunk; return the text that is complete."""
        text = self._held + text
        cut = _CUT_ESCAPE.search(text)
        end = cut.end(1) - 1 if cut is not None and len(cut[1]) % 2 else len(text)
        self._held = text[end:]
        return self._restorer.feed(_plain(text[:end]))

    def flush(self) -> str:
        """Return the rest, when no chunk follows."""
        rest, self._held = self._held, ""
        return self._restorer.feed(rest) + self._restorer.flush()


def _plain(text: str) -> str:
    """Return a JSON text with brackets that are not escaped."""
    return _JSON_ESCAPE.sub(lambda found: _BRACKETS.get(found[0].lower(), found[0]), text)


def _key(word: str) -> str:
    return word.replace("\\", "").lower()


def restore(text: str, values: Mapping[str, str], *, in_urls: bool = False) -> str:
    """Return a whole answer with values in place of placeholders."""
    restorer = Restorer(values, in_urls=in_urls)
    return restorer.feed(text) + restorer.flush()
