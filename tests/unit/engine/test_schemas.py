"""JSON schemas as people and their tools write them: what a grammar of one admits is valid under it."""

import contextlib
import datetime
import ipaddress
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.engine.grammar.schema import KEYWORDS, KINDS
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import GrammarRefused
from tests.support.constrained_texts import matcher_of, values_of
from tests.support.draws import examples

Json = dict[str, Any]


def refusal_of(schema: Any, *, count: int = 30, seed: int = 0) -> str:
    """Return why a schema is refused; "" when all that its grammar allows is valid."""
    try:
        values_of(schema, count=count, seed=seed)
    except GrammarRefused as refusal:
        return str(refusal)
    return ""


def closed(**properties: object) -> Json:
    """Return an object of these members and no others, all required."""
    return {
        "type": "object", "properties": properties, "required": [*properties], "additionalProperties": False
    }  # fmt: skip


PET = {
    "$defs": {
        "Fish": {"properties": {"kind": {"const": "fish", "type": "string"}}, "required": ["kind"]},
        "Bird": {
            "properties": {"kind": {"enum": ["owl", "crow"]}, "wings": {"type": "integer", "minimum": 0}},
            "required": ["kind", "wings"],
        },
    },
    "oneOf": [{"$ref": "#/$defs/Fish"}, {"$ref": "#/$defs/Bird"}],
    "discriminator": {"propertyName": "kind"},
}
TREE: Json = {
    "$defs": {"n": closed(left={"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]})},
    "$ref": "#/$defs/n",
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "maxLength": 3, "minimum": 9},
        {"type": "number", "nullable": True, "example": 1, "x-anything": {"a": [1]}, "xml": {}},
        closed(a={"allOf": [{"$ref": "#/$defs/A"}], "title": "A"}) | {"$defs": {"A": {"enum": ["x"]}}},
        {"allOf": [closed(a={"type": "null"}) | {"additionalProperties": True}, {"required": ["b"]}]},
        {"allOf": [{"type": "number", "minimum": 2}, {"type": "integer", "maximum": 4}, {"minimum": 3}]},
        {"allOf": [{"properties": {"a": {"type": "number"}}}, {"properties": {"a": {"type": "integer"}}}]},
        {"allOf": [closed(a=True), {"properties": {"a": {"type": "null"}, "b": True}}]},
        {"$ref": "#/$defs/P", "required": ["b"], "$defs": {"P": {"properties": {"a": {"type": "null"}}}}},
        {"properties": {"a": {"type": "boolean"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"anyOf": [False, {"type": "null"}, {"enum": [1, "1"]}]},
        {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        {"oneOf": [{"const": "a", "title": "The first"}, {"const": "b"}, {"const": 1}]},
        PET,
        {"type": "array", "items": PET | {"$defs": {}}, "$defs": PET["$defs"], "maxItems": 3},
        {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}, "maxProperties": 2},
        {"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 1},
        {"type": "object", "propertyNames": {"type": "string", "maxLength": 2}, "maxProperties": 1},
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "null"}},
        {"properties": {"a": True, "b": {"type": "null"}, "c": False}, "minProperties": 2},
        {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "maxProperties": 1},
        {"properties": {"a": {"type": "null"}}, "required": ["z"], "additionalProperties": {"type": "null"}},
        {"properties": {"a": {"type": "null"}}, "dependentRequired": {"a": ["b"]}},
        {"properties": {"a": {"type": "null"}}, "unevaluatedProperties": False},
        {"type": "object", "unevaluatedProperties": False},
        {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "items": False},
        {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "minItems": 1},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}, "minItems": 3},
        {"type": "array", "prefixItems": [{"type": "null"}, True], "maxItems": 1, "minItems": 1},
        {"type": "array", "prefixItems": [{"type": "null"}, False, {"type": "null"}]},
        {"type": "array", "uniqueItems": True, "maxItems": 1},
        {"type": "array", "uniqueItems": False, "items": {"type": "null"}, "maxItems": 3.0},
        {"items": {"type": "null"}}, {"minimum": 1}, {"maxLength": 2}, {"minItems": 3},
        {"type": "integer", "enum": [1, "1", 2.0, 2.5, None], "minimum": 2},
        {"type": "string", "const": "a"}, {"type": ["string", "integer"], "enum": ["a", 1, None]},
        {"type": "number", "multipleOf": 1}, {"type": "integer", "format": "int64"},
        {"type": "string", "format": "a-format-of-ours", "maxLength": 4},
        {"type": "string", "maxLength": 2300},
        {"properties": {"a": {"$ref": "#here"}}, "$defs": {"x": {"$anchor": "here", "type": "null"}}},
        {"properties": {"a": {"$ref": "#/$defs/List%5Bint%5D"}}, "$defs": {"List[int]": {"type": "null"}}},
        {"prefixItems": [{"type": "null"}, {"$ref": "#/prefixItems/0"}]},
        {"$defs": {"a/b~c": {"type": "null"}}, "$ref": "#/$defs/a~1b~0c"},
        {"$id": "x:s", "$ref": "x:s#/$defs/a", "$defs": {"a": {"type": "null"}}},
        TREE,
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)  # fmt: skip
def test_what_people_write(schema: Json) -> None:
    """Each kind of schema has answers, and they are valid."""
    assert values_of(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": r"^\d{3}-\w+$"}, {"type": "string", "pattern": "b.c", "maxLength": 9},
        {"type": "string", "pattern": r"^[\w.-]+@[^\s[]+$"}, {"pattern": r"^[\s\S]{2}$"},
        {"type": "string", "pattern": r"^\u0041\x42\/\cA?$"}, {"pattern": "^(ab|c)*$", "minLength": 3},
        {"type": "string", "enum": ["ab", "b"], "pattern": "^a"}, {"const": 1.0}, {"enum": [1e300, 2.5]},
        {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"^x-": True}, "properties": {"a": {"type": "null"}}},
        {"type": "object", "properties": {"x-a": True}, "patternProperties": {"^x-": {"type": "integer"}}},
        {"type": "object", "propertyNames": {"pattern": "^[ab]+$"}, "additionalProperties": {"type": "null"}},
        {"type": "number", "multipleOf": 0.25, "minimum": 1}, {"type": "integer", "multipleOf": 7},
        {"type": "number", "multipleOf": 0.1, "exclusiveMaximum": 2}, {"type": "integer", "format": "int32"},
        {"type": "integer", "minimum": 10**17}, {"type": "number", "maximum": -1e17},
        {"oneOf": [{"const": 1}, {"const": 2}]}, {"oneOf": [{"type": "integer"}, {"const": 2.5}]},
        {"if": {"const": 1}}, {"then": False}, {"type": "string", "uniqueItems": True, "contains": False},
        {"properties": {f"p{n}": {"type": "null"} for n in range(1000)}, "minProperties": 1},
        {"anyOf": [{"type": "array", "items": {"type": "null"}, "maxItems": 900 + n} for n in range(101)]},
        {"type": "array", "additionalItems": False, "items": [{"type": "null"}],
         "$schema": "http://json-schema.org/draft-07/schema#"},
        {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}],
         "$defs": {"A": {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}}},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)  # fmt: skip
def test_more_that_is_served(schema: Json) -> None:
    """Patterns as ECMA-262 reads them, steps, names by pattern: there are answers, and they are valid."""
    assert values_of(schema, count=60)


@pytest.mark.parametrize("bounds", [{"minLength": 1100, "maxLength": 1300}, {"minLength": 1500}])
def test_long_strings(bounds: Json) -> None:
    """A length is held to, however many characters it has."""
    assert values_of({"type": "string", **bounds}, count=3, most=4000)


@pytest.mark.parametrize("schema", [{"type": "number"}, {"type": "integer"}, {}, {"type": "object"}])
def test_an_answer_cannot_be_all_digits(schema: Json) -> None:
    """A number without bounds ends, since a small model would go on with it."""
    matcher = matcher_of(grammar_of(json.dumps(schema)))
    head = "" if "type" in schema and schema["type"] != "object" else '{"a": '
    for sign in f"{head}-{'9' * 16}".encode():
        matcher.accept(sign)
    assert not matcher.allows(ord("9"))
    assert not matcher.allows(ord("e"))


DATES: dict[str, Callable[[str], object]] = {
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "date-time": datetime.datetime.fromisoformat,
    "uuid": uuid.UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "email": re.compile(r"[\w+.-]+@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\Z").match,
    "hostname": re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\Z").match,
    "uri": re.compile(r"https?://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(/\S*)?(\?\S+)?\Z").match,
    "duration": re.compile(r"P(\d+D(T\d+H)?|T\d+[HMS])\Z").match,
}


@pytest.mark.parametrize("name", DATES)
def test_formats(name: str) -> None:
    """A string of a format can be read as what the format says."""
    for value in values_of({"type": "string", "format": name}, count=300):
        assert DATES[name](value) is not None, value


LOW = st.one_of(st.integers(-1200, 1200), st.decimals(-30, 30, places=2).map(float))


@settings(max_examples=examples(100))
@given(
    low=st.none() | LOW, width=st.none() | st.integers(0, 1500) | st.decimals(0, 3, places=2).map(float),
    kind=st.sampled_from(["integer", "number"]), seed=st.integers(0, 99),
    keys=st.sampled_from(["minimum maximum", "exclusiveMinimum exclusiveMaximum"]),
)  # fmt: skip
def test_numbers_keep_to_their_bounds(
    low: float | None, width: float | None, kind: str, keys: str, seed: int
) -> None:
    """Whatever the bounds, inclusive or not, a number that is written is within them."""
    least, most = keys.split()
    schema: Json = {"type": kind}
    if low is not None:
        schema[least] = low
    if width is not None:
        schema[most] = round((low or 0) + width, 2)
    if refusal := refusal_of(schema, seed=seed):
        assert refusal == "no value is valid under this schema"
        steps = [(low or 0) + n / 1000 for n in range(1000)] if kind == "number" else range(-1300, 3000)
        assert not any(jsonschema_rs.is_valid(schema, step) for step in steps)


@pytest.mark.parametrize(("low", "high"), [(0, 0.01), (-0.5, 0), (1, 1.01), (0, 0.5), (1e6, 1e6 + 0.5)])
def test_an_exclusive_bound_is_no_value(low: float, high: float) -> None:
    """Also where both bounds begin with the same digits."""
    assert refusal_of({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high}) == ""


@pytest.mark.parametrize("number", [0, 2, 0.1, -1.5, 123456, 1e-7, 2.5e-9, 1e17])
@pytest.mark.parametrize(
    "schema_of",
    [
        lambda number: {"type": "number", "minimum": number, "maximum": number},
        lambda number: {"type": "number", "const": number},
        lambda number: {"type": ["number", "null"], "enum": [number]},
        lambda number: {"allOf": [{"type": "number"}, {"const": number}]},
        lambda number: {"type": "number", "$ref": "#/$defs/d", "$defs": {"d": {"enum": [number]}}},
    ],
    ids=["bounds", "const", "enum", "part", "reference"],
)
def test_one_number_alone(schema_of: Callable[[float], Json], number: float) -> None:
    """A number that a schema names is a value, whatever llguidance's division by a step leaves of it."""
    assert number in values_of(schema_of(number), count=5)


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"type": "array"}], "type": "array", "minItems": 2},
        {"allOf": [{"prefixItems": [True, True]}, {"type": "array", "minItems": 2}]},
        {"type": "array", "anyOf": [{"minItems": 2}, {"items": {"const": 3}}]},
        {"allOf": [{"type": "object", "patternProperties": {"^x": True}}, {"minProperties": 1}]},
        {"allOf": [{"type": "object", "additionalProperties": {}}, {"minProperties": 1}]},
        {"allOf": [{"type": "object", "additionalProperties": {}}, {"required": ["a"]}]},
        {"type": "object", "anyOf": [{"additionalProperties": {"type": "integer"}}, {"required": ["a"]}]},
        {"allOf": [{}, {"anyOf": [True, {"type": "null"}]}]},
        {"allOf": [{"type": "object"}, {"type": "object", "properties": {}}]},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_numbers_are_bounded_where_no_part_says_of_what_kind_a_value_is(schema: Json) -> None:
    """An answer has no number beyond what a double holds, wherever in the parts a value is free."""
    assert values_of(schema, count=150)


LEAVES = st.sampled_from(
    [
        {"type": "null"}, {"type": "boolean"}, {"type": "integer", "minimum": 3}, {"enum": ["a", "b", 1]},
        {"type": "string", "maxLength": 3}, {"type": "number", "exclusiveMaximum": 0.5}, {"const": "a"},
        {"type": ["integer", "null"], "maximum": 4}, True, {"type": "string", "format": "date"},
        {"$ref": "#/$defs/d"},
    ]
)  # fmt: skip


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return schemas that hold others."""
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
        optional={
            "required": st.lists(st.sampled_from("abcd"), unique=True, max_size=3),
            "additionalProperties": st.booleans() | inner, "minProperties": st.integers(0, 2),
            "maxProperties": st.integers(0, 3), "unevaluatedProperties": st.booleans(),
            "dependentRequired": st.dictionaries(
                st.sampled_from("abc"), st.lists(st.sampled_from("abc"), unique=True)
            ),
        },
    )  # fmt: skip
    arrays = st.fixed_dictionaries(
        {"type": st.just("array")},
        optional={
            "items": inner | st.just(False), "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "minItems": st.integers(0, 3), "maxItems": st.integers(0, 3),
        },
    )  # fmt: skip
    several = st.lists(inner, min_size=1, max_size=3)
    combined = st.one_of(
        *(st.fixed_dictionaries({keyword: several}) for keyword in ("anyOf", "oneOf", "allOf")),
        st.builds(
            lambda parts, whole: {"allOf": parts} | (whole if isinstance(whole, dict) else {}), several, inner
        ),
        st.builds(lambda whole: {"$ref": "#/$defs/d"} | (whole if isinstance(whole, dict) else {}), inner),
    )
    return objects | arrays | combined


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=8).filter(lambda schema: isinstance(schema, dict))


@settings(
    max_examples=examples(400),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    deadline=None,
)
@given(schema=SCHEMAS, seed=st.integers(0, 9))
def test_what_is_admitted_is_valid(schema: Json, seed: int) -> None:
    """For any schema: a refusal that names keywords alone, or a grammar whose texts are all valid."""
    whole = {
        "$defs": {"d": closed(a={"type": ["null", "integer"]}) | {"additionalProperties": True}},
        **schema,
    }
    refusal = refusal_of(whole, count=8, seed=seed)
    assert re.search(
        r"^$|not supported|supported only|no value|alternatives|leads back|too complex|allows no answer",
        refusal,
    )


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"name": "turnip", "strict": True, "schema": {}}, 'send the value of "schema" alone'),
        ({"type": "json_schema", "json_schema": {"a": "turnip"}}, 'send the value of "json_schema" alone'),
        ({"$ref": "https://turnip.example"}, "$ref must point into the schema itself, as in #/$defs/..."),
        ({"$ref": "#turnip"}, "$ref points to nothing"),
        ({"allOf": [{"$ref": "#"}]}, "allows no answer"),
        ({"properties": {"turnip": {"not": {}}}}, "not is not supported here"),
        ({"if": {"required": ["turnip"]}, "then": True}, "if is not supported here"),
        ({"type": "string", "pattern": "(?=turnip)"}, "pattern: look-around is not supported here"),
        ({"type": "string", "pattern": "(turnip"}, "has a pattern that is not supported here"),
        ({"type": "string", "pattern": r"(turnip)\1"}, r"pattern: \1 is not supported here"),
        ({"type": "string", "pattern": "^(turnip|"}, "has a pattern that is not supported here"),
        ({"type": "string", "format": "regex"}, "format: this one is not supported here"),
        ({"type": "string", "format": "date", "maxLength": 4}, "no value is valid under this schema"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems is not supported here"),
        ({"type": "array", "contains": {"const": "turnip"}}, "contains is not supported here"),
        ({"type": "object", "minProperties": 2}, "minProperties above 1 is not supported here"),
        ({"oneOf": [{"type": "string"}, {"const": "turnip"}]}, "oneOf is supported only if no two"),
        ({"type": "number", "multipleOf": 99991}, "multipleOf must have at most 10000 units"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "no value is valid under this schema"),
        ({"allOf": [{"const": "turnip"}, {"const": "beet"}]}, "no value is valid under this schema"),
        (closed(turnip=False), "no value is valid under this schema"),
        ({"type": "string", "enum": ["turnip"], "pattern": "beet"}, "no value is valid under this schema"),
        ({"dependentSchemas": {"turnip": {}}}, "dependentSchemas is not supported here"),
        ({"allOf": [{}], "unevaluatedProperties": False}, "unevaluatedProperties is not supported here"),
        ({"propertyNames": {"format": "turnip"}}, "propertyNames is supported only with"),
    ],
    ids=lambda value: json.dumps(value)[:50],
)  # fmt: skip
def test_what_is_refused_is_said_without_a_word_of_it(schema: Json, said: str) -> None:
    """A refusal says the keyword and the way out; names, values and descriptions are the caller's text."""
    with pytest.raises(GrammarRefused, match=re.escape(said)) as refusal:
        matcher_of(grammar_of(json.dumps(schema)))

    assert "turnip" not in str(refusal.value)


WORDS = sorted({word for group in KEYWORDS.values() for word in group} | {"$defs", "$anchor", "turnip"})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([*KINDS, "#", "#/$defs", "#turnip", "date", "turnip", 1e300, -1, 2**70]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(schema=st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=5))
def test_any_json_has_a_grammar_or_is_refused(schema: Json) -> None:
    """Whatever stands under the keywords, there is no other error, and no word of it in a refusal."""
    try:
        matcher_of(grammar_of(json.dumps(schema)))
    except GrammarRefused as refusal:
        said = str(refusal)
    else:
        said = ""
    assert "turnip" not in said


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"enum": [*range(9000)]}, {"enum": [*range(1, 9000)]}] * 40},
        {"allOf": [{"$ref": "#/$defs/e"}] * 1500, "$defs": {"e": {"enum": ["x" * 9, *range(4000)]}}},
        {"oneOf": [{"enum": [*range(n * 300, n * 300 + 300)]} for n in range(40)]},
        {"oneOf": [closed(**{f"a{m}": {"const": n}}) for n in range(20) for m in range(20)]},
        {"allOf": [{"anyOf": [{"minimum": n + m} for n in range(9)]} for m in range(20)]},
        {"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}]},
        {
            "$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(30)},
            "$ref": "#/$defs/0",
        },
    ],
    ids=["enums", "references", "many values", "members", "products", "itself", "doubling"],
)
def test_no_schema_takes_long(schema: Json) -> None:
    """What is small as a text and large when it is written out is refused, or done, soon."""
    start_s = time.thread_time()
    with contextlib.suppress(GrammarRefused):
        matcher_of(grammar_of(json.dumps(schema)))

    assert time.thread_time() - start_s < 2.0
