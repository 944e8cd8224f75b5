"""Tables in plain text, for the demo model: sections in brackets, a row a line."""

from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def _sections(file: str) -> dict[str, tuple[str, ...]]:
    sections: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in (HERE / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            sections[name] = (*sections.get(name, ()), line)
    return sections


def lines(file: str, section: str) -> tuple[str, ...]:
    """Return the lines of a section; KeyError for one that is not there."""
    return _sections(file)[section]


def rows(file: str, section: str) -> tuple[tuple[str, ...], ...]:
    """Return the lines of a section, each as its cells between bars."""
    return tuple(tuple(cell.strip() for cell in line.split("|")) for line in lines(file, section))


def words(listed: str) -> tuple[str, ...]:
    """Return the words of a list that is parted by commas."""
    return tuple(word.strip() for word in listed.replace("\n", " ").split(",") if word.strip())
