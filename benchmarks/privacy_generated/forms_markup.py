"""Forms of markup and of databases: XML, HTML, SQL."""

import html
from collections.abc import Iterator
from random import Random

from benchmarks.privacy_generated.forms_data import camel, identifier, table_of
from benchmarks.privacy_generated.forms_text import shuffled
from benchmarks.privacy_generated.value import Field, Fields, Form, Part


def forms() -> Iterator[Form]:
    """Yield all forms of this file."""
    for name, write in {"XML": _xml, "XML, attributes": _xml_attributes, "XML, pairs": _xml_pairs}.items():
        yield Form(name=name, family="XML", write=write, encode=html.escape)
    for name, write in {
        "HTML table": _html_table,
        "HTML, definition list": _html_list,
        "HTML, input": _html_input,
    }.items():
        yield Form(name=name, family="HTML", write=write, encode=html.escape)
    for name, write in {
        "SQL INSERT": _insert,
        "SQL INSERT, many rows": _insert_rows,
        "SQL WHERE": _where,
        "SQL UPDATE": _update,
    }.items():
        yield Form(name=name, family="SQL", write=write, encode=lambda text: text.replace("'", "''"))
    yield Form(name="SQL INSERT without columns", family="SQL without columns", write=_insert_bare, has_label=False,
               encode=lambda text: text.replace("'", "''"))  # fmt: skip


def _xml(fields: Fields, random: Random) -> list[Part]:
    inner = [part for each in shuffled(fields) for part in _element(each)]
    return ['<?xml version="1.0"?>\n<record>\n', *inner, "</record>"]


def _element(each: Field) -> list[Part]:
    return [f"  <{camel(each.label)}>", each, f"</{camel(each.label)}>\n"]


def _xml_attributes(fields: Fields, random: Random) -> list[Part]:
    return [
        "<record",
        *(part for each in shuffled(fields) for part in (f' {identifier(each.label)}="', each, '"')),
        "/>",
    ]


def _xml_pairs(fields: Fields, random: Random) -> list[Part]:
    return [
        part
        for each in shuffled(fields)
        for part in (f'<field name="{html.escape(each.label)}">', each, "</field>\n")
    ]


def _html_table(fields: Fields, random: Random) -> list[Part]:
    return [
        "<table>\n",
        *(
            part
            for each in shuffled(fields)
            for part in (f"<tr><th>{html.escape(each.label)}</th><td>", each, "</td></tr>\n")
        ),
        "</table>",
    ]


def _html_list(fields: Fields, random: Random) -> list[Part]:
    return [
        "<dl>",
        *(
            part
            for each in shuffled(fields)
            for part in (f"<dt>{html.escape(each.label)}</dt><dd>", each, "</dd>")
        ),
        "</dl>",
    ]


def _html_input(fields: Fields, random: Random) -> list[Part]:
    main = fields.main
    return [
        f'<label>{html.escape(main.label)}</label>\n<input name="{identifier(main.label)}" value="',
        main,
        '">',
    ]


def _insert(fields: Fields, random: Random) -> list[Part]:
    heads, (row, *_) = table_of(fields)
    return [f"INSERT INTO t ({', '.join(map(identifier, heads))}) VALUES (", *_quoted(row), ");"]


def _insert_rows(fields: Fields, random: Random) -> list[Part]:
    heads, rows = table_of(fields)
    parts: list[Part] = [f"INSERT INTO records ({', '.join(map(identifier, heads))}) VALUES\n"]
    for row in rows:
        parts += ["(", *_quoted(row), "),\n"]
    return [*parts[:-1], ");"]


def _insert_bare(fields: Fields, random: Random) -> list[Part]:
    _, (row, *_) = table_of(fields)
    return ["INSERT INTO t VALUES (", *_quoted(row), ");"]


def _quoted(row: list[Part]) -> list[Part]:
    parts: list[Part] = []
    for cell in row:
        parts += ["'", cell, "'", ", "]
    return parts[:-1]


def _where(fields: Fields, random: Random) -> list[Part]:
    return [f"SELECT * FROM records WHERE {identifier(fields.main.label)} = '", fields.main, "' LIMIT 10;"]


def _update(fields: Fields, random: Random) -> list[Part]:
    return [
        f"UPDATE records SET {identifier(fields.main.label)} = '",
        fields.main,
        f"' WHERE row = {random.randrange(99)};",
    ]
