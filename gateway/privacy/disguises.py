"""Undoes encodings and spellings that hide a value: Base64, hexadecimal, quoted-printable, words for digits,
letters one by one, broken lines and letters that look alike.

Each maps what it undoes to the whole of what was written, so that a mask covers the disguise.
"""

import base64
import re
from binascii import Error
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.privacy.escapes import in_lines
from gateway.privacy.look_alikes import ALIKE_LETTERS, DIGIT_WORDS
from gateway.privacy.normalize import Edit, NormalText, rewritten

_GROUP = "[I-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
"""Four characters of Base64 that are three of ASCII from the space on; 1 in 10 at random."""
_BASE64 = rf"(?:^|[^A-Za-z0-9+/_-])(?:{_GROUP}){{3}}"
_HEX = r"\b(?:[2-7][0-9A-Fa-f]){8,}\b"
ENCODED_PREFILTER = rf"(?-i:{_BASE64}|{_HEX})"
_ENCODED = Pattern(ENCODED_PREFILTER)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/]{60,76}\r?\n)*[A-Za-z0-9+/_-]{12,}={0,2}(?![A-Za-z0-9+/_=-])"
)
_ALL_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_MAX_TOKEN = 65_536
"""The most characters of a token that is decoded."""
_MIN_HEX_DIGITS = 20
"""The least characters of hexadecimal that are digits only; the longest number of a card has 19."""
_MAX_DEPTH = 2
"""How often what was decoded is decoded again."""


def decoded(normal: NormalText) -> NormalText | None:
    """Return the lines with tokens of Base64 or hexadecimal that are text, decoded; None without one."""
    return rewritten(normal, in_lines(normal.text, _ENCODED, _tokens))


def _tokens(text: str, start: int, end: int) -> Iterator[Edit]:
    for found in _TOKEN.finditer(text, start, end):
        plain = _plain(found[0], _MAX_DEPTH)
        if plain:
            yield Edit(found.start(), found.end(), plain, found.start())


def _plain(token: str, depth: int) -> str:
    """Return the text that a token encodes; empty if it encodes none."""
    if len(token) > _MAX_TOKEN:
        return ""
    written = "".join(token.split())
    try:
        if written.isdigit() and len(written) < _MIN_HEX_DIGITS:
            return ""  # A number of a card or the like.
        if _ALL_HEX.fullmatch(written):
            raw = bytes.fromhex(written)
        else:
            bare = written.rstrip("=").replace("+", "-").replace("/", "_")
            raw = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        plain = raw.decode()
    except (Error, ValueError):
        return ""
    if not plain.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return ""
    inner = _TOKEN.fullmatch(plain.strip()) if depth > 1 else None
    return (inner and _plain(inner[0], depth - 1)) or plain


_QUOTED_MARK = (
    r"[0-9A-Za-z]=(?:40[A-Za-z0-9-]+(?:\.|=2E)|2[BDE][0-9A-Za-z=]|5F[0-9A-Za-z=])|[0-9]=(?:20|2[089F])[0-9=]"
)
QUOTED_PREFILTER = rf"(?-i:{_QUOTED_MARK}|(?:=[2-7][0-9A-F]){{4}})"
"""Characters of quoted-printable (RFC 2045): marks within values, or all of a value."""
_QUOTED = Pattern(QUOTED_PREFILTER)
_QUOTED_CHARACTER = re.compile(r"=(?:[2-7][0-9A-F]|\r?\n)")


def unquoted(normal: NormalText) -> NormalText | None:
    """Return the lines with characters of quoted-printable, plain; None if there are none."""
    return rewritten(normal, in_lines(normal.text, _QUOTED, _quoted_characters))


def _quoted_characters(text: str, start: int, end: int) -> Iterator[Edit]:
    for found in _QUOTED_CHARACTER.finditer(text, start, end):
        plain = "" if found[0].endswith("\n") else chr(int(found[0][1:], 16))
        yield Edit(*found.span(), plain, found.start())


_ACCENTED = {
    "zéro": "0", "fünf": "5", "três": "3", "pięć": "5", "sześć": "6", "dziewięć": "9",
    "uma": "1", "duas": "2",
}  # fmt: skip
_DIGITS = {**DIGIT_WORDS, **_ACCENTED}
_WORDS = "|".join(
    word.encode("latin-1", "replace").decode("latin-1").replace("?", r"\?")
    for word in sorted(_DIGITS, key=len, reverse=True)
)
_BETWEEN_WORDS = r"[ ,.\t-]{1,3}"
DICTATED_PREFILTER = rf"\b(?:{_WORDS})(?:{_BETWEEN_WORDS}(?:{_WORDS})){{3}}"
_DICTATED = Pattern(DICTATED_PREFILTER, ignore_case=True)
_WORDS_SEEN = "|".join(sorted(_DIGITS, key=len, reverse=True))
_SINGLE = re.compile(
    rf"(?<![^\W_])(?:(?P<word>{_WORDS_SEEN})|[0-9]{{1,4}}|[A-Za-z])(?![^\W_])", re.IGNORECASE
)
_GAP = re.compile(r"[ ,.\t-]{1,3}")


def dictated(normal: NormalText) -> NormalText | None:
    """Return the lines in which numbers are dictated in words, with digits; None if there are none."""
    return rewritten(normal, in_lines(normal.text, _DICTATED, _dictated_digits))


def _dictated_digits(text: str, start: int, end: int) -> Iterator[Edit]:
    """Yield an edit for each word for a digit, and one that removes what is between it and the one before."""
    last = -1
    for found in _SINGLE.finditer(text, start, end):
        first, stop = found.span()
        if last >= 0 and _GAP.fullmatch(text, last, first):
            yield Edit(last, first, "")
        if found["word"]:
            yield Edit(first, stop, _DIGITS[found[0].lower()], first)
        last = stop


ONE_BY_ONE_PREFILTER = r"(?:^|[\s\"'(:])(?:(?:[!-~] ){8}|(?:[!-~]\.){8}|(?:[!-~]-){8})[!-~]"
_ONE_BY_ONE = Pattern(ONE_BY_ONE_PREFILTER)
_RUN = re.compile(r"(?<![^\s\"'(:])[!-~](?:(?: [!-~]){8,}|(?:\.[!-~]){8,}|(?:-[!-~]){8,})(?![^\s\"'),;.!?])")


def one_by_one(normal: NormalText) -> NormalText | None:
    """Return the lines with letters and digits one by one, joined; None if there are none."""
    if all(found[0][::2].isdigit() for found in _RUN.finditer(normal.text)):
        return None
    return rewritten(normal, in_lines(normal.text, _ONE_BY_ONE, _joints))


def _joints(text: str, start: int, end: int) -> Iterator[Edit]:
    for found in _RUN.finditer(text, start, end):
        for at in range(found.start() + 1, found.end(), 2):
            yield Edit(at, at + 1, "")


BROKEN_PREFILTER = (
    r"[0-9@]\S*-\r?\n ?[0-9A-Za-z]|-\r?\n ?\S*[0-9@]|@[A-Za-z0-9.-]*\r?\n[A-Za-z0-9-]+\.[A-Za-z]"
    r"|[A-Za-z:][^\n0-9A-Za-z:]*[0-9][0-9 -]*\r?\n ?[0-9][0-9 -]*"
)
"""A hyphen at the end of a line, an address broken behind its @, a number broken once; without counted
repetitions, which would multiply the states of the set."""
_MIN_HALF = 6
"""Digits and marks of a number on each side of a break without a hyphen."""
_HALVES = re.compile(r"[0-9][0-9 -]*\r?\n ?[0-9][0-9 -]*")
_BROKEN = Pattern(BROKEN_PREFILTER)
_GROUPS = re.compile(r"(?<![0-9])([0-9]{2,6})([ -])([0-9]{2,6})\Z")
_BREAK = re.compile(r"-?\r?\n(?= ?\S)")


def whole_lines(normal: NormalText) -> NormalText | None:
    """Return the lines that break within what looks like one value, joined; None if there are none."""
    return rewritten(normal, in_lines(normal.text, _BROKEN, _breaks))


def _breaks(text: str, start: int, end: int) -> Iterator[Edit]:
    for found in _BREAK.finditer(text, start, end):
        halves = _HALVES.search(text, start, end) if found[0][0] != "-" else None
        if halves and min(map(len, halves[0].split("\n"))) < _MIN_HALF:
            continue
        # Between groups of a number the break is in the place of their separator.
        groups = _GROUPS.search(text, start, found.start())
        is_apart = groups and len(groups[1]) == len(groups[3]) and text[found.end()] != " "
        yield Edit(*found.span(), groups[2] if groups and is_apart else "")


_LOOKS = {int(each[:4], 16): each[4] for each in ALIKE_LETTERS.split()}
_LATIN = _LOOKS | {ord(chr(code).upper()): letter.upper() for code, letter in _LOOKS.items()}
_LATIN |= {0x39D: "N", 0x3A5: "Y", 0x397: "H", 0x393: "\u0393"}
"""Greek capitals that look otherwise than their small letters."""
_ALIKE = "".join(map(chr, _LATIN))
_MIXED = re.compile(rf"[A-Za-z@][{_ALIKE}]|[{_ALIKE}][A-Za-z@]")
_MIXED_WORD = re.compile(r"[^\s\"'<>()]+")


def in_latin(normal: NormalText) -> NormalText | None:
    """Return the text with Latin letters for look-alikes in words with both; None if there are none."""
    text = normal.text
    if text.isascii() or not _MIXED.search(text):
        return None
    plain = _MIXED_WORD.sub(
        lambda word: word[0].translate(_LATIN) if _MIXED.search(word[0]) else word[0], text
    )
    return normal._replace(text=plain)
