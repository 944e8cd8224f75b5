"""Bounds on a grammar that a caller wrote: llama.cpp reads it recursively, and follows all of it."""

MAX_GRAMMAR_BYTES = 64 * 1024
MAX_GRAMMAR_DEPTH = 32
MAX_GRAMMAR_RULES = 2000


class GrammarTooLarge(Exception):
    """A grammar is over a bound; the message names it, and no word of the grammar."""


def check_grammar(text: str) -> str:
    """Return a grammar that is within bounds; whether it compiles, llama.cpp says."""
    if len(text.encode()) > MAX_GRAMMAR_BYTES:
        raise GrammarTooLarge(f"is longer than {MAX_GRAMMAR_BYTES} bytes")
    if text.count("::=") > MAX_GRAMMAR_RULES:
        raise GrammarTooLarge(f"has more than {MAX_GRAMMAR_RULES} rules")
    if _depth(text) > MAX_GRAMMAR_DEPTH:
        raise GrammarTooLarge(f"is nested deeper than {MAX_GRAMMAR_DEPTH}")
    return text


def _depth(text: str) -> int:
    """Return how deep groups are nested, what stands in literals, sets and comments apart."""
    depth = deepest = 0
    quote = ""
    characters = iter(text)
    for character in characters:
        if quote:
            if character == "\\" and quote != "\n":
                next(characters, "")
            elif character == quote:
                quote = ""
        elif character in _QUOTES:
            quote = _QUOTES[character]
        elif character == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif character == ")":
            depth -= 1
    return deepest


_QUOTES = {'"': '"', "[": "]", "#": "\n"}
"""What begins a part without structure, and what ends it."""
