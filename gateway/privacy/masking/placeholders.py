"""Placeholders for values in texts, and the way back; pure.

A placeholder is `<EMAIL_1>`: the type, and a number by which equal values are known. What comes back is
recognised in any case, and without its brackets, but only as a whole word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_WORD = re.compile(r"(<?)([A-Za-z0-9_]+)(>?)")
_WORD_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value to replace: [start, end) in characters of the text with this index."""

    index: int
    start: int
    end: int
    type: str


class Shift(NamedTuple):
    """By how much what stands behind a value is moved: from `end` on, in that message."""

    message_index: int
    end: int
    by: int


def mask(texts: Sequence[str], spans: Sequence[Span]) -> tuple[list[str], dict[str, str], list[Shift]]:
    """Return the texts with placeholders, what each one stands for by its word in lower case, and the shifts.

    Equal values of a type share a placeholder; spans that overlap are replaced as one. No placeholder is
    a word that stands in one of the texts already.
    """
    names = _Names(texts)
    parts: list[list[str]] = [[] for _ in texts]
    done = [0] * len(texts)
    shifts: list[Shift] = []
    for span in _disjoint(spans):
        text = texts[span.index]
        name = names.name(span.type, text[span.start : span.end])
        parts[span.index] += [text[done[span.index] : span.start], name]
        shifts.append(Shift(span.index, span.end, len(name) - (span.end - span.start)))
        done[span.index] = span.end
    masked = ["".join([*part, text[at:]]) for part, text, at in zip(parts, texts, done, strict=True)]
    return masked, names.values, shifts


def _disjoint(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.index, each.start, -each.end)):
        last = found[-1] if found else None
        if last is not None and last.index == span.index and span.start < last.end:
            end = max(last.end, span.end)
            found[-1] = Span(index=last.index, start=last.start, end=end, type=last.type)
        else:
            found.append(span)
    return found


class _Names:
    """Hands out placeholders for the values of one request."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.values: dict[str, str] = {}
        self._texts = texts
        self._given: dict[tuple[str, str], str] = {}
        self._taken: dict[str, set[str]] = {}
        self._last: dict[str, int] = {}

    def name(self, kind: str, value: str) -> str:
        if (kind, value) not in self._given:
            word = self._next(kind)
            self._given[kind, value] = f"<{word}>"
            self.values[word.lower()] = value
        return self._given[kind, value]

    def _next(self, kind: str) -> str:
        if kind not in self._taken:
            pattern = re.compile(rf"{kind}_([0-9]+)", re.ASCII | re.IGNORECASE)
            self._taken[kind] = {number for text in self._texts for number in pattern.findall(text)}
        number = self._last.get(kind, 0) + 1
        while str(number) in self._taken[kind]:
            number += 1
        self._last[kind] = number
        return f"{kind}_{number}"


class Restorer:
    """Puts values back into an answer that comes in pieces; for one answer.

    What may be the beginning of a placeholder is held back until it is known, so the pieces together are
    what `restore` makes of the whole.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._beginnings = {word[:length] for word in values for length in range(len(word) + 1)}
        self._longest = max(map(len, values), default=0)
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
        at = len(text)
        while at > 0 and text[at - 1] in _WORD_CHARS:
            at -= 1
            if len(text) - at > self._longest:
                return len(text)
        if at == 0 and self._is_in_word:
            return len(text)
        if text[at:].lower() not in self._beginnings:
            return len(text)
        return at - 1 if text[at - 1 : at] == "<" else at

    def _restored(self, text: str) -> str:
        if not text:
            return ""
        head = 0
        while self._is_in_word and head < len(text) and text[head] in _WORD_CHARS:
            head += 1
        self._is_in_word = text[-1] in _WORD_CHARS
        return text[:head] + _WORD.sub(self._value, text[head:])

    def _value(self, match: re.Match[str]) -> str:
        opening, word, closing = match.groups()
        value = self._values.get(word.lower())
        if value is None:
            return match[0]
        return value if opening and closing else f"{opening}{value}{closing}"


def restore(text: str, values: Mapping[str, str]) -> str:
    """Return a whole answer with its values."""
    restorer = Restorer(values)
    return restorer.feed(text) + restorer.flush()
