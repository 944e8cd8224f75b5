"""Finds the cells of tables with the head of their column: in lines, SQL, HTML, JSON, and under a key."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from string import ascii_letters, digits
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detectors.value_names import stems_of
from gateway.privacy.split_words import CONTEXT_WORDS
from gateway.privacy.things import HEADS

CharRange = tuple[int, int]


class Cell(NamedTuple):
    """A value of a table, and the head of its column."""

    name: str
    start: int
    end: int


_DELIMITERS = "|\t;,"
_GAP = "  "
"""Columns may also be set apart by two spaces or more."""
_CELLS = {
    mark: re.compile(rf'"((?:[^"]|"")*)"[^{re.escape(mark)}]*|[^{re.escape(mark)}]+|(?<={re.escape(mark)})')
    for mark in _DELIMITERS
} | {_GAP: re.compile(r"()[^ \t\n](?: ?[^ \n])*")}
_QUOTED = re.compile(r'"[^"]*"')
_GAPS = re.compile(r"(?<=\S) {2,}(?=\S)")
_HEAD = r"[^\n{}<>=:\[\]]*"
_BETWEEN = r"(?:[|\t;,]|  )"
NUMBER_NAMES = stems_of("documents", "accounts", "plates")
"""Parts of names of values that have digits."""
VALUE_NAMES = f"{CONTEXT_WORDS}|{NUMBER_NAMES}"
"""Parts of names that say what a value is."""
NAMES = f"{VALUE_NAMES}|{HEADS}"
"""Parts of names that say what a value is, or that it is nobody's."""
_HEAD_LINE = Pattern(
    rf"(?m)^(?:{_HEAD}(?:{NAMES}){_HEAD}{_BETWEEN}{_HEAD}|{_HEAD}{_BETWEEN}{_HEAD}(?:{NAMES}){_HEAD})$",
    ignore_case=True,
)
_HEADS = frozenset(ascii_letters + digits + " _-./#()\x1a\x1c\x1d?&'+%")
_MAX_LINE = 4096
_RULE = frozenset("-:=+| \t")
_AROUND = " \t\r\"'`*_"
_MIN_NAMES = 2
_MAX_NAME = 40
_MAX_WORDS = 5
"""The most words in the head of a column; a longer one is a sentence with commas."""
_WORD = Pattern(NAMES, ignore_case=True)

_INSERT = Pattern(
    r"\(([^()'\n]+)\)[ \t\r\n]*VALUES[ \t\r\n]*",
    ignore_case=True,
)
_TUPLE = re.compile(r"[ \t\r\n,]*\(((?:'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|[^()'\"])*)\)")
_FIELDS = re.compile(r"'((?:[^'\\]|''|\\.)*)'|\"([^\"]*)\"|([^,'\"\s][^,'\"]*)|(?<=,)(?=\s*,)")
_JSON_COLUMNS = Pattern(
    r"[\"'](?:columns?|fields?|headers?|header_row|names)[\"'][ \t]*:[ \t\r\n]*\[([^\[\]{}]+)\]",
    ignore_case=True,
)
_JSON_ROW = re.compile(r"\[([^\[\]{}]*)\]")
_TABLE = re.compile(r"<table\b.*?(?:</table>|\Z)", re.IGNORECASE | re.DOTALL)
_TR = re.compile(r"<tr\b[^>]*>(.*?)(?=<tr\b|</tr|</table|\Z)", re.IGNORECASE | re.DOTALL)
_TD = re.compile(r"<t([hd])\b[^>]*>\s*(?:<[a-z][^>]*>\s*)*([^<]*)", re.IGNORECASE)
_MARKUP_PAIR = Pattern(
    r"<(?:dt|th|label|td|b|strong|span)\b[^<>]{0,200}>[ \t\r\n]*([^<>\n]{2,40}?)[ \t:*]*"
    r"</(?:dt|th|label|td|b|strong|span)>[ \t\r\n]*:?[ \t\r\n]*(?:<br ?/?>[ \t\r\n]*)?"
    r"(?:<(?:dd|td|span)\b[^<>]{0,200}>[ \t\r\n]*([^<>\n]{3,200})"
    r"|<input\b[^<>]{0,200}?\bvalue=[\"']([^\"'<>\n]{3,200})[\"'])",
    ignore_case=True,
)
_INPUT = Pattern(
    r"<(?:input|field|property|param|meta|attribute)\b[^<>]{0,200}?\b(?:name|id|key)=[\"']([^\"'<>\n]{2,60})[\"']"
    r"[^<>]{0,200}?\b(?:value|content)=[\"']([^\"'<>\n]{3,200})[\"']",
    ignore_case=True,
)
_LIST = Pattern(
    r"[\"']?([A-Za-z\x1a\x1c\x1d?\xc0-\xff][\w .?\xc0-\xff\x1a\x1c\x1d-]{1,40})[\"']?[ \t]*[:=][ \t\r\n]*"
    r"\[([^\[\]{}]+)\]"
)
_YAML_LIST = Pattern(
    r"(?m)^[ \t-]*[\"']?([A-Za-z\x1a\x1c\x1d?\xc0-\xff][\w .?\xc0-\xff\x1a\x1c\x1d-]{1,40})[\"']?"
    r"[ \t]*:[ \t\r]*((?:\n[ \t]*- +[^\n:{}]{3,256})+)"
)
_NESTED = Pattern(
    r"[\"']([A-Za-z\x1a\x1c\x1d][\w .\x1a\x1c\x1d-]{1,40})[\"'][ \t]*:[ \t\r\n]*\{([^{}\[\]]+)\}"
)
_NESTED_VALUE = re.compile(
    r"[\"'](?:number|value|nr|no|home|work|mobile|main|primary|private|cell|full|raw|text|id)[\"']\s*:\s*"
    r"(?:[\"']([^\"'\n]{3,200})[\"']|([^\s\"',{}\[\]]{3,40}))",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|([^\s,\"'\[\]][^,\n\"'\[\]]*)")
_YAML_ITEM = re.compile(r"\n[ \t]*- +[\"']?([^\"'\n]{3,256}?)[\"']?[ \t\r]*(?=\n|\Z)")
_ABOVE = Pattern(
    r"(?m)^[ \t*_#>-]*([^\n:;|,<>{}=\"\t]{2,40}?)[ \t:*_]*\r?\n[ \t*_>]*([^\n:;|<>{}=\t]{4,48}?)[ \t*_\r]*$"
)
_SPEAKER = r"^[ \t*_>\[]*[A-Za-z][\w .-]{0,24}[\]*_]{0,2}:[*_ \t]+"
_TURN = Pattern(rf"(?m){_SPEAKER}([^\n]{{4,160}})\r?\n{_SPEAKER[1:]}([^\s][^\n:]{{3,48}}?)[ \t.*_\r]*$")
"""Two turns of a talk that is written down."""
TURN_PREFILTER = r"(?m)^[^\n:]{1,30}:[*_ \t]+[^\n]{4,160}\n[^\n:]{1,30}:[*_ \t]+[^\s][^\n:]{3,60}\r?$"
_VALUE_LINE = re.compile(r"[ \t*_>]*([^\n:;|<>{}=\t]{4,48}?)[ \t*_\r]*(?:\n|\Z)")
_MIN_DIGITS = 4
_MAX_ITEMS = 4096


def delimited(text: str) -> Iterator[Cell]:
    """Yield the cells of tables whose header line has a context word; a Markdown table is one, too."""
    done = 0
    for start, end in _HEAD_LINE.places(text):
        if start < done:
            continue
        mark, heads = _heads(text, start, end)
        done = end + 1
        while heads and done < len(text):
            count_candidate()
            first, stop = done, text.find("\n", done)
            stop = len(text) if stop < 0 else stop
            line = text[first:stop]
            if _count(line, mark) == _count(text[start:end], mark):
                yield from _row(line, first, mark, heads)
            elif not (line.strip() and _RULE.issuperset(line)):
                break
            done = stop + 1


def _count(line: str, mark: str) -> int:
    if mark == _GAP:
        return len(_GAPS.findall(line))
    return (_QUOTED.sub("", line) if '"' in line else line).count(mark)


def _row(line: str, start: int, mark: str, heads: Sequence[str]) -> Iterator[Cell]:
    for column, (first, last) in enumerate(_cells(line, mark)):
        if column < len(heads) and last > first and not _RULE.issuperset(line[first:last]):
            yield Cell(heads[column], start + first, start + last)


def _heads(text: str, start: int, end: int) -> tuple[str, list[str]]:
    """Return the delimiter of a header line, and the heads of its columns; none if it is no header."""
    line = text[start:end]
    mark = max(_DELIMITERS, key=line.count)
    if mark not in line:
        mark = _GAP
    follows = text[end + 1 : end + 1 + _MAX_LINE].split("\n", 1)[0]
    if _count(line, mark) != _count(follows, mark) and not (follows and _RULE.issuperset(follows)):
        return mark, []
    names = [line[first:last] for first, last in _cells(line, mark)]
    least = 1 if line.lstrip().startswith("|") else _MIN_NAMES
    if sum(map(bool, names)) < least or not all(map(_may_head, names)):
        return mark, []
    return mark, names if any(map(_WORD.is_in, names)) else []


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
        first, last = cell.span(1) if cell[1] else cell.span()
        while first < last and line[first] in _AROUND:
            first += 1
        while first < last and line[last - 1] in _AROUND:
            last -= 1
        yield first, last


def sql(text: str) -> Iterator[Cell]:
    """Yield the values of INSERT statements with their columns."""
    for found in _INSERT.find(text):
        first, last = found.groups[0]
        names = [name.strip('"`[] \t\r\n') for name in text[first:last].split(",")]
        at = found.end
        while (row := _TUPLE.match(text, at)) is not None:
            count_candidate()
            yield from _named_items(text, row.span(1), _FIELDS, names)
            at = row.end()


def json_rows(text: str) -> Iterator[Cell]:
    """Yield the values of JSON in which the names of columns are a list, and rows are lists."""
    done = 0
    for found in _JSON_COLUMNS.find(text):
        if found.start < done:
            continue
        names = [text[first:last] for first, last in _items(text, found.groups[0], _ITEM)]
        for row in islice(_JSON_ROW.finditer(text, found.end), _MAX_ITEMS):
            count_candidate()
            cells = list(_items(text, row.span(1), _ITEM))
            if len(cells) != len(names):
                break
            done = row.end()
            yield from (Cell(name, *cell) for name, cell in zip(names, cells, strict=True))


def html(text: str) -> Iterator[Cell]:
    """Yield the cells of HTML tables with a row of heads, values beside their label, and inputs of forms."""
    for table in _TABLE.finditer(text):
        heads: list[str] = []
        for row in _TR.finditer(text, *table.span()):
            count_candidate()
            cells = list(_TD.finditer(text, *row.span(1)))
            names = [cell[2].strip() for cell in cells]
            if not heads:
                heads = names if len(names) >= _MIN_NAMES and all(map(_may_head, names)) else []
                heads = heads if any(map(_WORD.is_in, heads)) else []
            elif len(cells) == len(heads):
                yield from (
                    Cell(name, *_stripped(text, *cell.span(2)))
                    for name, cell in zip(heads, cells, strict=True)
                )
    for pattern in (_MARKUP_PAIR, _INPUT):
        for found in pattern.find(text):
            name, *values = found.groups
            if _WORD.is_in(text[slice(*name)]):
                yield Cell(text[slice(*name)], *_stripped(text, *max(values)))


def lists(text: str) -> Iterator[Cell]:
    """Yield the values of lists and small objects with the key above them, in JSON, YAML and code."""
    for pattern, item in ((_LIST, _ITEM), (_YAML_LIST, _YAML_ITEM), (_NESTED, _NESTED_VALUE)):
        for found in pattern.find(text):
            name, inner = found.groups
            if pattern is not _NESTED or _WORD.is_in(text[slice(*name)]):
                yield from (Cell(text[slice(*name)], *each) for each in _items(text, inner, item))


def below(text: str) -> Iterator[Cell]:
    """Yield the lines that are below a line with nothing but a label."""
    for found in _ABOVE.find(text) if "\n" in text else ():  # Most paragraphs of many are one line.
        name, value = found.groups
        if _WORD.is_in(text[slice(*name)]) and text.count(" ", *name) < _MAX_WORDS:
            yield Cell(text[slice(*name)], *value)
            # A table of one column has further lines.
            at = text.find("\n", value[1]) + 1
            for line in islice(_VALUE_LINE.finditer(text, at), _MAX_ITEMS) if at else ():
                if line.start() != at or sum(map(str.isdigit, line[1])) < _MIN_DIGITS:
                    break
                yield Cell(text[slice(*name)], *line.span(1))
                at = line.end()


def turns(text: str) -> Iterator[Cell]:
    """Yield the values that a speaker answers, alone in a turn, to what the turn before asks for."""
    for found in _TURN.find(text):
        name, value = found.groups
        if _WORD.is_in(text[slice(*name)]) and sum(map(str.isdigit, text[slice(*value)])) >= _MIN_DIGITS:
            yield Cell(text[slice(*name)].rstrip(" .?!:"), *value)


def _named_items(text: str, span: CharRange, item: re.Pattern[str], names: Sequence[str]) -> Iterator[Cell]:
    cells = list(_items(text, span, item))
    if len(cells) == len(names):
        yield from (Cell(name, *cell) for name, cell in zip(names, cells, strict=True) if cell[1] > cell[0])


def _items(text: str, span: CharRange, item: re.Pattern[str]) -> Iterator[CharRange]:
    for found in islice(item.finditer(text, *span), _MAX_ITEMS):
        yield _stripped(text, *found.span(found.lastindex or 0))


def _stripped(text: str, first: int, last: int) -> CharRange:
    while first < last and text[first].isspace():
        first += 1
    while first < last and text[last - 1].isspace():
        last -= 1
    return first, last
