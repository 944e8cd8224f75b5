"""Finds numbers behind words that name them, in many languages: `passport no.: AB 123 456`."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import digits_in, is_whole_token
from gateway.privacy.detectors.value_names import source_of, words_of
from gateway.privacy.things import BEING, MARKS, NUMBER_AFTER, THING_WORDS

_THING_WORDS = f"{THING_WORDS}|{source_of(words_of('things', 'institution'))}"
_BRACKETED = r"(?:[ \t]?[(\[][^()\[\]\n]{1,32}[)\]])?"
_TAGS = r"(?:</[a-z]{1,12}>[ \t\r]*\n?[ \t]*<[a-z]{1,12}[^<>\n]{0,60}>)?"
_MARK = r"(?:[ \t\"']{0,2}[:=#|>,;]|[ \t]-[ \t]|[\"'] ?\{)"
"""What parts the name of a value from the value, and joins no words of a sentence."""
_DEFAULT = r"[\"'] ?\{\n? *default *= *[\"']?"
"""The value of a variable in Terraform."""
_ARGUMENT = r"[\"']? --value[ =][\"']?|[,;]|[\"']?[,;] ?[\"']"
_SEPARATOR = rf"(?:{_DEFAULT}|{_ARGUMENT}|{_TAGS}{MARKS}(?:\n[ \t\"'*(>|-]{{0,6}})?)"
_FURTHER = r"(?:[ \t][a-z\xdf-\xff?']{1,16}){1,3}[ \t]?[:=]"
"""Up to three words that say whose number it is, before a colon."""
_OTHER = Pattern(rf"{_THING_WORDS}|{source_of(words_of('links', 'other'))}", ignore_case=True)
_BEFORE = Pattern(rf"(?:{_THING_WORDS})[ \x1f.-]{{0,3}}$", ignore_case=True)
_OTHER_CHARS = 24

_COLUMNS = re.compile(rb"(?:[|;,\t]|  )[^\n|;,\t]*$")
"""A column is before the name, so that the line below it is a row and no value."""

_GROUP = r"[A-Z]{0,6}\d[A-Z0-9]{0,33}"
_BETWEEN = r"(?:[ ./\x1f-]| - |,? (?:no|nr|number|numer|\?{1,5})\.? ?)"
"""Between groups; question marks are a word of another script."""
NUMBER_VALUE = (
    rf"(?:[A-Z]{{1,6}}(?:[ ./-]| - ))?{_GROUP}(?:{_BETWEEN}[A-Z]{{0,4}}\d[A-Z0-9]{{0,17}}){{0,7}}"
    r"(?:[ /-]?(?-i:[A-Z]{1,3})\b)?(?:\([0-9A-Z]\))?"
)
"""Groups of letters and digits; each but the first and the last has a digit."""
_DATE = re.compile(
    rb"\d{1,2}([./-])\d{1,2}\1(?:19|20)?\d\d"
    rb"|(?:19|20)\d\d(?:([./-])\d{1,2}\2\d{1,2}(?:T.*)?| ?[-/] ?(?:19|20)\d\d)"
)
_FORM = bytes.maketrans(
    b"123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0" * 9 + b"A" * 52
)
_NEXT_CHARS = 64
_NEVER = re.compile(
    rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=[0-9]*[a-f])[0-9a-f]{32,}|[0-9]+\.[0-9]{1,2}"
    rb"|v[0-9]+(?:\.[0-9]+)+(?:[-+].*)?",
    re.IGNORECASE,
)
"""A UUID, a hash, an amount and a version are no numbers of a document, whatever names them."""
_UNIT = re.compile(
    rb" ?(?:%|(?:eur|usd|gbp|pln|chf|euros?|dollars?|pounds?|people|persons?|years?|days|hours|minutes|times"
    rb"|km|miles|points|holders|students|employees)\b)",
    re.IGNORECASE,
)
_LAST, _SMALL = 3, 4
"""Characters of a last group, and of each of many groups."""
_MIN_DIGITS = 5


class Named(NamedTuple):
    """A value behind a name."""

    start: int
    end: int
    name: str


class LabelledValues:
    """Finds the values behind the names of one list of words."""

    def __init__(self, name: str, *, value: str = NUMBER_VALUE) -> None:
        alone, marked, holder = (
            source_of(words_of(name, part)) for part in ("document", "abbreviation", "holder")
        )
        numbers = f"(?:{NUMBER_AFTER}){{1,3}}"
        alone = rf"(?:{alone})\.?(?:[\x1f-][a-z]{{1,16}}){{0,4}}"
        is_more = f"{_BRACKETED}(?:{BEING}|{_FURTHER}){{0,3}}"
        is_one = rf"{numbers}{is_more}|{_BRACKETED}(?:{BEING}){{1,3}}|{_MARK}"
        self._pattern = Pattern(
            rf"(?:{alone}(?:{NUMBER_AFTER}){{0,3}}{is_more}|(?:{marked})(?:{is_one})|(?:{holder}){numbers}{is_more})"
            rf"{_SEPARATOR}(?:{value})",
            ignore_case=True,
        )
        self.names = f"{source_of(words_of(name, 'document'))}|{marked}|{holder}"
        """A pattern for the names alone."""
        # A group in the pattern would take ten times as long, so what it matched is split afterwards.
        self._name = Pattern(f"^(?:{alone}|{marked}|{holder})", ignore_case=True)
        self._next = Pattern(rf"^(?:[\"'][,;]\s{{0,4}}[\"']({value})[\"']|[,;] ({value}))", ignore_case=True)
        self._tail = Pattern(rf"^(?:{NUMBER_AFTER}){{0,3}}{is_more}{_SEPARATOR}({value})$", ignore_case=True)

    def find(self, data: bytes) -> Iterator[Named]:
        """Yield the values in the output of `as_data`."""
        for first, end in self._pattern.places(data):
            found = data[first:end]
            name = self._name.place(found, 0)
            tail = next(self._tail.find(found[name[1] :]), None) if name else None
            if name is None or tail is None:
                continue
            last = first + name[1]
            start = last + tail.groups[0][0]
            before, link = data[max(0, first - _OTHER_CHARS) : first], data[last:start]
            if _OTHER.is_in(link) or _BEFORE.is_in(before) or (b"\n" in link and _COLUMNS.search(before)):
                continue
            written = data[first:last].decode("latin-1")
            yield Named(start, end, written)
            for further in self._listed(data, start, end):
                yield Named(*further, written)

    def _listed(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the values behind a named one in a list: quoted ones, and those of the same form."""
        form = data[start:end].translate(_FORM)
        while data[end : end + 3].strip(b"\"' ")[:1] in (b",", b";"):
            found = next(self._next.find(data[end : end + _NEXT_CHARS]), None)
            if found is None:
                return
            quoted, plain = found.groups
            first, last = max(quoted, plain)
            if plain[0] >= 0 and data[end + first : end + last].translate(_FORM) != form:
                return
            yield end + first, end + last
            end += last


def number_end(data: bytes, start: int, end: int, *, full: int = 8, most: int = 22) -> int:
    """Return where the number at a span ends; 0 if it is a date, an amount, too short, or a part.

    `full`: from so many characters on, only a short group or one of many short ones goes on with it.
    """
    chars, last, before = 0, start, 0
    for group in _GROUPS.finditer(data, start, end):
        size = group.end() - group.start()
        is_full = chars >= full and size > _LAST and max(size, before) > _SMALL
        before = size
        if last > start and (is_full or chars + size > most or _DATE.fullmatch(group[0])):
            break
        chars, last = chars + size, group.end()
    number = data[start:last]
    if (
        digits_in(number.decode("latin-1")) < _MIN_DIGITS
        or _DATE.fullmatch(number)
        or _NEVER.fullmatch(number)
    ):
        return 0
    if _UNIT.match(data, last) or not is_whole_token(data, start, last):
        return 0
    return last


_GROUPS = re.compile(rb"[^ ]*[0-9][^ ]*(?: [A-Z]{1,3}(?![A-Za-z0-9]))?")
"""Groups with a digit, the last with letters behind it."""
