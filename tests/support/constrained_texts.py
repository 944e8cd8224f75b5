"""Random answers under a constraint, from a vocabulary of single bytes, and their check."""

import json
import random
from functools import cache
from typing import Any

import jsonschema_rs
import numpy as np
from llguidance import LLTokenizer

from gateway.domain.text.schema_bounds import strict_json
from gateway.engine.grammar.matcher import GrammarMatcher, MatcherFactory
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import Constraint, NothingToSample

MAX_BYTES = 600
"""A longer answer is left unfinished."""
_CLOSING = [ord(sign) for sign in '"}],']


@cache
def byte_vocabulary() -> tuple[MatcherFactory, int]:
    """Return what compiles constraints for the vocabulary, and its token that ends an answer."""
    tokenizer = LLTokenizer("byte")
    return MatcherFactory(tokenizer, ends=[tokenizer.eos_token], unknown=[]), tokenizer.eos_token


def matcher_of(grammar: str) -> GrammarMatcher:
    """Return a matcher of a grammar for single bytes; raises GrammarRefused."""
    constraint = Constraint(grammar=grammar, request_field="config.json_schema")
    return byte_vocabulary()[0].matcher(constraint)


def random_text(matcher: GrammarMatcher, dice: random.Random, *, most: int = MAX_BYTES) -> str | None:
    """Return an answer of random tokens, rather such that end something; None if it is not finished."""
    end = byte_vocabulary()[1]
    weight = dice.random()
    said: list[int] = []
    while len(said) < most:
        mask = matcher.mask()
        closing = [token for token in (*_CLOSING, end) if mask[token]]
        allowed = closing if closing and dice.random() < weight else np.flatnonzero(mask).tolist()
        token = dice.choice(allowed)
        matcher.accept(token)
        if token == end:
            return bytes(said).decode()
        said.append(token)
    return None


def values_of(schema: Any, *, count: int = 30, seed: int = 0, most: int = MAX_BYTES) -> list[Any]:
    """Return values that the grammar of a schema allows; each is valid under it. Raises GrammarRefused."""
    grammar = grammar_of(json.dumps(schema))
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    dice = random.Random(seed)
    values = []
    for _ in range(count):
        matcher = matcher_of(grammar)
        try:
            text = random_text(matcher, dice, most=most)
        except NothingToSample:  # A dead end, which ends its request; its text is not an answer.
            continue
        if text is not None:
            values.append(strict_json(text))
            assert validator.is_valid(values[-1]), (schema, text)
    return values
