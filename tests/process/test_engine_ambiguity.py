"""Schemas whose alternatives multiply are refused before a decoder follows them all."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.grammar import ambiguity
from gateway.engine.grammar.ambiguity import MAX_PARSES, check_ambiguity
from gateway.engine.grammar.grammar import grammar_of
from gateway.engine.grammar.schema import SchemaRefused
from tests.support.draws import examples
from tests.support.real_engine import ask, request, running, spec, text_of

NULL = {"type": "null"}
HOSTILE = {
    "$ref": "#/$defs/t",
    "$defs": {
        "t": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/t"}, "maxItems": n} for n in (7, 8)]}
    },
}
"""Each bracket doubles the readings: llama.cpp took 13 s for the fourteenth, six times that for the next."""


def arrays(count: int, items: object) -> dict[str, Any]:
    """Return a choice between arrays that differ at their end only."""
    return {"anyOf": [{"type": "array", "items": items, "maxItems": 900 + n} for n in range(count)]}


def levels(*counts: int) -> dict[str, Any]:
    """Return choices in choices, each by reference."""
    names = [f"#/$defs/{n}" for n in range(len(counts) + 1)]
    defs = {str(n): arrays(count, {"$ref": names[n + 1]}) for n, count in enumerate(counts)}
    return {"$ref": names[0], "$defs": {**defs, str(len(counts)): NULL}}


def beginnings(count: int, *, before: str = "") -> list[str]:
    """Return values that go on with different letters behind their common beginning."""
    return [f"{before}{chr(0x4E00 + number)} and more" for number in range(count)]


def members(*names: str, **values: object) -> dict[str, Any]:
    """Return an object with these members, the first ones without a value of interest."""
    return {"type": "object", "properties": {**dict.fromkeys(names, NULL), **values}}


TREE = {"$ref": "#/$defs/tree"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (levels(10, 10), "as many as may be"),
        (arrays(MAX_PARSES, NULL), "as many on one level"),
        ({"enum": [f"value {n}" for n in range(3000)]}, "values are compared letter by letter"),
        ({"enum": beginnings(700)}, "hundreds of different letters"),
        (members(*(f"name {n}" for n in range(450))), "and so are names"),
        (
            {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "null")]},
            "they begin otherwise",
        ),
        ({"type": ["string", "null"]}, "types are alternatives"),
        (
            {**TREE, "$defs": {"tree": {"anyOf": [{"type": "string"}, {"type": "array", "items": TREE}]}}},
            "a tree with leaves of another kind",
        ),
        (
            {**TREE, "$defs": {"tree": {"anyOf": [members("leaf"), members("leaf", branch=TREE)]}}},
            "a tree with leaves of the same kind: one more reading a level",
        ),
        ({"type": "array", "items": {"$ref": "#"}}, "a list of lists"),
        (True, "anything"),
        ({"anyOf": [{"const": n} for n in range(90)]}, "constants that all begin like numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_taken(schema: object, why: str) -> None:
    """What is written for use is taken."""
    assert grammar_of(json.dumps(schema)), why


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (levels(10, 11), "anyOf: more than 100 parses may be open concurrently"),
        (levels(5, 5, 5), "anyOf: more than 100 parses"),
        (arrays(MAX_PARSES + 1, NULL), "anyOf: more than 100 parses"),
        ({"enum": beginnings(1000)}, "enum or anyOf: more than 100 parses"),
        ({"enum": ["a", *beginnings(1000, before="all the same")]}, "enum or anyOf: more than 100 parses"),
        (
            {"anyOf": [members(**{f"a{n}": {"enum": beginnings(300)}}) for n in range(4)]},
            "enum or anyOf: more than 100 parses",
        ),
        (HOSTILE, r"\$ref: alternatives that begin alike lead back to it, without end"),
        (
            {**TREE, "$defs": {"tree": {"anyOf": [members(a=TREE), members(b=TREE)]}}},
            r"\$ref: alternatives that begin alike",
        ),
        (
            {
                "$ref": "#/$defs/a",
                "$defs": {"a": arrays(1, {"$ref": "#/$defs/b"}), "b": arrays(2, {"$ref": "#/$defs/a"})},
            },
            r"\$ref: alternatives that begin alike",
        ),
    ],
    ids=[
        "one too many",
        "three levels",
        "one level",
        "values",
        "values behind",
        "values in objects",
        "itself twice",
        "objects",
        "by a detour",
    ],
)
def test_refused(schema: object, said: str) -> None:
    """What multiplies is refused with the keyword."""
    with pytest.raises(SchemaRefused, match=said):
        grammar_of(json.dumps(schema))


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.text('ab\u4e00"', max_size=5) | st.integers(0, 300), min_size=1, max_size=40, unique=True))
def test_the_width_of_values_is_that_of_their_tree(values: list[Any]) -> None:
    """As many are open as there are different next characters behind any common beginning."""
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    beginnings_ = {text[:end] for text in texts for end in range(len(text))}
    expected = max(
        len({text[len(each)] for text in texts if text.startswith(each) and text != each})
        for each in beginnings_
    )
    assert ambiguity._widest(values) == expected


def test_an_enum_is_looked_at_once() -> None:
    """However often a schema leads to it: 10,000 looks at 60 kB would take minutes."""
    values = beginnings(600)
    schema: Any = {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"anyOf": [NULL, *(members(**{f"m{n}": {"$ref": "#/$defs/b"}}) for n in range(20))]},
            "b": members(x={"enum": values}, y={"$ref": "#/$defs/a"}),
        },
    }
    with pytest.MonkeyPatch.context() as patched:
        looks: list[object] = []

        def look(found: list[Any]) -> int:
            looks.append(found)
            return 1

        patched.setattr(ambiguity, "_widest", look)
        with contextlib.suppress(SchemaRefused):
            check_ambiguity(schema)
    assert looks == [values]


def test_what_leads_back_in_many_ways_is_not_followed_for_ever() -> None:
    """The count itself is bounded: here it would look at 2 to the power of 30 places."""
    links = {str(n): {"anyOf": [NULL, arrays(2, {"$ref": f"#/$defs/{n + 1}"})]} for n in range(30)}
    entangled: Any = {
        "$ref": "#/$defs/0",
        "$defs": {**links, "30": {"type": "array", "items": {"$ref": "#/$defs/0"}}},
    }

    with pytest.raises(SchemaRefused):
        check_ambiguity(entangled)


async def test_a_decoder_bears_what_is_taken_and_never_sees_the_rest() -> None:
    """Under the widest schema an engine answers; a hostile one is refused, and the engine lives on."""
    async with running(spec(watchdog_s=5.0)) as (supervisor, stub):
        wide = await ask(stub, request("x", json_schema=json.dumps(levels(10, 10)), max_tokens=30))
        with pytest.raises(Exception, match="lead back to it"):
            await ask(stub, request("x", json_schema=json.dumps(HOSTILE)))
        after = text_of(await ask(stub, request("Hello")))

    assert text_of(wide).startswith("[")
    assert after.startswith("Hello!")
    assert supervisor.generation == 1
