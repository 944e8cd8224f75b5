"""Finds values whose name is elsewhere: in a table's header, in a list of names and values, in a manifest.

They become a variant with one paragraph `name: value` each, so that detectors need no further rules.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from gateway.domain.text.pattern import Pattern, PatternSet
from gateway.privacy.detector import paragraphs
from gateway.privacy.detectors.login_words import marked
from gateway.privacy.field_names import labels_of
from gateway.privacy.normalize import NO_OFFSET, NormalText, OwnText
from gateway.privacy.split_words import CONTEXT_WORDS
from gateway.privacy.tables import (
    NAMES,
    NUMBER_NAMES,
    TURN_PREFILTER,
    VALUE_NAMES,
    Cell,
    CharRange,
    below,
    delimited,
    html,
    json_rows,
    lists,
    sql,
    turns,
)
from gateway.privacy.things import HEADS, in_words, with_marks

_WORD = Pattern(VALUE_NAMES, ignore_case=True)
_NAME_WORD = Pattern(NAMES, ignore_case=True)
_KEYS = r"(?:name|key|field|label|variable|param(?:eter)?|property|attribute|question)"
_VALUES = r"(?:value|val|content|answer)"
_NAME = r"[\"']?([A-Za-z\x1a\x1c\x1d][\w .\x1a\x1c\x1d-]{0,60}?)[\"']?"
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


def _below_names(names: str) -> list[str]:
    """Return what finds the three structures that are known by a name in them."""
    return [
        rf"(?:{names})[^\n]*(?:[|\t;,]|  )[^\n]*\n|(?:[|\t;,]|  )[^\n]*(?:{names})[^\n]*\n",
        rf"(?:{names})[\w\xc0-\xff .-]{{0,30}}[\"']?[ \t]*[:=][ \t\r\n]*(?:[\[{{]|- )",
        rf"(?m)^[^\n:;|,<>{{}}=\"\t]{{0,36}}(?:{names})[^\n:;|,<>{{}}=\"\t]{{0,36}}[ \t:*_]*\r?$",
    ]


_PREFILTERS = PatternSet(
    [
        *_below_names(f"{CONTEXT_WORDS}|{HEADS}"),
        rf"\b{_KEYS}{_IS}[^\n]*{_NEXT}\b{_VALUES}{_IS}|\b{_VALUES}{_IS}[^\n]*{_NEXT}\b{_KEYS}{_IS}",
        r"kind[\"']?[ \t]*:[ \t]*[\"']?(?-i:Secret)\b",
        r"form-data;[ \t]*name=",
        r"\)[ \t\r\n]*VALUES\b",
        r"[\"'](?:columns?|fields?|headers?|header_row|names)[\"'][ \t]*:[ \t\r\n]*\[",
        r"<(?:t[rhd]|dt|label|input|field|property|param|meta|attribute|b|strong|span)\b",
        TURN_PREFILTER,
    ],
    ignore_case=True,
)
_NUMBERS = PatternSet(_below_names(NUMBER_NAMES), ignore_case=True)
"""The first three again, by names of which there are thousands: each text makes new states of so large a
pattern, so it is searched only where there are digits."""
_DIGITS = re.compile(r"[0-9](?:[^0-9]*[0-9]){2}")
_COLUMNS, _LISTS, _BELOW, _PAIRS, _SECRETS, _FORM, _SQL, _JSON_ROWS, _HTML, _TURNS = range(10)
"""The indexes of the structures in `_PREFILTERS`."""
_TABLES: tuple[tuple[int, Callable[[str], Iterator[Cell]]], ...] = (
    (_COLUMNS, delimited),
    (_SQL, sql),
    (_JSON_ROWS, json_rows),
    (_HTML, html),
    (_LISTS, lists),
    (_BELOW, below),
    (_TURNS, turns),
)


_MARKS = "\n:=<"
"""At least one is in every structure but a statement of SQL."""
_UNNAMED = "here is a value that is named "
"""Before a cell whose head says nothing, so that it does not look like the whole of a message."""


def named_values(normal: NormalText) -> NormalText | None:
    """Return a variant with `name: value` for each value whose name is elsewhere; None if there are none."""
    if not any(mark in normal.text for mark in _MARKS) and " VALUES" not in normal.text.upper():
        return None
    text = with_marks(marked(normal.text))
    present = _PREFILTERS.matching(text)
    if _DIGITS.search(text):
        present = sorted({*present, *_NUMBERS.matching(text)})
    if not present:
        return None
    pieces: list[str] = []
    origins: list[int] = []
    cells: list[OwnText] = []
    for name, start, end in _in_text(text, present):
        value = normal.text[start:end]
        labels = labels_of(name) if _WORD.is_in(name) else ()
        for each in labels:
            lead = f"{each}: " if not pieces else f"\n\n{each}: "
            pieces += [lead, value]
            origins += [NO_OFFSET] * len(lead)
            origins += range(start, end)
        first, last = normal.span(start, end)
        cells.append(
            OwnText(
                first,
                last,
                tuple(f"{each}: {value}" for each in labels) or (f"{_UNNAMED}{in_words(name)}: {value}",),
            )
        )
    if not cells:
        return None
    if normal.offsets is not None:
        origins = [at if at == NO_OFFSET else normal.offsets[at] for at in origins]
    return NormalText("".join(pieces), tuple(origins), cells=tuple(sorted(cells)))


def _in_text(text: str, present: list[int]) -> Iterator[Cell]:
    for offset, paragraph in paragraphs(text):
        for name, start, end in _named(paragraph, present):
            yield Cell(name, offset + start, offset + end)
    if _FORM in present:
        for span in _PART.find(text):
            of_name, value = span.groups
            if _WORD.is_in(text[slice(*of_name)]):
                yield Cell(text[slice(*of_name)], *value)


def _named(text: str, present: list[int]) -> Iterator[Cell]:
    for index, cells in _TABLES:
        if index in present:
            yield from cells(text)
    if _PAIRS in present:
        for pattern, name_first in ((_PAIR, True), (_REVERSED, False)):
            for span in pattern.find(text):
                name = span.groups[0] if name_first else span.groups[3]
                value = max(span.groups[1:] if name_first else span.groups[:3])
                if _NAME_WORD.is_in(text[slice(*name)]):
                    yield Cell(text[slice(*name)], *value)
    if _SECRETS in present and _MANIFEST.is_in(text):
        yield from _manifests(text)


def _manifests(text: str) -> Iterator[Cell]:
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
                yield Cell("password", start + inner[0] + first, start + inner[0] + last)


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
