"""Random texts of a GBNF grammar, for tests: what a decoder could write under it."""

import random
import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+(?:,\d*)?\}|[a-z][a-z0-9]*|[()|*+?]|\S')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_DEEP = 8
"""Levels of rules below which the shortest way out is taken."""
_MOST_LEVELS = 120


class TooDeep(Exception):
    """A text would be nested without end."""


@dataclass
class Grammar:
    """The rules of a grammar, read from its text."""

    rules: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def parsed(cls, text: str) -> "Grammar":
        """Return the rules of a text."""
        lines = (line.split(" ::= ", 1) for line in text.splitlines())
        return cls({name: _TOKEN.findall(body) for name, body in lines})

    def text(self, dice: random.Random) -> str:
        """Return one text; raises TooDeep."""
        return _Writer(self.rules, dice).rule("root", 0)


class _Writer:
    def __init__(self, rules: dict[str, list[str]], dice: random.Random) -> None:
        self._rules = rules
        self._dice = dice

    def rule(self, name: str, depth: int) -> str:
        if depth > _MOST_LEVELS:
            raise TooDeep
        return self._alternatives(self._rules[name], depth)

    def _alternatives(self, tokens: list[str], depth: int) -> str:
        options: list[list[str]] = [[]]
        level = 0
        for token in tokens:
            level += {"(": 1, ")": -1}.get(token, 0)
            if token == "|" and level == 0:
                options.append([])
            else:
                options[-1].append(token)
        option = options[-1] if depth > _DEEP else self._dice.choice(options)
        return self._sequence(option, depth)

    def _sequence(self, tokens: list[str], depth: int) -> str:
        found = []
        at = 0
        while at < len(tokens):
            end = _closing(tokens, at) + 1 if tokens[at] == "(" else at + 1
            least, most = _times(tokens[end]) if end < len(tokens) else (1, 1)
            item = tokens[at:end]
            at = end + (end < len(tokens) and tokens[end][0] in "*+?{")
            count = least if depth > _DEEP else self._dice.randint(least, min(most, least + 3))
            if self._dice.random() < 0.1 and depth <= _DEEP and most < 50:
                count = most
            found += [self._item(item, depth) for _ in range(count)]
        return "".join(found)

    def _item(self, item: list[str], depth: int) -> str:
        first = item[0]
        if first == "(":
            return self._alternatives(item[1:-1], depth)
        if first.startswith('"'):
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), first[1:-1], flags=re.DOTALL)
        if first.startswith("["):
            return self._dice.choice(_members(first[1:-1]))
        return self.rule(first, depth + 1)


def _closing(tokens: list[str], start: int) -> int:
    level = 0
    for at in range(start, len(tokens)):
        level += {"(": 1, ")": -1}.get(tokens[at], 0)
        if level == 0:
            return at
    raise ValueError("a group without an end")


def _times(token: str) -> tuple[int, int]:
    if token in "*+?":
        return {"*": (0, 10_000), "+": (1, 10_000), "?": (0, 1)}[token]
    if not token.startswith("{"):
        return 1, 1
    least, comma, most = token[1:-1].partition(",")
    return int(least), int(most) if most else 10_000 if comma else int(least)


def _members(inside: str) -> str:
    """Return the characters of a set; of one that excludes, some that are not in it."""
    if inside.startswith("^"):
        return "aZ 0é漢{}[],:😀"
    return "".join(
        "".join(map(chr, range(ord(low[-1]), ord(high) + 1))) if high else low[-1]
        for low, high in re.findall(r"(\\.|[^\\])(?:-([^\]]))?", inside)
    )
