"""Commands of a page with the output that the page shows for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Commands, and what the page shows of their output."""

    commands: str
    shown: str


def steps(text: str, *, language: str = "") -> Iterator[Step]:
    """Yield each shell block with the block of a language that follows it, "" where none does."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    for (kind, commands), (after, shown) in zip(blocks, [*blocks[1:], ("sh", "")], strict=True):
        if kind == "sh":
            yield Step(commands=commands, shown=shown if after == language else "")


def pattern_of(shown: str) -> re.Pattern[str]:
    """Return what output has to match: line for line, with anything in the place of `...`."""
    return re.compile(r"[^\n]*".join(re.escape(part) for part in shown.split("...")))
