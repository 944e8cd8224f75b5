"""JSON schemas as grammars; what they admit is tested on a real decoder in test_backends_local."""

import json

import pytest

from gateway.engine.grammar import grammar_of
from gateway.engine.schema import SchemaRefused
from gateway.schema_bounds import AT_THE_EDGE


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
        ("1", "has to be an object or true"),
        ("false", "has to be an object or true"),
        ('"' + "a" * AT_THE_EDGE.max_bytes + '"', "is longer than 65536 bytes"),
        (nested(AT_THE_EDGE.max_depth + 1), "is nested deeper than 32"),
        ('{"type": "text"}', "type is none that JSON has"),
        ('{"type": {}}', "type is none that JSON has"),
        ('{"type": "ws"}', "type is none that JSON has"),
        ('{"oneOf": [true, true]}', "oneOf is not supported here"),
        ('{"type": "string", "pattern": "secret"}', "pattern is not supported here"),
        ('{"minimum": "secret"}', "minimum has to be a number"),
        ('{"properties": {"secret": 1}}', "a schema has to be an object, true or false"),
        ('{"anyOf": []}', "anyOf has to be a list of schemas"),
        ('{"enum": []}', "enum has to be a list of at least one value"),
        ('{"type": "null", "enum": ["secret"]}', "no value is valid under it"),
        ('{"$ref": "https://example.org/schema"}', r"\$ref has to point into the schema itself"),
        ('{"$ref": "#/$defs/x"}', r"\$ref points to nothing"),
        ('{"type": "string", "minLength": 1000000000}', "minLength has to be at most 100000"),
        ('{"type": "string", "maxLength": -1}', "maxLength has to be a whole number from 0"),
        ('{"type": "array", "minItems": true}', "minItems has to be a whole number from 0"),
        ('{"type": "array", "minItems": 2, "maxItems": 1}', "no value is valid under it"),
        ('{"properties": []}', "properties has to be an object"),
        ('{"required": ["a"], "additionalProperties": false}', "no value is valid under it"),
        ('{"properties": {}, "required": [[]]}', "required has to be a list of names"),
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
