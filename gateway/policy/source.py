"""Where a policy stands in its file: for messages that name file, line and key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions (from 0), from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a document; sorts by line."""

    line: int
    key: str
    message: str

    def render(self, name: str) -> str:
        """Return `file:line: key: what is wrong`, on one line whatever the document holds."""
        return _printable(f"{name}:{self.line}: {self.key}: {self.message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a policy stands: the name of its file, and the line of every key."""

    name: str
    lines: Mapping[Path, int]
    text: str = field(default="", repr=False)
    """What was read, for a process that hands it on."""

    def at(self, path: Path, message: str) -> str:
        """Return `file:line: key: message`; what is not there is said of the nearest thing around it."""
        around = path
        while around and around not in self.lines:
            around = around[:-1]
        return Problem(self.lines.get(around, 1), key_of(path), message).render(self.name)


def key_of(path: Path) -> str:
    """Return a path as people write it: `rules[0].when`; the whole document is `file`."""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in path)
    return key.removeprefix(".") or "file"


def path_in(folder: FilePath, path: str) -> str:
    """Return the whole path of what a policy in `folder` names; a built-in and `~` are left alone."""
    return path if path.startswith(("builtin:", "~")) else str(folder.absolute() / path)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
