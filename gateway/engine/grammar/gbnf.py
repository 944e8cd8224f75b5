"""Limits on a caller's grammar: llama.cpp parses it recursively and follows all alternatives."""

MAX_GRAMMAR_BYTES = 64 * 1024
MAX_GRAMMAR_DEPTH = 32
MAX_GRAMMAR_RULES = 2000


class GrammarTooLarge(Exception):
    """A grammar is over a limit; the message names the limit and quotes no grammar."""


def check_grammar(text: str) -> str:
    """Return a grammar that is within the limits; llama.cpp checks later whether it compiles."""
    if len(text.encode()) > MAX_GRAMMAR_BYTES:
        raise GrammarTooLarge(f"is longer than {MAX_GRAMMAR_BYTES} bytes")
    if text.count("::=") > MAX_GRAMMAR_RULES:
        raise GrammarTooLarge(f"has more than {MAX_GRAMMAR_RULES} rules")
    if _depth(text) > MAX_GRAMMAR_DEPTH:
        raise GrammarTooLarge(f"is nested deeper than {MAX_GRAMMAR_DEPTH}")
    return text


def _depth(text: str) -> int:
    """Return the nesting depth of groups, outside literals, sets and comments."""
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
"""Start and end of a part in which brackets have no meaning."""
