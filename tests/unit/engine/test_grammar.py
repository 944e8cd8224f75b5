"""JSON schemas as grammars; what they admit is tested on a real decoder in process/test_local_backend.py."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.text.schema_bounds import AT_THE_EDGE
from gateway.engine.grammar.grammar import grammar_of
from gateway.engine.grammar.schema import SchemaRefused


def nested(depth: int) -> str:
    """Return a schema of arrays in arrays."""
    return '{"type": "array", "items": ' * depth + "true" + "}" * depth


def rule(schema: object) -> str:
    """Return the root rule of a schema, with the rules that it names put in place."""
    rules = dict(line.split(" ::= ", 1) for line in grammar_of(json.dumps(schema)).splitlines())
    text = rules["root"]
    for name in sorted((n for n in rules if n[0] == "r" and n[1:].isdigit()), key=lambda n: -int(n[1:])):
        text = text.replace(name, rules[name])
    return text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "value"),
        ({"type": "integer"}, "integer"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"const": 'a"b\\'}, r'"\"a\\\"b\\\\\""'),
        ({"enum": ["a", 1, None], "description": "said"}, r'"\"a\"" | "1" | "null"'),
        ({"type": "string", "enum": ["a"]}, r'"\"a\""'),
        ({"type": "string", "maxLength": 5}, r'"\"" char{0,5} "\""'),
        ({"type": "array", "items": {"type": "null"}}, '"[" ws (null ("," ws null){0,})? "]"'),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 3},
            '"[" ws null ("," ws null){1,2} "]"',
        ),
        ({"type": "array", "maxItems": 0}, '"[]"'),
        ({"type": "object"}, '"{" ws (string ":" ws value ("," ws string ":" ws value){0,})? "}"'),
        (
            {"type": "object", "additionalProperties": {"type": "null"}},
            '"{" ws (string ":" ws null ("," ws string ":" ws null){0,})? "}"',
        ),
        ({"type": "object", "additionalProperties": False}, '"{}"'),
        (
            {"properties": {"a": {"type": "null"}}, "required": ["a"]},
            r'"{" ws "\"a\"" ":" ws null "" "}"',
        ),
    ],
)
def test_grammar(schema: object, expected: str) -> None:
    """Each kind of schema has its rule."""
    assert rule(schema) == expected


def test_optional_members_have_commas_between_them_only() -> None:
    """Optional members may stand or not; the rules keep apart whether one came before."""
    schema = {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "required": ["b"]}

    lines = grammar_of(json.dumps(schema)).splitlines()

    assert lines[:6] == [
        "root ::= r4",
        r'r0 ::= "\"b\"" ":" ws null ""',
        r'r1 ::= "," ws "\"b\"" ":" ws null ""',
        r'r2 ::= "\"a\"" ":" ws null r1 | r0',
        r'r3 ::= "," ws "\"a\"" ":" ws null r1 | r1',
        'r4 ::= "{" ws r2 "}"',
    ]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 15_000, "is nested deeper than 32"),
        ("1", "must be an object or true"),
        ("false", "must be an object or true"),
        ('"' + "a" * AT_THE_EDGE.max_bytes + '"', "is longer than 65536 bytes"),
        (nested(AT_THE_EDGE.max_depth + 1), "is nested deeper than 32"),
        ('{"type": "text"}', "type is not a type of JSON"),
        ('{"type": {}}', "type is not a type of JSON"),
        ('{"type": "ws"}', "type is not a type of JSON"),
        ('{"oneOf": [true, true]}', "oneOf is supported only if"),
        ('{"type": "string", "pattern": "secret"}', "pattern is not supported here"),
        ('{"minimum": "secret"}', "minimum must be a number"),
        ('{"properties": {"secret": 1}}', "a schema must be an object, true or false"),
        ('{"anyOf": []}', "anyOf must be a list of schemas"),
        ('{"enum": []}', "enum must be a list of at least one value"),
        ('{"type": "null", "enum": ["secret"]}', "no value is valid under this schema"),
        ('{"$ref": "https://example.org/schema"}', r"\$ref must point into the schema itself"),
        ('{"$ref": "#/$defs/x"}', r"\$ref points to nothing"),
        ('{"type": "string", "minLength": 1000000000}', "minLength must be at most 100000"),
        ('{"type": "string", "maxLength": -1}', "maxLength must be a whole number from 0"),
        ('{"type": "array", "minItems": true}', "minItems must be a whole number from 0"),
        ('{"type": "array", "minItems": 2, "maxItems": 1}', "no value is valid under this schema"),
        ('{"properties": []}', "properties must be an object"),
        ('{"required": ["a"], "additionalProperties": false}', "no value is valid under this schema"),
        ('{"properties": {}, "required": [[]]}', "required must be a list of names"),
        (json.dumps({"properties": {f"p{i}": True for i in range(501)}}), "needs more than 1000 rules"),
    ],
)
def test_refused(schema: str, said: str) -> None:
    """What cannot be held to the letter, or would cost too much, is refused with the keyword alone."""
    with pytest.raises(SchemaRefused, match=said) as refusal:
        grammar_of(schema)

    assert "secret" not in str(refusal.value)


def test_a_schema_may_refer_to_itself() -> None:
    """A recursive schema becomes a recursive rule."""
    tree = {"type": "array", "items": {"$ref": "#"}}

    assert 'r1 ::= "[" ws (r0 ("," ws r0){0,})? "]"' in grammar_of(json.dumps(tree))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["ab", "ac", "b"], r'"\"" ("a" ("b\"" | "c\"") | "b\"")'),
        ([1, 12, 120, 2], '"1" ("" | "2" ("" | "0")) | "2"'),
        (["a", "a"], r'"\"a\""'),
        (['a"', "a\\"], r'"\"a\\" ("\"\"" | "\\\"")'),
        ([[1, 2], [1]], '"[1" (",2]" | "]")'),
    ],
    ids=["words", "numbers", "twice", "escapes", "lists"],
)
def test_values_are_a_tree_of_what_they_begin_with(values: list[object], expected: str) -> None:
    """Where values begin alike, only what differs is left open."""
    assert rule({"enum": values}) == expected


@given(
    st.lists(
        st.one_of(st.text('ab"\\\n\u00e9', max_size=6), st.integers(-99, 99), st.booleans(), st.none()),
        min_size=1,
        max_size=30,
    )
)
def test_a_tree_holds_the_values_and_nothing_else(values: list[object]) -> None:
    """Followed to all its ends, the tree gives each value once."""
    texts = list(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values))
    assert sorted(ends(rule({"enum": values}))) == sorted(texts)


def ends(expression: str) -> list[str]:
    """Return all texts of an expression of literals, groups and alternatives."""

    def choice(at: int) -> tuple[list[str], int]:
        found: list[str] = []
        begun = [""]
        while at < len(expression) and expression[at] != ")":
            if expression[at] == '"':
                literal = re.compile(r'"((?:[^"\\]|\\.)*)"').match(expression, at)
                assert literal is not None
                plain = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), literal[1])
                begun, at = [text + plain for text in begun], literal.end()
            elif expression[at] == "(":
                inner, at = choice(at + 1)
                begun, at = [text + end for text in begun for end in inner], at + 1
            else:
                if expression[at] == "|":
                    found, begun = found + begun, [""]
                at += 1
        return found + begun, at

    return choice(0)[0]


@pytest.mark.parametrize("kind", ["words", "numbers", "nested"])
def test_many_values_that_begin_alike_cost_little(kind: str) -> None:
    """Thousands of values leave no more open than there are characters that may come next."""
    kinds: dict[str, list[object]] = {
        "words": [f"pfx{n:04d}" for n in range(5_900)],
        "numbers": list(range(5_000)),
        "nested": ["a" * n for n in range(1, 350)],
    }
    text = grammar_of(json.dumps({"enum": kinds[kind]}, separators=(",", ":")))
    root = next(line for line in text.splitlines() if line.startswith("r0 ::= "))
    depths: dict[int, int] = {}
    depth = widest = 0
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", root):
        depth += (character == "(") - (character == ")")
        if character in "()":
            depths.pop(depth + 1, None)
        elif character == "|":
            depths[depth] = depths.get(depth, 0) + 1
            widest = max(widest, depths[depth])
    assert widest <= 10
