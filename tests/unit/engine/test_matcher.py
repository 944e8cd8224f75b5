"""Matchers of llguidance: whatever the grammar and the tokens, an error of ours and a living process."""

import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.engine.grammar.gbnf import lark_of
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import Constraint, GrammarRefused, NothingToSample
from tests.support.constrained_texts import byte_vocabulary, matcher_of, random_text
from tests.support.draws import examples

FACTORY, END = byte_vocabulary()
HOSTILE = {
    "empty": "",
    "no rule": "start:",
    "itself": "start: start",
    "left recursion": 'start: start "a" | start "b"',
    "without end": 'start: "a" start',
    "ambiguous": 'start: a\na: a a | "a" | ""',
    "long": "start: /a{100000}/",
    "backtracking": "start: /(a?){1000}a{1000}/",
    "states": "start: /(x|[a-z])*a[a-z]{40}b[a-z]{40}c/",
    "not JSON": '{"grammars": [',
    "an unknown token": "start: <|no_such_token|>",
    "a schema": 'start: %json {"$ref": "https://example.org"}',
    "many values": grammar_of(json.dumps({"enum": [f"value {n}" for n in range(3000)]})),
    "many members": grammar_of(json.dumps({"properties": {f"p{n}": True for n in range(2000)}})),
    "one long value": grammar_of(json.dumps({"const": "x" * 50_000})),
    "arrays that differ at their end": grammar_of(
        json.dumps({"anyOf": [{"type": "array", "maxItems": 900 + n} for n in range(80)]})
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_grammar_ends_the_process(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Right tokens, wrong ones and those beyond the vocabulary: the only errors are ours, and are silent."""
    dice = random.Random(name)
    said = set[str]()
    for _ in range(3):
        try:
            matcher = matcher_of(HOSTILE[name])
            for _ in range(20):
                matcher.forced()
                allowed = np.flatnonzero(matcher.mask()).tolist()
                is_right = dice.random() < 0.95
                matcher.accept(dice.choice(allowed) if is_right else dice.choice([0, 255, END, 9999]))
        except (GrammarRefused, NothingToSample) as error:
            said.add(str(error))
    assert said <= {"", "does not compile, or is too complex", "no value is valid under this schema"}
    assert capfd.readouterr() == ("", "")


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text('start: |()[]{}"/%~+*?<>ab\n\\', max_size=40), st.binary(max_size=20))
def test_any_text_as_a_grammar(text: str, tokens: bytes) -> None:
    """A grammar of any signs, Lark or GBNF, and any bytes as tokens."""
    said = set[str]()
    for grammar in (text, f"start: {text}"):
        try:
            matcher = matcher_of(grammar)
            for token in tokens:
                matcher.accept(token)
                matcher.forced()
        except (GrammarRefused, NothingToSample) as error:
            said.add(str(error))
    try:
        matcher_of(lark_of(f"root ::= {text}"))
    except GrammarRefused as refusal:
        said.add(str(refusal))
    assert said <= {
        "",
        "does not compile, or is too complex",
        "has a pattern that is not supported here",
        "is not GBNF, or names no root rule",
        "no value is valid under this schema",
    }


def test_what_must_come_is_forced() -> None:
    """Names and signs between them, and the end of a complete answer; nothing where there is a choice."""
    schema = {"type": "object", "properties": {"name": {"enum": ["ab", "b"]}}, "required": ["name"]}
    matcher = matcher_of(grammar_of(json.dumps(schema)))

    assert bytes(matcher.forced()) == b'{"name": "'
    for token in b'{"name": "a':
        matcher.accept(token)
    assert bytes(matcher.forced()) == b'b"}'
    for token in b'b"}':
        matcher.accept(token)
    assert matcher.is_stopped
    assert matcher.forced() == [END]
    assert matcher.allows(END)
    matcher.accept(END)


def test_a_mask_is_what_is_allowed() -> None:
    """Both ways to ask agree, for each token of the vocabulary."""
    matcher = matcher_of('start: "ab"? "c"')
    for token in b"ab":
        assert [*np.flatnonzero(matcher.mask())] == [t for t in range(END + 1) if matcher.allows(t)]
        matcher.accept(token)
    with pytest.raises(NothingToSample):
        matcher.accept(END)


def test_tokens_without_text_are_never_allowed() -> None:
    """A token that has a name alone would be taken for its name."""
    factory, _ = byte_vocabulary()
    plain = factory.matcher(Constraint(grammar='start: "a" | "b"', request_field="x"))
    assert plain.allows(ord("a"))
    hiding = type(plain)(plain._matcher, size=END + 1, ends=frozenset({END}), unknown=np.array([ord("a")]))
    assert not hiding.allows(ord("a"))
    assert [*np.flatnonzero(hiding.mask())] == [ord("b")]


def test_a_grammar_is_compiled_once_and_each_answer_has_its_own_state() -> None:
    """A second matcher of the same grammar begins at the beginning."""
    first = matcher_of('start: "ab"')
    first.accept(ord("a"))

    second = matcher_of('start: "ab"')

    assert not second.allows(ord("b"))
    assert second.allows(ord("a"))
    assert first.allows(ord("b"))


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ('root ::= "a" [0-9]{2} | other\nother ::= "x"+', "a42"),
        ('root ::= "{" ws "}"\nws ::= [ \\t]?', "{ }"),
        ('# said\nroot ::= ("yes" | "no") "."?', "no."),
        ('root ::= [^"\\\\\\x7F]{3}', "ab,"),
    ],
)
def test_gbnf(grammar: str, text: str) -> None:
    """A caller's grammar of llama.cpp's kind is followed."""
    matcher = matcher_of(lark_of(grammar))
    for sign in text.encode():
        matcher.accept(sign)
    assert matcher.allows(END)
    assert random_text(matcher_of(lark_of(grammar)), random.Random(1)) is not None


@pytest.mark.parametrize(
    ("grammar", "said"),
    [
        ("a" * 65_537, "is longer than 65536 bytes"),
        ("a ::= b\n" * 2001, "has more than 2000 rules"),
        ("root ::= " + "(" * 33 + '"a"' + ")" * 33, "is nested deeper than 32"),
        ('secret ::= "a"', "is not GBNF, or names no root rule"),
        ('root ::= "secret', "is not GBNF"),
        ("root ::= secret", "is not GBNF"),
    ],
    ids=["bytes", "rules", "depth", "no root", "no end", "no rule"],
)
def test_gbnf_that_is_refused(grammar: str, said: str) -> None:
    """Limits of size, and what is not GBNF, in words that quote none of it."""
    with pytest.raises(GrammarRefused, match=said) as refusal:
        lark_of(grammar)
    assert "secret" not in str(refusal.value)
