"""The words of a text, and the attributes by which the name model knows them.

An attribute is a row of the model's table: the word itself, how it begins and ends, its shape, whether a list
of names has it. Training reads words with this module too, so that both sides agree.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from gateway.privacy.detectors.name_lists import DOUBTFUL, FAMILY, GIVEN, plain

REACH = 6
"""How many words on either side the model looks at; as many empty ones part paragraphs."""
_TOKEN = re.compile(r"[^\S\n]*(?:[^\W\d_]+|\d+|\n(?:(?:[^\S\n]*\n)+)?|[^\w\s]|_)")
"""A word with the spaces before it; every character but spaces at the end belongs to one."""
_MAX_WORD_CHARS = 24
_LONG_CAPITALS = 4
SLOTS = 7
"""Attributes of a word: itself, its last three letters, last two, first three, shape, lists, space before."""
EMPTY = 0
"""The row of no attribute."""

_LENGTHS = (0, 0, 1, 2, 3, 3, 4, 4, 5)
"""Buckets of lengths, from 0 to 8 characters on."""
_CASES, _LONGEST = 8, 6
_SHAPE_ROW = 1
_LIST_ROW = _SHAPE_ROW + _CASES * _LONGEST
_SPACE_ROW = _LIST_ROW + 8
FIXED = _SPACE_ROW + 2
"""Rows that need no vocabulary: no attribute, shapes, lists and spaces."""
_OTHER, OF_INTEREST, BORDER = range(3)
"""Roles of words: the last parts names, cells and lines that are quoted."""
_GIVEN, _DOUBTFUL, _FAMILY = 1, 2, 4
_TITLED, _SMALL, _CAPITALS, _MIXED, _UNCASED, _NUMBER, _MARK, _ONE = range(_CASES)


class KnownWords(NamedTuple):
    """The words and parts of words that the model knows, with their rows."""

    rows: Mapping[str, int]
    ordinary: int
    """Words of rows below this one are seldom of names, also with a capital."""
    telling: int
    """From this row on words say that a name is near, also in small letters."""
    parts: int
    """From this row on come parts of words."""
    remembered: "dict[str, tuple[tuple[int, ...], int]]"
    """Attributes of words that are in `rows`: of no others, since those may be private."""


class Words(NamedTuple):
    """The words of a text, and empty ones at both ends and between paragraphs."""

    distinct: list[int]
    """SLOTS rows of each distinct word, one after another; the first is the empty word."""
    ids: list[int]
    """Which distinct word each word is; 0 for an empty one."""
    roles: list[int]
    """For each distinct word, whether it may be of a name (OF_INTEREST), or never is (BORDER)."""
    ends: list[int]
    """Where each word ends."""
    sizes: list[int]
    """How many characters each word has; 0 for an empty one."""


_EDGE = [0] * REACH


def read_words(text: str, vocabulary: KnownWords, *, is_all: bool = False) -> Words | None:
    """Return the words of a text, or nothing where no word is of interest unless all are asked for."""
    # Spaces at the end are of no token: each of them would be tried as the beginning of one.
    tokens = _TOKEN.findall(text.rstrip())
    seen: dict[str, int] = {}
    distinct, roles = [EMPTY] * SLOTS, [_OTHER]
    ids: list[int] = []
    has_breaks = False
    for token in tokens:
        known = seen.get(token)
        if known is None:
            word = token.lstrip(_SPACES)
            if len(word) > 1 and word[0] == "\n":
                known = -1
            else:
                known = len(roles)
                rows, role = vocabulary.remembered.get(word) or _looked_up(word, vocabulary)
                distinct += rows
                distinct.append(_SPACE_ROW + (len(word) < len(token)))
                roles.append(role)
            seen[token] = known
        if known < 0:
            has_breaks = True
            ids += _EDGE
        else:
            ids.append(known)
    if not (is_all or OF_INTEREST in roles):
        return None
    ends = list(accumulate(map(len, tokens)))
    sizes = [len(token.lstrip(_SPACES)) for token in tokens]
    if has_breaks:
        times = [REACH if seen[token] < 0 else 1 for token in tokens]
        ends = np.repeat(ends, times).tolist()
        sizes = np.repeat(
            [0 if seen[token] < 0 else size for token, size in zip(tokens, sizes, strict=True)], times
        ).tolist()
    return Words(distinct, [*_EDGE, *ids, *_EDGE], roles, ends, sizes)


_MOST_REMEMBERED = 16_384
"""Words with their attributes, at most; each spelling of a word counts."""


def _looked_up(word: str, vocabulary: KnownWords) -> tuple[tuple[int, ...], int]:
    found = attributes(word, vocabulary)
    if found[0][0] != EMPTY:
        if len(vocabulary.remembered) >= _MOST_REMEMBERED:
            vocabulary.remembered.clear()
        vocabulary.remembered[word] = found
    return found


_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001)))).replace("\n", "")


def attributes(word: str, vocabulary: KnownWords) -> tuple[tuple[int, ...], int]:
    """Return all rows of a word but that of the space before it, and its role."""
    known = vocabulary.rows.get
    size = len(word)
    length = _LENGTHS[size] if size < len(_LENGTHS) else _LONGEST - 1
    if not word[0].isalpha():
        case = _NUMBER if word[0].isdigit() else _MARK
        row = _SHAPE_ROW + case * _LONGEST + length
        return (
            known(keys(word)[0], EMPTY),
            EMPTY,
            EMPTY,
            EMPTY,
            row,
            EMPTY,
        ), BORDER if word in BORDERS else _OTHER
    if size > _MAX_WORD_CHARS:
        word = word[:_MAX_WORD_CHARS]
    lower = word.lower()
    case = _case(word, lower)
    listed = _lists(lower)
    own = known(lower, EMPTY)
    rows = (
        own,
        known("-" + lower[-3:], EMPTY),
        known("-" + lower[-2:], EMPTY),
        known(lower[:3] + "-", EMPTY),
        _SHAPE_ROW + case * _LONGEST + length,
        _LIST_ROW + listed,
    )
    if vocabulary.telling <= own < vocabulary.parts:
        return rows, OF_INTEREST
    if listed:
        is_of_interest = case not in (_SMALL, _ONE) or listed & _GIVEN
    elif case == _TITLED:
        is_of_interest = not FIXED <= own < vocabulary.ordinary
    else:
        is_of_interest = case == _UNCASED or (case == _CAPITALS and not own and size >= _LONG_CAPITALS)
    return rows, OF_INTEREST if is_of_interest else _OTHER


def is_listed(rows: Sequence[int]) -> bool:
    """Whether the attributes of a word say that it is on a list of names."""
    return rows[5] > _LIST_ROW


BORDERS = frozenset('>|<"{}[]=')
"""Marks that part cells, fields and lines that are quoted."""


def keys(word: str) -> tuple[str, ...]:
    """Return the keys under which a vocabulary may know a word, in the order of the slots."""
    if not word[0].isalpha():
        if not word[0].isdigit():
            return (word,)
        return ("#year" if len(word) == 4 and word[:2] in ("19", "20") else f"#{len(word)}",)
    lower = word[:_MAX_WORD_CHARS].lower()
    return lower, "-" + lower[-3:], "-" + lower[-2:], lower[:3] + "-"


def _case(word: str, lower: str) -> int:
    if word == lower:
        return _SMALL if word != word.upper() else _UNCASED
    if len(word) == 1:
        return _ONE
    if word[1:] == lower[1:]:
        return _TITLED
    return _CAPITALS if word.isupper() else _MIXED


def _lists(lower: str) -> int:
    written = lower if lower.isascii() else plain(lower)
    listed = _GIVEN if written in GIVEN else _DOUBTFUL if written in DOUBTFUL else 0
    return listed + _FAMILY if written in FAMILY else listed
