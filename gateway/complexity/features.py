"""Counts of a prompt that take microseconds to compute, for the complexity scorer."""

import math
from collections.abc import Sequence
from itertools import repeat
from string import ascii_uppercase, digits
from typing import NamedTuple

from gateway.complexity.vocabulary import (
    CODE,
    CODE_MARKS,
    CONSTRAINTS,
    LOOKUPS,
    MATH,
    MATH_MARKS,
    NEGATIONS,
    ORDERS,
    REASONING,
)
from gateway.domain.conversation import Message, Role

_BYTES_PER_WORD = 6
_LONG_WORD_CHARS = 8
"""A word with more letters is a long one."""
_CAPITALS, _DIGITS = ascii_uppercase.encode(), digits.encode()
_BITS = 32
_LIMIT = 2**_BITS - 1
_LISTED: dict[str, int] = {}
"""By word, 1 in the digits of base 2**32 that count its lists: a sum counts them all in one pass."""
for _place, _words in enumerate((REASONING, CONSTRAINTS, CODE, MATH, NEGATIONS)):
    for _word in _words:
        _LISTED[_word] = _LISTED.get(_word, 0) + (1 << _place * _BITS)
_BREAKS = str.maketrans(dict.fromkeys('\t\n\r.,;:!?()[]{}<>"`*#=|/\\+^$%&~@0123456789', " "))


class PromptFeatures(NamedTuple):
    """Counts of a prompt, mostly as logarithms."""

    words: float
    """Words in the last message of the user."""
    context: float
    """Words in the texts of all other messages, estimated from their length."""
    turns: float
    """Messages with text before the last one of the user."""
    reasoning: float
    """Words that ask for thought rather than recall."""
    constraints: float
    """Words that constrain the answer or connect steps."""
    code: float
    """Words and marks of programming."""
    math: float
    """Words and marks of mathematics."""
    numbers: float
    """Digits."""
    tasks: float
    """Question marks, and marks and words that join instructions."""
    vocabulary: float
    """Distinct words: repetition makes a prompt long, not hard."""
    opening: float
    """1 if the first word asks for hard work, -1 if it greets or asks for a fact or a simple task, else 0."""
    lines: float
    variety: float
    """Distinct words as a share of all."""
    questions: float
    """Question marks."""
    long_words: float
    quotes: float
    stops: float
    commas: float
    negations: float
    """Words that negate."""
    sentence: float
    """Words in a sentence, on average."""
    capitals: float
    """Capital letters as a share of all characters."""


def last_of_user(messages: Sequence[Message]) -> int:
    """Return the index of the last message in which the user says something; -1 if there is none.

    In a loop of tools that is the task: results of tools, whoever brings them, say nothing of how hard it is.
    """
    said = (i for i, message in enumerate(messages) if message.role is Role.USER and message.text)
    return max(said, default=-1)


def prompt_features(messages: Sequence[Message]) -> PromptFeatures:
    """Return the counts of a conversation; without a message of the user the prompt is empty."""
    last = last_of_user(messages)
    text = messages[last].text if last >= 0 else ""
    prompt, encoded = text.lower(), text.encode(errors="replace")
    words = prompt.translate(_BREAKS).split()
    distinct = len(set(words))
    listed = sum(map(_LISTED.get, words, repeat(0)))
    context = sum(len(message.text) for i, message in enumerate(messages) if i != last)
    turns = sum(bool(message.text) for message in messages[: max(last, 0)])
    questions, commas = prompt.count("?"), prompt.count(",")
    ends = prompt.count(". ") + prompt.count(".\n") + questions + prompt.count("!") + 1
    log = math.log1p
    return PromptFeatures(
        words=log(len(words)),
        context=log(context / _BYTES_PER_WORD),
        turns=log(turns),
        reasoning=log(listed & _LIMIT),
        constraints=log(listed >> _BITS & _LIMIT),
        code=log((listed >> 2 * _BITS & _LIMIT) + sum(map(prompt.count, CODE_MARKS))),
        math=log((listed >> 3 * _BITS & _LIMIT) + sum(map(prompt.count, MATH_MARKS))),
        numbers=log(_among_bytes(encoded, _DIGITS)),
        tasks=log(questions + prompt.count(";") + (commas + words.count("and")) / 2),
        vocabulary=log(distinct),
        opening=_opening(words[0]) if words else 0.0,
        lines=log(text.count("\n")),
        variety=distinct / len(words) if words else 1.0,
        questions=log(questions),
        long_words=log(len([word for word in words if len(word) > _LONG_WORD_CHARS])),
        quotes=log(prompt.count('"') + prompt.count("'")),
        stops=log(prompt.count(".")),
        commas=log(commas),
        negations=log(listed >> 4 * _BITS & _LIMIT),
        sentence=log(len(words) / ends),
        capitals=_among_bytes(encoded, _CAPITALS) / len(text) if text else 0.0,
    )


def _opening(word: str) -> float:
    return 1.0 if word in ORDERS else -1.0 if word in LOOKUPS else 0.0


def _among_bytes(encoded: bytes, listed: bytes) -> int:
    return len(encoded) - len(encoded.translate(None, listed))
