"""What of a prompt can be counted in microseconds, for the scorer of complexity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.scoring.pattern import Pattern
from gateway.types import Message, Role

_WORD = Pattern(r"[A-Za-z\xc0-\xff]+(?:['-][A-Za-z]+)*|\?{2,}")
_REASONING = Pattern(
    r"\b(?:prov(?:e|es|ing)|proofs?|deriv(?:e|es|ing|ation)|disprove|generali[sz]e|counter-?examples?|analy[sz](?:e|es|ing)"
    r"|evaluat(?:e|es|ing)|critiqu(?:e|es|ing)|optimi[sz](?:e|es|ing|ation)|design(?:s|ing)?|architect(?:s|ure)?"
    r"|implement(?:s|ing|ation)?|debug(?:s|ging)?|refactor(?:s|ing)?|justif(?:y|ies)|trade-?offs?|compar(?:e|es|ing)"
    r"|contrast|worst[ -]case|complexity|infer|deduc(?:e|es|ing)|assess|diagnos(?:e|es|ing)|plan(?:ning)?"
    r"|step[ -]by[ -]step|explain (?:why|how|the)|why (?:does|do|is|are|would|did)|simulat(?:e|es|ing)|estimat(?:e|es|ing)"
    r"|calculat(?:e|es|ing)|comput(?:e|es|ing)|solv(?:e|es|ing)|formali[sz]e|reconcile|synthesi[sz]e|theorem|invariants?)\b",
    ignore_case=True,
)
_CONSTRAINT = Pattern(
    r"\b(?:must(?: not)?|should(?: not)?|at (?:least|most)|exactly|only if|unless|without|except|such that|subject to"
    r"|given that|assum(?:e|ing)|suppose|constraints?|requirements?|ensur(?:e|es|ing)|respectively|however|instead"
    r"|whereas|if and only if|no more than|as long as|provided that|while (?:keeping|avoiding|preserving)"
    r"|every|each|both|neither|then|therefore|because|following)\b",
    ignore_case=True,
)
_CODE = Pattern(
    r"```|\bdef \w+\(|\bclass \w+[:({]|\breturn\b|#include|\bimport \w+|\bpublic static\b|\bfunction\b|=>|->|==|!=|\(\)"
    r"|\b(?:algorithm|python|java|javascript|typescript|c\+\+|rust|golang|haskell|sql|regex|api|compiler|kernel|thread"
    r"|mutex|atomics?|lock-free|concurren(?:t|cy)|distributed|database|schema|stdin|stdout|runtime|recursion|pointers?)\b",
    ignore_case=True,
)
_MATH = Pattern(
    r"\\[a-z]+|\$[^$\n]{1,80}\$|[A-Za-z0-9)]\s?[\^=]\s?[A-Za-z0-9(\\-]|\d\s?[+*/]\s?\d|%"
    r"|\b(?:integrals?|derivatives?|matri(?:x|ces)|equations?|polynomials?|probability|continuous|functions?|limits?"
    r"|converge(?:s|nce)?|uniform(?:ly)?|pointwise|vectors?|eigenvalues?|primes?|integers?|modulo|remainder|triangle|radius|angle"
    r"|velocity|voltage|current|resistance|momentum|graph|groups?|rings?|fields?|sum|product|average|percent|ratio"
    r"|how many|how much|total)\b",
    ignore_case=True,
)
_NUMBER = Pattern(r"\d+(?:[.,]\d+)*")
_LOOKUP = Pattern(
    r"^\W*(?:(?:please )?(?:say|repeat|translate|define|spell|name|list|rewrite|convert)\b|(?:hi|hello|hey|thanks|thank you|good"
    r" (?:morning|evening|night))\b|(?:in |on |at |from |for |of )?(?:who|whom|whose|what|which|when|where)\b)",
    ignore_case=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFeatures:
    """Counts of one prompt; all but the flags are logarithms, so that twice as much adds as much again."""

    words: float
    """Of the last user message."""
    context: float
    """Words of all the other messages."""
    turns: float
    """Messages before the last one of the user."""
    reasoning: float
    """Verbs and nouns that ask for reasoning rather than recall."""
    constraints: float
    """Words that bind the answer or chain its steps."""
    code: float
    """Marks and words of programming."""
    math: float
    """Marks and words of mathematics."""
    numbers: float
    """Numbers given."""
    tasks: float
    """Questions, and orders joined by commas, semicolons or "and"."""
    vocabulary: float
    """Mean length of its words over five letters, in letters; not a logarithm."""
    is_lookup: float
    """1 where it opens like a greeting, a translation or a question for a fact, else 0."""


def prompt_features(messages: Sequence[Message]) -> PromptFeatures:
    """Count what `PromptFeatures` names; no messages, or none of a user, count as an empty prompt."""
    last = max((i for i, message in enumerate(messages) if message.role is Role.USER), default=-1)
    prompt = messages[last].content if last >= 0 else ""
    words = [span.end - span.start for span in _WORD.find(prompt)]
    context = sum(len(message.content) for i, message in enumerate(messages) if i != last)
    return PromptFeatures(
        words=math.log1p(len(words)),
        context=math.log1p(context / 6),
        turns=math.log1p(max(last, 0)),
        reasoning=math.log1p(_count(_REASONING, prompt)),
        constraints=math.log1p(_count(_CONSTRAINT, prompt)),
        code=math.log1p(_count(_CODE, prompt)),
        math=math.log1p(_count(_MATH, prompt)),
        numbers=math.log1p(_count(_NUMBER, prompt)),
        tasks=math.log1p(
            prompt.count("?") + prompt.count(";") + prompt.count(",") / 2 + prompt.count(" and ") / 2
        ),
        vocabulary=max(0.0, sum(words) / len(words) - 5.0) if words else 0.0,
        is_lookup=1.0 if _LOOKUP.is_in(prompt) else 0.0,
    )


def _count(pattern: Pattern, text: str) -> int:
    return sum(1 for _ in pattern.find(text))
