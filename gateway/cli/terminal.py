"""Tables on a terminal. Colour is rich's business: none without a terminal or with NO_COLOR."""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.render import Row


def console(stream: TextIO) -> Console:
    """Return a console for `stream` that takes text as it is: no markup, no emoji, no guessing of colours."""
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def names_and_values(rows: Sequence[Row]) -> Table:
    """Return two columns: a name, and its value."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name), Text(value))
    return grid


def table(columns: Row, rows: Sequence[Row]) -> Table:
    """Return a table with a head."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(Text(column), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def show(*parts: Table, stream: TextIO | None = None) -> None:
    """Print tables one under another, to standard error when no stream is named."""
    shown = console(stream or sys.stderr)
    for number, part in enumerate(parts):
        if number:
            shown.print()
        shown.print(part)


def program() -> str:
    """Return how a person at this terminal calls the program: its name, or its path where PATH lacks it."""
    if shutil.which("gateway") is not None:
        return "gateway"
    beside_python = os.path.join(os.path.dirname(sys.executable), "gateway")
    return os.path.relpath(beside_python) if os.path.exists(beside_python) else "python -m gateway"
