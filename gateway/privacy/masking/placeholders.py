"""Placeholders for values in texts; pure.

A placeholder is `<EMAIL_1_KTQRW>`: the type, a number that equal values share, and the tag of the request.
All tags have the same length, so that no placeholder is a prefix of another one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

_TAG_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Consonants, so that no tag is a word; capitals, like the rest of a placeholder."""
_TAG_LENGTH = 5
_TAG_TRIES = 20
"""Attempts to draw an unused tag; a megabyte of Base64 holds three of a hundred tags by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskSpan:
    """A value to replace: [start, end) in characters of the text with this index."""

    index: int
    start: int
    end: int
    type: str


class Shift(NamedTuple):
    """The characters by which the text behind a value moves: from `end` on, in the text of that index."""

    text_index: int
    end: int
    by: int


def new_tag(texts: Iterable[str], rng: Random) -> str | None:
    """Return a tag that is in none of the texts, in any case; None if all attempts fail."""
    written = "\n".join(texts).lower()
    for _ in range(_TAG_TRIES):
        tag = "".join(rng.choices(_TAG_LETTERS, k=_TAG_LENGTH))
        if tag.lower() not in written:
            return tag
    return None


def mask(
    texts: Sequence[str], spans: Sequence[MaskSpan], *, tag: str
) -> tuple[list[str], dict[str, str], list[Shift]]:
    """Return the masked texts, the value of each placeholder by its word in lower case, and the shifts.

    Equal values of a type share a placeholder; spans that overlap are replaced as one.
    """
    words: dict[tuple[str, str], str] = {}
    last: dict[str, int] = {}
    parts: list[list[str]] = [[] for _ in texts]
    done = [0] * len(texts)
    shifts: list[Shift] = []
    for span in _disjoint(spans):
        text = texts[span.index]
        key = span.type, text[span.start : span.end]
        if key not in words:
            last[span.type] = last.get(span.type, 0) + 1
            words[key] = f"{span.type}_{last[span.type]}_{tag}"
        placeholder = f"<{words[key]}>"
        parts[span.index] += [text[done[span.index] : span.start], placeholder]
        shifts.append(Shift(span.index, span.end, len(placeholder) - (span.end - span.start)))
        done[span.index] = span.end
    masked = ["".join([*part, text[at:]]) for part, text, at in zip(parts, texts, done, strict=True)]
    return masked, {word.lower(): value for (_, value), word in words.items()}, shifts


def _disjoint(spans: Sequence[MaskSpan]) -> list[MaskSpan]:
    found: list[MaskSpan] = []
    for span in sorted(spans, key=lambda each: (each.index, each.start, -each.end)):
        last = found[-1] if found else None
        if last is not None and last.index == span.index and span.start < last.end:
            end = max(last.end, span.end)
            found[-1] = MaskSpan(index=last.index, start=last.start, end=end, type=last.type)
        else:
            found.append(span)
    return found
