"""Words in many languages that name a value, from the package, as sources of patterns."""

import re
import unicodedata
from collections.abc import Iterator
from importlib.resources import files

from gateway.privacy.detectors.name_lists import plain

_ENDING = r"[a-z\xdf-\xff?']*"
"""The ending of a word with a star; a question mark is any letter beyond Latin-1.

Without a bound: RE2 compiles a bounded repetition as so many copies, which were three quarters of a pattern.
"""
_SPELLINGS = {"\xe4": "ae", "\xf6": "oe", "\xfc": "ue", "\xf8": "oe", "\xe5": "aa"}
"""Letters that are also written as two."""
_LONGER_IN_ASCII = {"\xdf": "ss", "\xe6": "ae"}
_WHOLE = 5
"""Letters of a word that is a stem by itself, and of the stem of a longer one."""
_MARKS = {"_": r"[ \x1f-]?", "*": _ENDING, "'": r"[ '\x1f]?"}


def words_of(name: str, section: str) -> tuple[str, ...]:
    """Return the words of a section of a list; the first word of a line is its language."""
    found: dict[str, None] = {}
    is_here = False
    for line in _lines(name):
        if line.startswith("["):
            is_here = line == f"[{section}]"
        elif is_here and line and not line.startswith("#"):
            found.update(dict.fromkeys(line.split()[1:]))
    return tuple(found)


def scripts() -> Iterator[tuple[str, str]]:
    """Yield English names, each with the words for it in other scripts."""
    for line in _lines("scripts"):
        if not line.startswith("#"):
            english, _, words = line.partition(" = ")
            yield english, words


def _lines(name: str) -> list[str]:
    path = files("gateway.privacy.detectors") / "value_names" / f"{name}.txt"
    return path.read_text(encoding="utf-8").splitlines()


def source_of(words: tuple[str, ...], *, is_joined: bool = False) -> str:
    """Return a pattern for any of some words, for text in the encoding of patterns, in either case.

    `is_joined`: they may also be the last part of a word.
    """
    return "|".join(_source(word, is_joined=is_joined) for word in sorted(words, key=len, reverse=True))


def _source(word: str, *, is_joined: bool) -> str:
    first = r"\b" if word[0].isascii() and word[0].isalnum() and not is_joined else ""
    last = r"\b" if word[-1].isascii() and word[-1].isalnum() else ""
    if len(word) == 1 and not word.isascii():
        return f"[{word}{word.upper()}]"
    return first + "".join(_char(char) for char in unicodedata.normalize("NFC", word)) + last


def _char(char: str) -> str:
    if char.isascii():
        return _MARKS.get(char, re.escape(char))
    if char in _LONGER_IN_ASCII:
        return f"(?:{char}|{_LONGER_IN_ASCII[char]})"
    if char > "\xff":
        base = plain(char)
        return rf"[?{base}]" if base.isalpha() and base.isascii() else r"\?"
    if not char.isalpha():
        return char
    one = f"[{char}{char.upper()}{plain(char)[0]}]"
    return f"(?:{one}|{_SPELLINGS[char]})" if char in _SPELLINGS else one


def stems_of(*names: str) -> str:
    """Return a pattern for the longest word of each name of some lists: a short one whole, else five letters.

    Of the longest, since the first may be an article.
    """
    stems: dict[str, None] = {}
    for name in names:
        for section in ("document", "abbreviation"):
            for word in words_of(name, section):
                longest = max((part.rstrip("*") for part in word.split("_")), key=len)
                stems[longest if len(longest) <= _WHOLE else f"{longest[:_WHOLE]}*"] = None
    whole = tuple(each for each in stems if not each.endswith("*"))
    parts = tuple(each.rstrip("*") for each in stems if each.endswith("*"))
    return f"{source_of(whole)}|{'|'.join(''.join(map(_char, part)) for part in parts)}"
