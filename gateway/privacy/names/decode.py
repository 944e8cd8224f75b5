"""Findings from the scores of words."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.privacy.names.network import KINDS, Floats, Network, scores
from gateway.privacy.names.words import BORDER, EMPTY, OF_INTEREST, REACH, SLOTS, Words, read_words

_AROUND = 10
"""Words on either side of one of interest that may be of the same name; others are read as empty."""
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
    for first, last, kind, probability in runs(at, scored):
        start = words.ends[first] - words.sizes[first]
        name = Name(kind, start, words.ends[last], probability, last - first + 1)
        if _is_whole(text, name):
            yield name


def _scored(words: Words, network: Network) -> tuple[NDArray[np.intp] | None, Floats]:
    """Return the scores of the words, and which words they are of if not of all."""
    rows = np.array(words.distinct, dtype=np.int32).reshape(-1, SLOTS)
    vectors = network.table[rows].sum(axis=1)
    ids = np.array(words.ids, dtype=np.int32)
    roles = np.array(words.roles, dtype=np.int32)[ids]
    interest = roles == OF_INTEREST
    ids *= _around(interest, _AROUND)
    at = None
    if len(ids) > _LONG:
        is_read = _around(interest, _AROUND + REACH)
        is_read[:REACH] = is_read[-REACH:] = True
        at = is_read.nonzero()[0]
        ids, roles = ids[at], roles[at]
        at = at[REACH:-REACH] - REACH
    scored = scores(network, vectors[ids])
    scored[(ids[REACH:-REACH] == EMPTY) | (roles[REACH:-REACH] == BORDER)] = _NONE
    return at, scored


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


def _is_whole(text: str, name: Name) -> bool:
    """Whether a name has the characters that its kind needs, and is no part of an e-mail address or a URL."""
    written = text[name.start : name.end]
    has_digit = _DIGIT.search(written) is not None
    if kind_of(name) == "ADDRESS":
        if not has_digit or _CODE.search(written) or not _is_of_words(written):
            return False
    elif has_digit:
        return False
    if _JOINED_BEFORE.search(text[max(0, name.start - 2) : name.start]):
        return False
    if _JOINED_BEHIND.match(text[name.end : name.end + 2]):
        return False
    return _LETTER.search(written) is not None


def _is_of_words(written: str) -> bool:
    """Whether an address has two words, one of them with a capital; numbers of things have none."""
    words = _WORD.findall(written)
    return len(words) > 1 and any(word[0].isupper() for word in words)


_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")
_WORD = re.compile(r"(?<![\w])[^\W\d_]{2,}")
_CODE = re.compile(r"\d[A-Za-z]{2}|[A-Za-z]\d[A-Za-z]|\d{7}")
"""A part of a hash or of a number of a thing."""
_JOINED_BEFORE = re.compile(r"[@_/\\0-9]\Z|\w[.+]\Z")
_JOINED_BEHIND = re.compile(r"[@_/\\=0-9]|[.+]\w")
"""What is around a part of a longer word, such as an e-mail address or a path."""


def kind_of(name: Name) -> str:
    """Return the type of finding of a name."""
    return KINDS[name.kind - 1]
