"""Pieces of the code, documentation and settings of installed packages: text in which hardly a name is."""

import random
from collections.abc import Iterator
from pathlib import Path

from training.names.rows import Labelled

SUFFIXES = frozenset({".py", ".pyi", ".md", ".rst", ".txt", ".json", ".toml", ".yaml", ".yml", ".html", ".js",
                      ".h", ".c", ".css", ".cfg", ".ini", ".sh", ".proto"})  # fmt: skip
LEFT_OUT = frozenset(
    {"faker", "AUTHORS", "CONTRIBUTORS", "CHANGELOG", "CHANGES", "HISTORY", "NEWS", "pytz", "_test", "tests"}
)
"""Parts of paths whose files are full of names."""
PIECES = 7_000
_CHARS, _MOST_CHARS = (120, 500), 200_000
_MOST_OF_SUFFIX = 900


def pieces(folder: Path, dice: random.Random) -> Iterator[Labelled]:
    """Yield pieces of the files of a folder, of each kind of file as many at most."""
    by_suffix: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and not any(part in str(path) for part in LEFT_OUT) and path.is_file():
            by_suffix.setdefault(path.suffix, []).append(path)
    for suffix, paths in sorted(by_suffix.items()):
        for _ in range(min(_MOST_OF_SUFFIX * (3 if suffix == ".py" else 1), 6 * len(paths))):
            text = dice.choice(paths).read_text(encoding="utf-8", errors="ignore")[:_MOST_CHARS]
            start = dice.randrange(max(1, len(text)))
            piece = text[start : start + dice.randrange(*_CHARS)].strip()
            if len(piece) > 40:
                yield Labelled(piece, [], "documents", True)
