"""docs/reference/cli.md: every command with its arguments, options, variables and defaults."""

import re
from collections.abc import Iterator
from typing import Any

from gateway.cli.app import COMMANDS, load_command
from reference.tables import page, paragraph, table

_FACTS = re.compile(r"  \[(.*)\]$")
"""What typer appends to the help of an option: variable, default, range."""


def text() -> str:
    """Return the page."""
    return page(
        "# Command line",
        paragraph(
            "Every command of `gateway`, as `gateway COMMAND --help` tells it. Exit statuses: 0 done, 1 "
            "failed, 2 wrong usage or a refused policy; a command with others says so."
        ),
        table(("command", "what it does"), ((_link(name), said) for name, (_, said) in COMMANDS.items())),
        *(part for name in COMMANDS for part in _command(f"gateway {name}", load_command(name))),
    )


def _link(name: str) -> str:
    return f"[`{name}`](#gateway-{name})"


def _command(name: str, command: Any, level: int = 2) -> Iterator[str]:
    """Yield the parts of a command: what it does, its options, and the commands below it."""
    yield f"{'#' * level} `{name}`"
    yield from _paragraphs(command.help or "")
    context = command.context_class(command, info_name=name)
    records = [record for each in command.params if (record := each.get_help_record(context))]
    if records:
        yield table(("argument or option", "meaning", "default, range, variable"), map(_row, records))
    for below, each in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", each, level + 1)


def _row(record: tuple[str, str]) -> tuple[str, str, str]:
    names, meaning = record
    facts = _FACTS.search(meaning)
    said = facts[1].replace("env var: ", "") if facts else ""
    return f"`{names}`", _FACTS.sub("", meaning), ", ".join(f"`{fact}`" for fact in said.split("; ") if fact)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help page; examples and what has its own line ends are code."""
    for part in text.replace("\b\n", "").split("\n\n"):
        if part.startswith("Example: "):
            yield f"```sh\n{part.removeprefix('Example: ')}\n```"
        else:
            yield f"```text\n{part}\n```" if "\n" in part else paragraph(part)
