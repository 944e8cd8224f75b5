"""Tables of Markdown, and the line that says that a page is generated."""

from collections.abc import Iterable, Sequence
from textwrap import fill

GENERATED = "<!-- Generated from the code: make pages -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `|` within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def paragraph(text: str) -> str:
    """Return prose with the line ends of the docs."""
    return fill(" ".join(text.split()), width=100, break_long_words=False, break_on_hyphens=False)


def page(*parts: str) -> str:
    """Return a page of its parts, with a blank line between them."""
    return "\n\n".join([GENERATED, *parts]) + "\n"
