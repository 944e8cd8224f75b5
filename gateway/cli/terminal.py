"""Tables on a terminal. rich decides on colour: none without a terminal or with NO_COLOR."""

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
    """Return a console that prints text literally: no markup, no emoji, no highlighting."""
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def names_and_values(rows: Sequence[Row]) -> Table:
    """Return a table of names and values without a header."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name), Text(value))
    return grid


def table(columns: Row, rows: Sequence[Row]) -> Table:
    """Return a table with a header."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(Text(column), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def show(*parts: Table, stream: TextIO | None = None) -> None:
    """Print tables one below the other; default: on standard error."""
    shown = console(stream or sys.stderr)
    for number, part in enumerate(parts):
        if number:
            shown.print()
        shown.print(part)


def program() -> str:
    """Return the command of this program for a shell: its name, or its path if it is not on PATH."""
    if shutil.which("gateway") is not None:
        return "gateway"
    beside_python = os.path.join(os.path.dirname(sys.executable), "gateway")
    return os.path.relpath(beside_python) if os.path.exists(beside_python) else "python -m gateway"
