"""Forms of data: rows with and without a header, tables, JSON, YAML, INI."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from random import Random

from benchmarks.privacy_generated.forms_text import shuffled
from benchmarks.privacy_generated.value import Fields, Form, Part, Write


def forms() -> Iterator[Form]:
    """Yield all forms of this file."""
    for mark, name in ((",", "CSV"), (";", "CSV, semicolons"), ("\t", "TSV"), ("|", "CSV, bars")):
        yield Form(name=f"{name} with header", family="CSV with header", write=_rows(mark, has_header=True))
        yield Form(name=f"{name} without header", family="CSV without header", write=_rows(mark, has_header=False), has_label=False)  # fmt: skip
    yield Form(
        name="CSV with header, all quoted",
        family="CSV with header",
        write=_rows(",", has_header=True, quote='"'),
    )
    yield Form(name="table of Markdown", family="Markdown", write=_markdown)
    yield Form(name="table of Markdown, one row each", family="Markdown", write=_markdown_pairs)
    yield Form(name="list of Markdown", family="Markdown", write=_markdown_list)
    yield Form(name="table of a database client", family="table", write=_client)
    yield Form(name="table in columns", family="table", write=_columns)
    for name, write in {
        "JSON": _json(": ", ", ", identifier), "JSON, compact": _json(":", ",", identifier),
        "JSON, camel case": _json(": ", ", ", camel), "JSON, words as keys": _json(": ", ", ", str),
        "JSON, pretty": _json(": ", ",\n  ", identifier), "JSON, list of pairs": _json_pairs, "JSON, list": _json_list,
        "JSON lines": _json_lines,
    }.items():  # fmt: skip
        yield Form(
            name=name,
            family="JSON",
            write=write,
            encode=lambda text: json.dumps(text)[1:-1] if '"' in text or "\\" in text else text,
        )
    for name, write in {
        "YAML": _yaml,
        "YAML, quoted": _yaml_quoted,
        "YAML, list of pairs": _yaml_pairs,
        "YAML, nested": _yaml_nested,
    }.items():
        yield Form(name=name, family="YAML", write=write)
    yield Form(name="INI", family="INI", write=_ini)
    yield Form(name="TOML", family="INI", write=_toml)


def identifier(label: str) -> str:
    """Return a label as the name of a column; in its own script where it has no Latin letters."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    name = "_".join(re.findall(r"[A-Za-z0-9]+", plain)).lower()
    return name if len(name) > 1 else label.replace(" ", "_")


def camel(label: str) -> str:
    """Return a label as the name of a field in JavaScript."""
    head, *rest = identifier(label).split("_")
    return head + "".join(part.title() for part in rest)


def table_of(fields: Fields) -> tuple[list[str], list[list[Part]]]:
    """Return the heads and rows of a table: one row for each main value."""
    columns = [*fields.beside]
    at = len(fields.main.text) % (len(columns) + 1)
    heads = [each.label for each in columns]
    heads.insert(at, fields.main.label)
    rows: list[list[Part]] = []
    for number, main in enumerate(fields.mains):
        row: list[Part] = [each.text if number else each for each in columns]
        row.insert(at, main)
        rows.append(row)
    return heads, rows


def text_of(cell: Part) -> str:
    """Return the text of a cell."""
    return cell if isinstance(cell, str) else cell.text


def _rows(mark: str, *, has_header: bool, quote: str = "") -> Write:
    def write(fields: Fields, random: Random) -> list[Part]:
        heads, rows = table_of(fields)
        parts: list[Part] = [mark.join(identifier(head) for head in heads) + "\n"] if has_header else []
        for row in rows:
            for cell in row:
                around = quote or ('"' if mark in text_of(cell) else "")
                parts += [around, cell, around, mark]
            parts[-1] = "\n"
        return parts[:-1]

    return write


def _markdown(fields: Fields, random: Random) -> list[Part]:
    heads, rows = table_of(fields)
    parts: list[Part] = ["| " + " | ".join(heads) + " |\n|" + "---|" * len(heads) + "\n"]
    for row in rows:
        for cell in row:
            parts += ["| ", cell, " "]
        parts.append("|\n")
    return parts


def _markdown_pairs(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = ["| field | value |\n|---|---|\n"]
    for each in shuffled(fields):
        parts += [f"| {each.label} | ", each, " |\n"]
    return parts


def _markdown_list(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = ["## Details\n\n"]
    for each in shuffled(fields):
        parts += [f"- **{each.label}**: ", each, "\n"]
    return parts


def _client(fields: Fields, random: Random) -> list[Part]:
    heads, rows = table_of(fields)
    widths = [max(len(head), *(len(text_of(row[at])) for row in rows)) for at, head in enumerate(heads)]
    parts: list[Part] = [
        " " + " | ".join(identifier(h).ljust(w) for h, w in zip(heads, widths, strict=True)) + "\n"
    ]
    parts.append("-+-".join("-" * width for width in widths) + "\n")
    for row in rows:
        for cell, width in zip(row, widths, strict=True):
            parts += [" ", cell, " " * (width - len(text_of(cell))) + " |"]
        parts.append("\n")
    return [*parts, f"({len(rows)} rows)"]


def _columns(fields: Fields, random: Random) -> list[Part]:
    heads, rows = table_of(fields)
    widths = [max(len(head), *(len(text_of(row[at])) for row in rows)) for at, head in enumerate(heads)]
    parts: list[Part] = ["   ".join(h.upper().ljust(w) for h, w in zip(heads, widths, strict=True)) + "\n"]
    for row in rows:
        for cell, width in zip(row, widths, strict=True):
            parts += [cell, " " * (width - len(text_of(cell)) + 3)]
        parts.append("\n")
    return parts


def _json(colon: str, comma: str, name: Callable[[str], str]) -> Write:
    def write(fields: Fields, random: Random) -> list[Part]:
        parts: list[Part] = ["{"]
        for each in shuffled(fields):
            parts += [f'"{name(each.label)}"{colon}"', each, f'"{comma}']
        return [*parts[:-1], '"}']

    return write


def _json_pairs(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = ["["]
    for each in shuffled(fields):
        parts += [f'{{"name": "{identifier(each.label)}", "value": "', each, '"}, ']
    return [*parts[:-1], '"}]']


def _json_list(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = [f'{{"{identifier(fields.main.label)}": ["']
    for each in fields.mains:
        parts += [each, '", "']
    return [*parts[:-1], '"]}']


def _json_lines(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = []
    for at, each in enumerate(fields.mains):
        parts += [f'{{"row": {at}, "{identifier(fields.main.label)}": "', each, '", "ok": true}\n']
    return parts


def _yaml(fields: Fields, random: Random) -> list[Part]:
    return [part for each in shuffled(fields) for part in (f"{identifier(each.label)}: ", each, "\n")]


def _yaml_quoted(fields: Fields, random: Random) -> list[Part]:
    return [part for each in shuffled(fields) for part in (f"{identifier(each.label)}: '", each, "'\n")]


def _yaml_pairs(fields: Fields, random: Random) -> list[Part]:
    return [
        "fields:\n",
        *(
            part
            for each in shuffled(fields)
            for part in (f"  - name: {identifier(each.label)}\n    value: ", each, "\n")
        ),
    ]


def _yaml_nested(fields: Fields, random: Random) -> list[Part]:
    return [
        "record:\n  data:\n",
        *(part for each in shuffled(fields) for part in (f'    {camel(each.label)}: "', each, '"\n')),
    ]


def _ini(fields: Fields, random: Random) -> list[Part]:
    return [
        "[main]\n",
        *(part for each in shuffled(fields) for part in (f"{identifier(each.label)}={''}", each, "\n")),
    ]


def _toml(fields: Fields, random: Random) -> list[Part]:
    return [
        "[record]\n",
        *(part for each in shuffled(fields) for part in (f'{identifier(each.label)} = "', each, '"\n')),
    ]
