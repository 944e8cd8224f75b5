"""Finds values whose name is elsewhere: in a table's header, in a list of names and values, in a manifest.

They become a variant with one paragraph `name: value` each, so that detectors need no further rules.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from string import ascii_letters, digits

from gateway.domain.text.pattern import Pattern, PatternSet
from gateway.privacy.detector import paragraphs
from gateway.privacy.detectors.login_words import marked
from gateway.privacy.normalize import NO_OFFSET, NormalText
from gateway.privacy.split_words import CONTEXT_WORDS, split_words

CharRange = tuple[int, int]

_WORD = Pattern(CONTEXT_WORDS, ignore_case=True)
_KEYS = r"(?:name|key|field|label|variable|param(?:eter)?|property|attribute|question)"
_VALUES = r"(?:value|val|content|answer)"
_NAME = r"[\"']?([A-Za-z\x1a\x1c][\w .\x1a\x1c-]{0,60}?)[\"']?"
_VALUE = r"(?:\"([^\"\n]{3,256})\"|'([^'\n]{3,256})'|([^\s\"',{}\[\]<>][^\n\"',{}<>]{2,256}))"
_IS = r"[\"']?[ \t]*[:=][ \t]*"
_NEXT = r"[ \t]*,?[ \t\r]*\n?[ \t-]*[\"']?"
_PAIR = Pattern(rf"\b{_KEYS}{_IS}{_NAME}{_NEXT}\b{_VALUES}{_IS}{_VALUE}", ignore_case=True)
_REVERSED = Pattern(rf"\b{_VALUES}{_IS}{_VALUE}{_NEXT}\b{_KEYS}{_IS}{_NAME}(?:[\s,}}>/]|$)", ignore_case=True)

_PART = Pattern(
    r"form-data;[ \t]*name=\"([^\"\r\n]{1,60})\"[^\n]*\n(?:[A-Za-z-]+:[^\n]*\n)*[ \t]*\r?\n([^\r\n]{3,256})",
    ignore_case=True,
)
"""A part of a form (RFC 7578), whose value follows a blank line."""
_MANIFEST = Pattern(
    r"(?m)(?:^|[{,])[ \t-]*[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?Secret[\"']?[ \t\r]*(?:[,}#]|$)"
)
_DATA = Pattern(r"(?m)(?:^|[{,])([ \t]*)[\"']?(?:data|stringData)[\"']?[ \t]*:[ \t\r]*(?:\{([^{}]*)\}|$)")
_DOCUMENT = re.compile(r"(?m)^---[ \t\r]*$")
_ENTRY = Pattern(
    r"(?:^|[{,\n])[ \t]*[\"']?[\w.-]+(?:[\"'][ \t]*:[ \t]*|[ \t]*:[ \t]+)"
    r"(?:\"([^\"\n]{4,})\"|'([^'\n]{4,})'|([^\s\"'{}|>,][^\n\"'{},]{3,}))"
)
_BLOCK_LINE = Pattern(r"^[ \t]*(\S{4,})[ \t\r]*$")

_PREFILTERS = PatternSet(
    [
        rf"(?:{CONTEXT_WORDS})[^\n]*[|\t;,][^\n]*\n|[|\t;,][^\n]*(?:{CONTEXT_WORDS})[^\n]*\n",
        rf"\b{_KEYS}{_IS}[^\n]*{_NEXT}\b{_VALUES}{_IS}|\b{_VALUES}{_IS}[^\n]*{_NEXT}\b{_KEYS}{_IS}",
        r"kind[\"']?[ \t]*:[ \t]*[\"']?(?-i:Secret)\b",
        r"form-data;[ \t]*name=",
    ],
    ignore_case=True,
)
_FORM = 3
"""The index in `_PREFILTERS` of the parts of a form."""
_DELIMITERS = "|\t;,"
_CELLS = {
    mark: re.compile(rf'"((?:[^"]|"")*)"[^{re.escape(mark)}]*|[^{re.escape(mark)}]+|(?<={re.escape(mark)})')
    for mark in _DELIMITERS
}
_HEAD = r"[^\n{}<>=:\[\]]*"
_HEAD_LINE = Pattern(
    rf"(?m)^(?:{_HEAD}(?:{CONTEXT_WORDS}){_HEAD}[|\t;,]{_HEAD}|{_HEAD}[|\t;,]{_HEAD}(?:{CONTEXT_WORDS}){_HEAD})$",
    ignore_case=True,
)
_HEADS = frozenset(ascii_letters + digits + " _-./#()\x1a\x1c?&'+%")
_MAX_LINE = 4096
_RULE = frozenset("-:=+| \t")
_AROUND = " \t\r\"'`*_"
_MIN_NAMES = 2
_MAX_NAME = 40
_MAX_WORDS = 5
"""The most words in the head of a column; a longer one is a sentence with commas."""


def named_values(normal: NormalText) -> NormalText | None:
    """Return a variant with `name: value` for each value whose name is elsewhere; None if there are none."""
    if "\n" not in normal.text and ":" not in normal.text and "=" not in normal.text:
        return None
    text = marked(normal.text)
    present = _PREFILTERS.matching(text)
    if not present:
        return None
    pieces: list[str] = []
    origins: list[int] = []
    spellings: dict[str, tuple[str, ...]] = {}
    for name, (start, end) in _in_text(text, present):
        if name not in spellings:
            spellings[name] = tuple(dict.fromkeys((name, split_words(name))))
        for each in spellings[name]:
            lead = f"{each}: " if not pieces else f"\n\n{each}: "
            pieces += [lead, normal.text[start:end]]
            origins += [NO_OFFSET] * len(lead)
            origins += range(start, end)
    if not pieces:
        return None
    if normal.offsets is not None:
        origins = [at if at == NO_OFFSET else normal.offsets[at] for at in origins]
    return NormalText("".join(pieces), tuple(origins))


def _in_text(text: str, present: list[int]) -> Iterator[tuple[str, CharRange]]:
    for offset, paragraph in paragraphs(text):
        for name, (start, end) in _pairs(paragraph, present):
            yield name, (offset + start, offset + end)
    if _FORM in present:
        for span in _PART.find(text):
            of_name, value = span.groups
            if _WORD.is_in(text[slice(*of_name)]):
                yield text[slice(*of_name)], value


def _pairs(text: str, present: list[int]) -> Iterator[tuple[str, CharRange]]:
    if 0 in present and "\n" in text:
        yield from _columns(text)
    if 1 in present:
        for pattern, name_first in ((_PAIR, True), (_REVERSED, False)):
            for span in pattern.find(text):
                name = span.groups[0] if name_first else span.groups[3]
                value = max(span.groups[1:] if name_first else span.groups[:3])
                if _WORD.is_in(text[slice(*name)]):
                    yield text[slice(*name)], value
    if 2 in present and _MANIFEST.is_in(text):
        yield from _manifests(text)


def _columns(text: str) -> Iterator[tuple[str, CharRange]]:
    """Yield name and span of the cells of columns whose head is a context word."""
    done = 0
    for start, end in _HEAD_LINE.places(text):
        if start < done:
            continue
        mark, heads = _heads(text, start, end)
        done = end + 1
        while heads and done < len(text):
            first, stop = done, text.find("\n", done)
            stop = len(text) if stop < 0 else stop
            line = text[first:stop]
            if line.count(mark) == text.count(mark, start, end):
                yield from _row(line, first, mark, heads)
            elif not (line.strip() and _RULE.issuperset(line)):
                break
            done = stop + 1


def _row(line: str, start: int, mark: str, heads: dict[int, str]) -> Iterator[tuple[str, CharRange]]:
    for column, (first, last) in enumerate(_cells(line, mark)):
        if column in heads and last > first and not _RULE.issuperset(line[first:last]):
            yield heads[column], (start + first, start + last)


def _heads(text: str, start: int, end: int) -> tuple[str, dict[int, str]]:
    """Return the delimiter of a header line, and the columns whose head is a context word."""
    line = text[start:end]
    mark = max(_DELIMITERS, key=line.count)
    follows = text[end + 1 : end + 1 + _MAX_LINE].split("\n", 1)[0]
    if line.count(mark) != follows.count(mark) and not (follows and _RULE.issuperset(follows)):
        return mark, {}
    names = [line[first:last] for first, last in _cells(line, mark)]
    if sum(map(bool, names)) < _MIN_NAMES or not all(map(_may_head, names)):
        return mark, {}
    return mark, {at: name for at, name in enumerate(names) if _WORD.is_in(name)}


def _may_head(name: str) -> bool:
    """Whether a cell may be the head of a column; one that begins with "fail" belongs to test results."""
    is_short = len(name) <= _MAX_NAME and name.count(" ") < _MAX_WORDS
    return (
        is_short
        and all(char in _HEADS or not char.isascii() for char in name)
        and not name.lower().startswith("fail")
    )


def _cells(line: str, mark: str) -> Iterator[CharRange]:
    """Yield the spans of the cells in a line, without the spaces, quotes and emphasis around them."""
    outer = 1 if mark == "|" and line.lstrip().startswith("|") else 0
    base = line.index("|") + 1 if outer else 0
    for cell in _CELLS[mark].finditer(line, base):
        first, last = cell.span(1) if cell[1] is not None else cell.span()
        while first < last and line[first] in _AROUND:
            first += 1
        while first < last and line[last - 1] in _AROUND:
            last -= 1
        yield first, last


def _manifests(text: str) -> Iterator[tuple[str, CharRange]]:
    """Yield the values in Kubernetes manifests of the kind Secret."""
    edges = [0, *(mark.start() for mark in _DOCUMENT.finditer(text)), len(text)]
    for start, end in pairwise(edges):
        document, done = text[start:end], 0
        for block in _DATA.find(document) if _MANIFEST.is_in(document) else ():
            if block.start < done:
                continue
            inner = block.groups[1]
            if inner[0] < 0:
                inner = block.end, _block_end(document, block.end, len(document[slice(*block.groups[0])]))
            done = inner[1]
            for first, last in _entries(document[slice(*inner)]):
                yield "password", (start + inner[0] + first, start + inner[0] + last)


def _block_end(text: str, at: int, indent: int) -> int:
    """Return the end of the lines that are indented more than their key."""
    while at < len(text):
        end = text.find("\n", at + 1)
        end = len(text) if end < 0 else end
        line = text[at + 1 : end]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            return at
        at = end
    return at


def _entries(block: str) -> Iterator[CharRange]:
    for entry in _ENTRY.find(block):
        yield max(entry.groups)
    start = 0
    for line in block.split("\n"):
        for whole in _BLOCK_LINE.find(line):
            yield start + whole.groups[0][0], start + whole.groups[0][1]
        start += len(line) + 1
