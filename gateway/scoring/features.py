"""What of a prompt can be counted in microseconds, for the scorer of complexity."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from gateway.scoring.vocabulary import (
    CODE,
    CODE_MARKS,
    CONSTRAINTS,
    LOOKUPS,
    MATH,
    MATH_MARKS,
    ORDERS,
    REASONING,
)
from gateway.types import Message, Role

_BYTES_PER_WORD = 6
_BREAKS = str.maketrans(dict.fromkeys('\t\n\r.,;:!?()[]{}<>"`*#=|/\\+^$%&~@0123456789', " "))


class PromptFeatures(NamedTuple):
    """Counts of a prompt, mostly as logarithms: twice as much adds as much again, whatever was there."""

    words: float
    """In the last message of the user."""
    context: float
    """Words in all the other messages, by their length."""
    turns: float
    """Messages before the last one of the user."""
    reasoning: float
    """Words that ask for thought rather than recall."""
    constraints: float
    """Words that bind the answer or chain its steps."""
    code: float
    """Words and marks of programming."""
    math: float
    """Words and marks of mathematics."""
    numbers: float
    """Digits."""
    tasks: float
    """Question marks, and what joins one order to the next."""
    vocabulary: float
    """Distinct words: repetition makes a prompt long, not hard."""
    opening: float
    """1 where its first word orders hard work, -1 where it greets, asks a fact or a small chore, else 0."""


def prompt_features(messages: Sequence[Message]) -> PromptFeatures:
    """Count what `PromptFeatures` names; without a message of the user the prompt is empty."""
    last = max((i for i, message in enumerate(messages) if message.role is Role.USER), default=-1)
    prompt = messages[last].content.lower() if last >= 0 else ""
    words = prompt.translate(_BREAKS).split()
    context = sum(len(message.content) for i, message in enumerate(messages) if i != last)
    joints = prompt.count("?") + prompt.count(";") + (prompt.count(",") + words.count("and")) / 2
    return PromptFeatures(
        words=math.log1p(len(words)),
        context=math.log1p(context / _BYTES_PER_WORD),
        turns=math.log1p(max(last, 0)),
        reasoning=math.log1p(_among(words, REASONING)),
        constraints=math.log1p(_among(words, CONSTRAINTS)),
        code=math.log1p(_among(words, CODE) + sum(map(prompt.count, CODE_MARKS))),
        math=math.log1p(_among(words, MATH) + sum(map(prompt.count, MATH_MARKS))),
        numbers=math.log1p(sum(map(prompt.count, "0123456789"))),
        tasks=math.log1p(joints),
        vocabulary=math.log1p(len(set(words))),
        opening=_opening(words[0]) if words else 0.0,
    )


def _opening(word: str) -> float:
    return 1.0 if word in ORDERS else -1.0 if word in LOOKUPS else 0.0


def _among(words: Sequence[str], listed: frozenset[str]) -> int:
    return sum(map(listed.__contains__, words))
