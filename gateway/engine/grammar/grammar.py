"""Converts a JSON schema to a grammar for the decoder (GBNF); refuses what it cannot express exactly.

Every text that the grammar allows is valid under the schema. The grammar may allow less than the schema:
properties come in the schema's order, without unlisted ones, and numbers have at most 16 digits.
"""

import json
from typing import cast

from gateway.domain.text.schema_bounds import AT_THE_EDGE, strict_json
from gateway.engine.grammar.ambiguity import check_ambiguity
from gateway.engine.grammar.number_ranges import range_rule
from gateway.engine.grammar.schema import JsonValue, Schema, SchemaRefused
from gateway.engine.grammar.schema_core import core_of
from gateway.engine.grammar.string_formats import FORMATS

MAX_RULES = 1000
"""Most rules of one grammar; a property takes two. llama.cpp follows all rules that may come next."""
_CHUNK = 1000
"""Characters of one chunk of a long text: llama.cpp allows at most 2,000 repetitions."""

_PRIMITIVES = {
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" unit)',
    # No surrogates: two of them would be one character, and one alone is invalid.
    "unit": "([0-9a-cefA-CEF] hex | [dD] [0-7]) hex hex",
    "hex": "[0-9a-fA-F]",
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "ws": '" "?',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}"',
    "array": '"[" ws (value ("," ws value)*)? "]"',
}


def grammar_of(schema: str) -> str:
    """Return a GBNF grammar whose texts are all valid under a JSON schema; raises SchemaRefused."""
    problem = AT_THE_EDGE.problem(schema)
    if problem:
        raise SchemaRefused(problem)
    try:
        parsed = cast(JsonValue, strict_json(schema))
    except (ValueError, RecursionError):
        raise SchemaRefused("is not JSON") from None
    core = core_of(parsed)
    grammar = _Grammar(core).text()
    check_ambiguity(core)
    return grammar


class _Grammar:
    """Collects the rules of one schema in its core form."""

    def __init__(self, core: JsonValue) -> None:
        self._root = core
        self._defs = cast(Schema, core.get("$defs", {})) if isinstance(core, dict) else {}
        self._rules: list[str] = []
        self._references: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def text(self) -> str:
        root = self._visit(self._root)
        rules = [f"root ::= {root}", *self._rules]
        return "\n".join(rules + [f"{name} ::= {body}" for name, body in _PRIMITIVES.items()])

    def _add(self, body: str) -> str:
        """Return the name of a rule with this body; equal bodies share a rule."""
        if body not in self._known:
            name = self._known[body] = self._reserve()
            self._fill(name, body)
        return self._known[body]

    def _reserve(self) -> str:
        if len(self._rules) >= MAX_RULES:
            raise SchemaRefused(f"needs more than {MAX_RULES} rules")
        self._rules.append("")
        return f"r{len(self._rules) - 1}"

    def _fill(self, name: str, body: str) -> None:
        self._rules[int(name[1:])] = f"{name} ::= {body}"

    def _visit(self, form: JsonValue) -> str:
        """Return the expression of a schema in core form."""
        if not isinstance(form, dict):
            return "value"
        if "$ref" in form:
            return self._reference(str(form["$ref"]))
        if "enum" in form:
            texts = list(dict.fromkeys(map(_json, cast("list[JsonValue]", form["enum"]))))
            return _quoted(texts[0]) if len(texts) == 1 else self._add(_choice(texts))
        if "anyOf" in form:
            return self._add(" | ".join(map(self._visit, cast("list[JsonValue]", form["anyOf"]))))
        kind = str(form["type"])
        if kind == "object":
            return self._map(form) if "additionalProperties" in form else self._object(form)
        if kind == "array":
            return self._array(form)
        if "low" in form:
            return self._add(range_rule(*(cast(int, form[key]) for key in ("low", "high", "scale"))))
        if "format" in form:
            return self._add(rf'"\"" ({FORMATS[str(form["format"])].rule}) "\""')
        if "minLength" in form:
            return self._add(rf'"\"" {self._characters(*_limits(form, "minLength", "maxLength"))} "\""')
        return kind

    def _reference(self, reference: str) -> str:
        if reference not in self._references:
            name = self._references[reference] = self._reserve()
            self._fill(name, self._visit(self._defs[reference.rpartition("/")[2]]))
        return self._references[reference]

    def _characters(self, least: int, most: int | None) -> str:
        """Return a rule for this number of characters; long ones use chunks, so that the parse is unique."""
        if (most or least) <= _CHUNK:
            return f"char{_repeat(least, most)}"
        chunk = self._add(f"char{{{_CHUNK}}}")
        chunks, left = divmod(least, _CHUNK)
        needed = f"{chunk}{{{chunks}}} char{{{left}}}"
        if most is None:
            return f"{needed} char*"
        chunks = max(0, (most - least + 1) // _CHUNK - 1)
        return f"{needed} {chunk}{{0,{chunks}}} char{{0,{most - least - chunks * _CHUNK}}}"

    def _array(self, form: Schema) -> str:
        """Return an array: its first items one by one, then the others."""
        least, most = _limits(form, "minItems", "maxItems")
        first = [self._visit(item) for item in cast("list[JsonValue]", form["prefixItems"])][:most]
        more = ""
        if most is None or most > len(first):
            item = self._visit(form["items"])
            if not first:
                return self._add(f'"[" ws {_listed(item, least, most)} "]"')
            rest = _repeat(max(least - len(first), 0), None if most is None else most - len(first))
            more = f'("," ws {item}){rest}'
        for at in reversed(range(len(first))):
            comma = '"," ws ' if at else ""
            more = f"{comma}{first[at]} {more}" if at < least else f"({comma}{first[at]} {more})?"
        return self._add(f'"[" ws {more} "]"') if first else '"[]"'

    def _object(self, form: Schema) -> str:
        required = cast("list[JsonValue]", form["required"])
        properties = cast(Schema, form["properties"])
        if not properties:
            return '"{}"'
        members = [
            (f'{_literal(name)} ":" ws {self._visit(value)}', name in required)
            for name, value in properties.items()
        ]
        return self._add(f'"{{" ws {self._members(members)} "}}"')

    def _members(self, members: list[tuple[str, bool]]) -> str:
        """Return the members in order, required or optional, separated by commas.

        `first` continues an object without members yet, `following` one with members.
        """
        first = following = '""'
        for member, is_required in reversed(members):
            with_first = f"{member} {following}"
            with_next = f'"," ws {member} {following}'
            first = self._add(with_first if is_required else f"{with_first} | {first}")
            following = self._add(with_next if is_required else f"{with_next} | {following}")
        return first

    def _map(self, form: Schema) -> str:
        least, most = _limits(form, "minProperties", "maxProperties")
        if form["additionalProperties"] is False or most == 0:
            return '"{}"'
        name = "string" if form["propertyNames"] is True else self._visit(form["propertyNames"])
        member = f'{name} ":" ws {self._visit(form["additionalProperties"])}'
        return self._add(f'"{{" ws {_listed(member, least, most)} "}}"')


def _limits(form: Schema, least_key: str, most_key: str) -> tuple[int, int | None]:
    return cast(int, form[least_key]), cast("int | None", form[most_key])


def _listed(item: str, least: int, most: int | None) -> str:
    """Return a rule for this number of items, separated by commas."""
    if most == 0:
        return ""
    more = f'("," ws {item}){_repeat(max(least - 1, 0), None if most is None else most - 1)}'
    return f"{item} {more}" if least else f"({item} {more})?"


def _repeat(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _choice(texts: list[str]) -> str:
    """Return an expression for one of several texts, as a prefix tree.

    llama.cpp compares every open alternative with every token of the vocabulary: 5,900 values with a common
    prefix took 19 s for a token. In a tree, one alternative is open for each next character.
    """
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(text[:1], []).append(text)
    choices = []
    for group in groups.values():
        prefix = _common_prefix(group)
        rest = [text[len(prefix) :] for text in group]
        choices.append(_quoted(prefix) if len(group) == 1 else f"{_quoted(prefix)} ({_choice(rest)})")
    return " | ".join(choices)


def _common_prefix(texts: list[str]) -> str:
    first, last = min(texts), max(texts)  # All others sort between them and share their prefix.
    differ = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, len(first))]


def _literal(value: JsonValue) -> str:
    """Return a GBNF literal for the JSON text of a value."""
    return _quoted(_json(value))


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
