"""Converts letters and digits of a text to forms that do not depend on spelling; pure."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gateway.privacy.look_alikes import ALIKE_LETTERS, DIGIT_WORDS
from gateway.privacy.normalize import normalise

_APART = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "\u0131": "i"}
"""Letters that Unicode does not decompose."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_ACCENTS = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_CYRILLIC = "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch - y - e yu ya"
"""The transliteration of the letters from U+0430 on."""
_GREEK = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
"""The transliteration of the letters from U+03B1 on."""
_SOUNDS = str.maketrans(
    _APART
    | {chr(0x430 + at): sound.strip("-") for at, sound in enumerate(_CYRILLIC.split())}
    | {chr(0x3B1 + at): sound for at, sound in enumerate(_GREEK.split())}
    | {"\u0456": "i", "\u0454": "ye", "\u0491": "g", "\u0458": "j"}
)
_LOOKS = str.maketrans(_APART | {chr(int(each[:4], 16)): each[4] for each in ALIKE_LETTERS.split()})
_BY_NAME = re.compile(
    r"(?:LATIN|REGIONAL INDICATOR|DIGIT)\b.*\b"
    r"(?:([A-Z])|ZERO|ONE|TWO|THREE|FOUR|FIVE|SIX|SEVEN|EIGHT|NINE)$"
)
_FAR = re.compile(r"[\u0250-\u02af\u1d00-\u1d7f\u2000-\u2bff\ua720-\ua7ff\U0001f100-\U0001f1ff]")
"""Letters and digits that only their Unicode names identify: turned, small capital, in a circle."""
_ALIKE = str.maketrans("01l34578", "oiieastb")
"""Digits and letters that look alike."""
_MIXED = re.compile(r"\b((?=[^\W\d]*\d)(?=\d*[a-z])\w+)")
_INITIAL = re.compile(r"\b\w")
_BETWEEN = re.compile(r"[\W_]+")
_AT_AND_DOT = re.compile(
    r"\b(?:at|dot|punkt|punto|point|ponto|arobase|arroba|arobas|chiocciola|malpa|kropka|apenstaartje"
    r"|klammeraffe|sobaka|tochka|minus|dash|hyphen|underscore|plus)\b"
)
_SPELLED = re.compile(r"(?<![^\W_])[^\W\d_](?:[\W_]{1,3}[^\W\d_](?![^\W_])){2,}")
"""Letters one by one."""
_DIGIT_WORD = re.compile(rf"\b(?:(double|triple) )?({'|'.join(DIGIT_WORDS)})\b")
_HAN = str.maketrans("〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖", "00123456789123456789")
_RUN = re.compile(r"\d(?:[\W_]{0,3}\d)*")
_GROUP = re.compile(r"\d+")


class Numbers(NamedTuple):
    """The digits of a text."""

    groups: list[str]
    """Digits without a separator."""
    runs: list[str]
    """Groups with at most three separators between them, joined."""


def words_of(text: str) -> list[str]:
    """Return the transliterations of a text into small Latin letters without accents."""
    plain = _FAR.sub(_by_name, unicodedata.normalize("NFKC", normalise(text).text)).casefold()
    plain = _SPELLED.sub(lambda letters: _BETWEEN.sub("", letters[0]), plain)
    if plain.isascii():
        return [plain]
    bare = {
        _ACCENTS.sub("", unicodedata.normalize("NFKD", form)) for form in (plain, plain.translate(_UMLAUTS))
    }
    return sorted({form.translate(table) for form in bare for table in (_LOOKS, _SOUNDS)})


@lru_cache(maxsize=1024)
def _named(char: str) -> str:
    found = _BY_NAME.search(unicodedata.name(char, ""))
    if found is None:
        return char
    return found[1].lower() if found[1] else DIGIT_WORDS[found[0].rpartition(" ")[2].lower()]


def _by_name(match: re.Match[str]) -> str:
    return _named(match[0])


def with_letters_for_digits(words: str) -> Iterator[str]:
    """Yield the words, and variants with letters for the digits in words that look like them."""
    yield words
    pieces = _MIXED.split(words)
    for one in "il" if len(pieces) > 1 else "":
        table = _ALIKE | {ord("1"): one, ord("l"): "l"}
        yield "".join(piece.translate(table) if at % 2 else piece for at, piece in enumerate(pieces))


def initials(words: str) -> str:
    """Return the first letters of words: an alphabet for spelling has one word for each letter."""
    return "".join(_INITIAL.findall(words)).translate(_ALIKE)


def joined(words: str) -> str:
    """Return the words without separators."""
    return _BETWEEN.sub("", words).translate(_ALIKE)


def without_at_and_dot(words: str) -> str:
    """Return the words without spoken marks of an address, such as "at" and "dot"."""
    return _AT_AND_DOT.sub("", words)


def numbers_of(words: str) -> Numbers:
    """Return the digits of a text, including those written as words."""
    digits = _DIGIT_WORD.sub(_digits, words.translate(_HAN))
    runs = ["".join(_GROUP.findall(run)) for run in _RUN.findall(digits)]
    return Numbers(groups=_GROUP.findall(digits), runs=runs)


def _digits(match: re.Match[str]) -> str:
    times = {"double": 2, "triple": 3}.get(match[1], 1)
    return times * DIGIT_WORDS[match[2]]
