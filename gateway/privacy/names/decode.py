"""Findings from the scores of words."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.privacy.names.network import KINDS, Network, scores
from gateway.privacy.names.words import BORDER, EMPTY, OF_INTEREST, REACH, Floats, Words, read_words

_AROUND = 10
"""Words on either side of one of interest that may be of the same name; others are of none."""
_LONG = 200
"""Words of a text in which it pays to leave out those that no result depends on."""


class Name(NamedTuple):
    """A run of words with the same label."""

    kind: int
    start: int
    end: int
    probability: float
    """The mean over its words."""
    words: int


def names_in(text: str, network: Network) -> Iterator[Name]:
    """Yield the names, addresses, places and firms in a text, however unsure."""
    words = read_words(text, network.vocabulary)
    if words is None:
        return
    at, scored = _scored(words, network)
    starts: list[int] = []
    ends: list[int] = []
    for first, last, kind, probability in runs(at, scored):
        if not ends:
            starts, ends = words.places()
        name = Name(kind, starts[first], ends[last], probability, last - first + 1)
        yield from (part for part in parts(text, name) if _is_whole(text, part))


def _scored(words: Words, network: Network) -> tuple[NDArray[np.intp] | None, Floats]:
    """Return the scores of the words, and which words they are of if not of all."""
    interest = words.roles == OF_INTEREST
    vectors = words.vectors()
    dropped = (words.roles == BORDER)[REACH:-REACH]
    if words.breaks is not None:
        dropped |= words.codes[REACH:-REACH] == EMPTY
    at = None
    if len(interest) > _LONG and not _is_near_all(interest):
        is_read = _around(interest, _AROUND + REACH)
        is_read[:REACH] = is_read[-REACH:] = True
        at = is_read.nonzero()[0]
        vectors = vectors[at]
        at = at[REACH:-REACH] - REACH
        dropped |= ~_around(interest, _AROUND)[REACH:-REACH]
        dropped = dropped[at]
    scored = scores(network, vectors)
    scored[dropped] = _NONE
    if at is None and not _is_near_all(interest) and scored.argmax(axis=1).any():
        scored[~_around(interest, _AROUND)[REACH:-REACH]] = _NONE
    return at, scored


def _is_near_all(interest: NDArray[np.bool_]) -> bool:
    """Whether no word is too far from all of interest to be of a name."""
    at = interest.nonzero()[0]
    edge = REACH + _AROUND
    if at[0] > edge or at[-1] < len(interest) - 1 - edge:
        return False
    return len(at) == 1 or int((at[1:] - at[:-1]).max()) <= 2 * _AROUND + 1


def _around(interest: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return which words are within reach of one of interest."""
    counts = np.zeros(len(interest) + 2 * reach + 1, dtype=np.int32)
    np.cumsum(interest, out=counts[reach + 1 : reach + 1 + len(interest)])
    counts[reach + 1 + len(interest) :] = counts[reach + len(interest)]
    near: NDArray[np.bool_] = counts[2 * reach + 1 :] > counts[: len(interest)]
    return near


_NONE = np.array([1.0, 0.0, 0.0, 0.0, 0.0], dtype=np.float32)


def runs(at: NDArray[np.intp] | None, scored: Floats) -> Iterator[tuple[int, int, int, float]]:
    """Yield first and last word, label and mean probability of each run of words with the same best label.

    `at` are the words that are scored, where they are not all.
    """
    best: NDArray[np.intp] = scored.argmax(axis=1)
    named = best.nonzero()[0]
    if not len(named):
        return
    places = named if at is None else at[named]
    chances = np.exp(scored[named])
    chance: list[float] = (chances.max(axis=1) / chances.sum(axis=1)).tolist()
    first = last = label = -1
    total = 0.0
    for place, kind, probability in zip(places.tolist(), best[named].tolist(), chance, strict=True):
        if place != last + 1 or kind != label:
            if label > 0:
                yield first, last, label, total / (last - first + 1)
            first, label, total = place, kind, 0.0
        last = place
        total += probability
    yield first, last, label, total / (last - first + 1)


def parts(text: str, name: Name) -> Iterator[Name]:
    """Yield a name, or what is of it in each cell and row of a table.

    Three lines with a number each are the rows of a column, not one address.
    """
    written = text[name.start : name.end]
    lines = written.split("\n")
    is_lines = kind_of(name) == "ADDRESS" and (len(lines) <= _LINES or not all(map(_DIGIT.search, lines)))
    part_of = _IN_CELL if is_lines else _IN_ROW
    for part in part_of.finditer(written):
        size = name.words if len(part[0]) == len(written) else len(part[0].split())
        yield name._replace(start=name.start + part.start(), end=name.start + part.end(), words=size)


_LINES = 2
_IN_CELL = re.compile(r"\S+(?:(?:[^\S\t\n]|[^\S\t\n]?\n[^\S\t\n]*)\S+)*")
_IN_ROW = re.compile(r"\S+(?:[^\S\t\n]\S+)*")
"""Words with one space between them, in the first also with the end of a line."""


def _is_whole(text: str, name: Name) -> bool:
    """Whether a name has the characters that its kind needs, and is no part of an e-mail address or a URL."""
    written = text[name.start : name.end]
    has_digit = _DIGIT.search(written) is not None
    if kind_of(name) == "ADDRESS":
        if not has_digit or _CODE.search(written) or not _is_of_words(written, name.probability):
            return False
    elif has_digit:
        return False
    before, behind = text[max(0, name.start - 2) : name.start], text[name.end : name.end + 2]
    if name.words > 1 and _PATH.search(written) is None:
        # Several words are a part of a path as a whole.
        before, behind = before.rstrip("/"), behind.lstrip("/")
    if _JOINED_BEFORE.search(before) or _JOINED_BEHIND.match(behind):
        return False
    return _LETTER.search(written) is not None


def _is_of_words(written: str, probability: float) -> bool:
    """Whether an address has two words, one of them with a capital; numbers of things have none.

    In scripts without capitals three letters do, if the model is surer.
    """
    words = _WORD.findall(written)
    if len(words) > 1 and any(word[0].isupper() for word in words):
        return True
    letters = sum(char.isalpha() and char.lower() == char.upper() for char in written)
    return letters > _FEW_LETTERS and probability >= _SURER


_FEW_LETTERS, _SURER = 2, 0.8
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")
_WORD = re.compile(r"(?<![\w])[^\W\d_]{2,}")
_CODE = re.compile(r"\d[A-Za-z]{2}|[A-Za-z]\d[A-Za-z]|\d{8}|\d,\d{3}(?!\d)")
"""A part of a hash or of a number of a thing, or an amount."""
_PATH = re.compile(r"/|^\S+$")
_JOINED_BEFORE = re.compile(r"[@_/\\0-9]\Z|\w[.+]\Z")
_JOINED_BEHIND = re.compile(r"[@_/\\=0-9]|[.+]\w")
"""What is around a part of a longer word, such as an e-mail address or a path."""


def kind_of(name: Name) -> str:
    """Return the type of finding of a name."""
    return KINDS[name.kind - 1]
