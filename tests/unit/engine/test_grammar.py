"""Schemas that are refused before a token is sampled."""

import pytest

from gateway.domain.text.schema_bounds import AT_THE_EDGE
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import GrammarRefused
from tests.support.constrained_texts import matcher_of


def nested(depth: int) -> str:
    """Return a schema of arrays in arrays."""
    return '{"type": "array", "items": ' * depth + "true" + "}" * depth


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
        ('{"type": "string", "pattern": "(?!secret)"}', "pattern: look-around is not supported here"),
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
    ],
)
def test_refused(schema: str, said: str) -> None:
    """What cannot be held to the letter, or would cost too much, is refused with the keyword alone."""
    with pytest.raises(GrammarRefused, match=said) as refusal:
        matcher_of(grammar_of(schema))

    assert "secret" not in str(refusal.value)
