"""A caller's GBNF grammar as llguidance's Lark, within limits: its converter is recursive."""

from llguidance.gbnf_to_lark import gbnf_to_lark

from gateway.engine.interfaces import GrammarRefused

MAX_GRAMMAR_BYTES = 64 * 1024
MAX_GRAMMAR_DEPTH = 32
MAX_GRAMMAR_RULES = 2000


def lark_of(text: str) -> str:
    """Return a GBNF grammar as Lark; raises GrammarRefused, which quotes no grammar."""
    if len(text.encode()) > MAX_GRAMMAR_BYTES:
        raise GrammarRefused(f"is longer than {MAX_GRAMMAR_BYTES} bytes")
    if text.count("::=") > MAX_GRAMMAR_RULES:
        raise GrammarRefused(f"has more than {MAX_GRAMMAR_RULES} rules")
    if _depth(text) > MAX_GRAMMAR_DEPTH:
        raise GrammarRefused(f"is nested deeper than {MAX_GRAMMAR_DEPTH}")
    try:
        return gbnf_to_lark(text)
    except Exception:  # noqa: BLE001  it raises this very class, with a text that quotes the grammar
        raise GrammarRefused("is not GBNF, or names no root rule") from None


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
