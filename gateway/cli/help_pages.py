"""How the help of commands is printed: paragraphs as wide as the terminal, and -h beside --help."""

import inspect
from typing import Any

AS_IT_STANDS = "\b"
"""Begins a paragraph whose lines stay as they are, as in click."""
SETTINGS = {"help_option_names": ["-h", "--help"]}


def prepare(command: Any) -> Any:
    """Change a command, and those below it, so that its help reads well; return it."""
    command.context_settings = {**command.context_settings, **SETTINGS}
    command.help = unwrapped(command.help or "")
    for below in getattr(command, "commands", {}).values():
        prepare(below)
    return command


def unwrapped(text: str) -> str:
    """Return a help text without the line breaks of its source: the terminal has its own."""
    return "\n\n".join(_unwrapped(paragraph) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _unwrapped(paragraph: str) -> str:
    if paragraph.startswith(AS_IT_STANDS):
        return paragraph.removeprefix(AS_IT_STANDS).removeprefix("\n")
    return paragraph.replace("\n", " ")
