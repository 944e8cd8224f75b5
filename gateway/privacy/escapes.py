"""Unescapes values from URLs, JSON and HTML, such as `jan%40example.com`."""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice

from gateway.domain.text.pattern import Pattern, as_seen
from gateway.privacy.normalize import MAX_EDITS, Edit, NormalText, rewritten

_WITHIN = r"(?:40|2[BDEbde]|3[0-9ADad]|4[1-9A-Fa-f]|5[0-9Aa]|6[1-9A-Fa-f]|7[0-9Aa])"
"""Codes of letters, digits and the marks within values."""
_JOINT = r"(?:20|2[89Ff]|[aA]0)"
"""Codes of a space, a bracket and a slash, which mostly separate other things."""
_FORM = r"[A-Za-z0-9_\]]=[0-9A-Z%()]{2,12}\+[0-9A-Z(%]"
"""A space in a field of a form."""
_ESCAPES = (
    rf"(?:%(?:25){{0,2}}|\\u00|\\x){_WITHIN}|%25(?:25)?[0-9A-Fa-f]{{2}}"
    rf"|[0-9](?:%(?:25){{0,2}}|\\u00|\\x){_JOINT}[0-9A-Z%\\(]|[0-9)]&(?:nbsp|#32|#160|#[xX]20|#[xX][aA]0);[0-9A-Z(]"
    r"|&#0{0,4}(?:4[0135-9]|5[0-7]|6[4-9]|[789][0-9]|1[01][0-9]|12[0-2]);"
    rf"|&#[xX]0{{0,4}}{_WITHIN};|&(?:commat|plus|period|hyphen|dash|lowbar);"
    rf"|{_FORM}"
)
_ESCAPED = Pattern(_ESCAPES)
ESCAPE_PREFILTER = f"(?-i:{_ESCAPES})"
"""A pattern of each text that `unescaped` changes."""
_CHARACTER = re.compile(
    r"(?:%(?:25){0,2}|\\u00|\\x)([2-7][0-9A-Fa-f]|[aA]0)|&(?:#\d{2,7}|#[xX][0-9A-Fa-f]{2,6}|[a-z]{2,8});"
    r"|(?<=[0-9A-Z)])\+(?=[0-9A-Z(])"
)


def unescaped(normal: NormalText) -> NormalText | None:
    """Return the lines with escaped characters, unescaped; None if there are none."""
    return rewritten(normal, in_lines(normal.text, _ESCAPED, _characters))


def _characters(text: str, start: int, end: int) -> Iterator[Edit]:
    for found in _CHARACTER.finditer(text, start, end):
        yield Edit(*found.span(), _character(found[0]), found.start())


def in_lines(text: str, sign: Pattern, edits: Callable[[str, int, int], Iterable[Edit]]) -> Iterator[Edit]:
    """Yield the edits of the lines with a sign, and those that remove the lines between them."""
    encoded, end, done = as_seen(text), 0, 0
    place = sign.place(encoded, 0)
    while place is not None:
        start = text.rfind("\n", end, place[0]) + 1
        end = text.find("\n", place[1] - 1)
        end = len(text) if end < 0 else end
        if found := list(islice(edits(text, max(start, done), end), MAX_EDITS)):
            if start > done + bool(done):
                yield Edit(done, start, "\n\n" if done else "")
            yield from found
            done = end
        place = sign.place(encoded, max(end, place[1]))
    if done:
        yield Edit(done, len(text), "")


@lru_cache(maxsize=4096)
def _character(escape: str) -> str:
    """Return the character of an escape, or a space if it is not one ASCII character."""
    plain = chr(int(escape[-2:], 16)) if escape[0] in "%\\" else html.unescape(escape)
    is_one = len(plain) == 1 and plain.isascii() and plain.isprintable()
    return plain if is_one and escape != "+" else " "
