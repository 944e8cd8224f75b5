"""Positions in a policy file, for messages that name file, line and key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

Path = tuple[str | int, ...]
"""The position of a value: keys and list indexes (from 0), from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error in a document; sorts by line."""

    line: int
    key: str
    message: str

    def render(self, name: str) -> str:
        """Return `file:line: key: what is wrong`, on one line whatever the document holds."""
        return _printable(f"{name}:{self.line}: {self.key}: {self.message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file of a policy: its name, and the line of every key."""

    name: str
    lines: Mapping[Path, int]
    text: str = field(default="", repr=False)
    """The text of the file, for other processes."""

    def at(self, path: Path, message: str) -> str:
        """Return `file:line: key: message`; a missing key gets the line of the nearest key around it."""
        around = path
        while around and around not in self.lines:
            around = around[:-1]
        return Problem(self.lines.get(around, 1), key_of(path), message).render(self.name)


def key_of(path: Path) -> str:
    """Return a path as text, such as `rules[0].when`; the whole document is `file`."""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in path)
    return key.removeprefix(".") or "file"


def path_in(folder: FilePath, path: str) -> str:
    """Return an absolute path, relative ones from the policy's `folder`; built-ins and `~` are unchanged."""
    return path if path.startswith(("builtin:", "~")) else str(folder.absolute() / path)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
