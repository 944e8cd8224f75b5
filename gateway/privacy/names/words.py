"""The words of a text, and the attributes by which the name model knows them.

An attribute is a row of the model's table: the word itself, how it begins and ends, its shape, whether a list
of names has it. Training reads words with this module too, so that both sides agree.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.privacy.detectors.name_lists import DOUBTFUL, FAMILY, GIVEN, plain

REACH = 6
"""How many words on either side the model looks at; as many empty ones part paragraphs."""
_MARKS = (
    "\\u0300-\\u036f\\u0483-\\u0487\\u0591-\\u05bd\\u0610-\\u061a\\u064b-\\u065f\\u0670\\u06d6-\\u06dc"
    "\\u0e31\\u0e34-\\u0e3a\\u0e47-\\u0e4e\\u200c\\u200d"
) + "".join(
    f"{chr(base)}-{chr(base + 3)}{chr(base + 58)}-{chr(base + 60)}{chr(base + 62)}-{chr(base + 79)}"
    f"{chr(base + 85)}-{chr(base + 87)}{chr(base + 98)}{chr(base + 99)}"
    for base in range(0x900, 0xE00, 0x80)
)
"""Marks on letters, also the vowels of the scripts of India: they are of the word."""
_BY_CHARACTER = "\\u3400-\\u9fff\\uac00-\\ud7af"
"""Letters that are words of their own, since nothing parts words where they are written."""
TOKEN = re.compile(
    rf"[^\S\n]*(?:[{_BY_CHARACTER}]|[^\W\d_{_BY_CHARACTER}](?:[^\W\d_{_BY_CHARACTER}]|[{_MARKS}])*"
    r"|\d+|\n(?:(?:[^\S\n]*\n)+)?|[^\w\s]|_|\w)"
)
"""A word with the spaces before it; every character but spaces at the end belongs to one."""
_ASCII_TOKEN = re.compile(
    r"[ \t\r\f\v\x1c-\x1f]*(?:[A-Za-z]+|[0-9]+|\n(?:(?:[ \t\r\f\v\x1c-\x1f]*\n)+)?|[^A-Za-z0-9\s\x1c-\x1f])",
    re.ASCII,
)
"""The same for ASCII, in half the time."""
_MAX_WORD_CHARS = 24
_LONG_CAPITALS = 4
SLOTS = 7
"""Attributes of a word: itself, its last three letters, last two, first three, shape, lists, space before.

In scripts without capitals: itself, its last two letters, last one, first two.
"""
EMPTY = 0
"""The row of no attribute, and the code of no word."""

_LENGTHS = (0, 0, 1, 2, 3, 3, 4, 4, 5)
"""Buckets of lengths, from 0 to 8 characters on."""
_CASES, _LONGEST = 8, 6
_SHAPE_ROW = 1
_LIST_ROW = _SHAPE_ROW + _CASES * _LONGEST
_SPACE_ROW = _LIST_ROW + 8
FIXED = _SPACE_ROW + 2
"""Rows that need no vocabulary: no attribute, shapes, lists and spaces."""
_OTHER, OF_INTEREST, BORDER, _BREAK = range(4)
"""Roles of words: the last two part names, cells and lines that are quoted, and paragraphs."""
_GIVEN, _DOUBTFUL, _FAMILY = 1, 2, 4
_TITLED, _SMALL, _CAPITALS, _MIXED, _UNCASED, _NUMBER, _MARK, _ONE = range(_CASES)

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


class Remembered:
    """Rows, roles and vectors of words that are in a vocabulary: of no others, since those may be private.

    A code is the place of a word in them; 0 is no word.
    """

    MOST = 16_384
    """Words, at most; each spelling of a word counts, and whether a space is before it."""

    def __init__(self, table: Floats | None = None) -> None:
        self.table = table
        self._lock = threading.Lock()
        self.codes: dict[str, int] = {}
        self.of_interest: set[str] = set()
        self.rows = np.zeros((self.MOST, SLOTS), dtype=np.int32)
        self.roles = np.zeros(self.MOST, dtype=np.int8)
        self.vectors = np.zeros((self.MOST, 0 if table is None else table.shape[1]), dtype=np.float32)
        self._size = 1

    def add(self, token: str, rows: Sequence[int], role: int) -> int:
        """Return the code of a word, which others see when all of it is there; 0 where there is no room."""
        with self._lock:
            code = self.codes.get(token, 0)
            if not code and self._size < self.MOST:
                code = self._size
                self._size += 1
                self.rows[code], self.roles[code] = rows, role
                if self.table is not None:
                    self.vectors[code] = self.table[self.rows[code]].sum(axis=0)
                if role == OF_INTEREST:
                    self.of_interest.add(token)
                self.codes[token] = code
            return code

    @property
    def is_full(self) -> bool:
        """Whether no further word is remembered."""
        return self._size >= self.MOST


class KnownWords:
    """The words and parts of words that the model knows, with their rows."""

    def __init__(self, rows: Mapping[str, int], starts: Sequence[int], table: Floats | None = None) -> None:
        self.rows = rows
        self.ordinary, self.telling, self.parts = starts
        """Words of rows below the first are seldom of names, also with a capital; from the second on words
        say that a name is near, also in small letters; from the third on come parts of words."""
        self.table = table
        self._remembered = Remembered(table)

    def remembered(self) -> Remembered:
        """Return what is remembered; when it is full, something new and empty takes its place."""
        if self._remembered.is_full:
            self._remembered = Remembered(self.table)
        return self._remembered


class Words(NamedTuple):
    """The words of a text, and empty ones at both ends and between paragraphs."""

    tokens: list[str]
    """The words with the spaces before them."""
    codes: Numbers
    """Of each word, as they are remembered; below 0, counted from -1 back, those of `strange`."""
    roles: NDArray[np.int8]
    """Whether each word may be of a name (OF_INTEREST), or never is (BORDER)."""
    strange: list[Sequence[int]]
    """Rows of words that are not remembered."""
    remembered: Remembered
    breaks: Numbers | None
    """How many words stand for each token, where blank lines are among them."""

    def rows(self) -> Numbers:
        """Return the rows of the table for each word."""
        found = self.remembered.rows[np.maximum(self.codes, EMPTY)]
        if self.strange:
            at = (self.codes < 0).nonzero()[0]
            found[at] = np.array(self.strange, dtype=np.int32)[-1 - self.codes[at]]
        return found

    def vectors(self) -> Floats:
        """Return the sum of the rows for each word."""
        if not self.strange:
            return self.remembered.vectors[self.codes]
        assert self.remembered.table is not None, "a network has a table"
        found = self.remembered.vectors[np.maximum(self.codes, EMPTY)]
        own = self.remembered.table[np.array(self.strange, dtype=np.int32)].sum(axis=1)
        at = (self.codes < 0).nonzero()[0]
        found[at] = own[-1 - self.codes[at]]
        return found

    def places(self) -> tuple[list[int], list[int]]:
        """Return where each word begins and ends, without the empty ones at both ends."""
        ends = list(accumulate(map(len, self.tokens)))
        starts = [end - len(token.lstrip(_SPACES)) for end, token in zip(ends, self.tokens, strict=True)]
        if self.breaks is None:
            return starts, ends
        times = self.breaks[REACH:-REACH]
        return np.repeat(np.where(times > 1, ends, starts), times).tolist(), np.repeat(ends, times).tolist()


_EDGE = [EMPTY] * REACH


def read_words(text: str, vocabulary: KnownWords, *, is_all: bool = False) -> Words | None:
    """Return the words of a text, or nothing where no word is of interest unless all are asked for."""
    # Spaces at the end are of no token: each of them would be tried as the beginning of one.
    tokens: list[str] = (_ASCII_TOKEN if text.isascii() else TOKEN).findall(text.rstrip())
    remembered = vocabulary.remembered()
    codes = [*_EDGE, *map(remembered.codes.get, tokens), *_EDGE]
    strange: list[Sequence[int]] = []
    roles_of_strange: list[int] = []
    if None in codes:
        found: dict[str, int] = {}
        for at, token in enumerate(tokens, REACH):
            if codes[at] is None:
                code = found.get(token)
                if code is None:
                    code = found[token] = _looked_up(token, vocabulary, remembered, strange, roles_of_strange)
                codes[at] = code
    is_of_interest = OF_INTEREST in roles_of_strange or not remembered.of_interest.isdisjoint(tokens)
    if not (is_of_interest or is_all):
        return None
    numbers = np.array(codes, dtype=np.int32)
    roles = remembered.roles[np.maximum(numbers, EMPTY)]
    if strange:
        of_strange = (numbers < 0).nonzero()[0]
        roles[of_strange] = np.array(roles_of_strange, dtype=np.int8)[-1 - numbers[of_strange]]
    breaks = None
    if "\n" in text and (is_break := roles == _BREAK).any():
        breaks = np.where(is_break, REACH, 1).astype(np.int32)
        numbers = np.repeat(np.where(is_break, EMPTY, numbers), breaks).astype(np.int32)
        roles = np.repeat(np.where(is_break, _OTHER, roles), breaks).astype(np.int8)
    return Words(tokens, numbers, roles, strange, remembered, breaks)


def _looked_up(
    token: str,
    vocabulary: KnownWords,
    remembered: Remembered,
    strange: list[Sequence[int]],
    roles: list[int],
) -> int:
    """Return the code of a token that is not remembered so far; below 0 if it is not remembered now."""
    word = token.lstrip(_SPACES)
    if len(word) > 1 and word[0] == "\n":
        rows, role = (EMPTY,) * SLOTS, _BREAK
    else:
        own, role = attributes(word, vocabulary)
        rows = *own, _SPACE_ROW + (len(word) < len(token))
    is_known = rows[0] != EMPTY or role == _BREAK
    if is_known and len(token) <= len(word) + 1 and (code := remembered.add(token, rows, role)):
        return code
    strange.append(rows)
    roles.append(role)
    return -len(strange)


_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001)))).replace("\n", "")


def attributes(word: str, vocabulary: KnownWords) -> tuple[tuple[int, ...], int]:
    """Return all rows of a word but that of the space before it, and its role."""
    known = vocabulary.rows.get
    size = len(word)
    length = _LENGTHS[size] if size < len(_LENGTHS) else _LONGEST - 1
    if not word[0].isalpha():
        case = _NUMBER if word[0].isdigit() else _MARK
        row = _SHAPE_ROW + case * _LONGEST + length
        own = known(keys(word)[0], EMPTY)
        return (own, EMPTY, EMPTY, EMPTY, row, EMPTY), BORDER if word in BORDERS else _OTHER
    if size > _MAX_WORD_CHARS:
        word = word[:_MAX_WORD_CHARS]
    lower = word.lower()
    case = _case(word, lower)
    listed = _lists(lower) if case != _UNCASED else 0
    own, *parts = [known(key, EMPTY) for key in _keys(lower, case)]
    rows = (own, *parts, _SHAPE_ROW + case * _LONGEST + length, _LIST_ROW + listed)
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
    word = word[:_MAX_WORD_CHARS]
    lower = word.lower()
    return _keys(lower, _case(word, lower))


def _keys(lower: str, case: int) -> tuple[str, str, str, str]:
    if case == _UNCASED:
        if len(lower) == 1:
            return lower, "", "", ""
        return lower, "-" + lower[-2:], "-" + lower[-1], lower[:2] + "-"
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
