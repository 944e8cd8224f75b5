"""Documentation that is true: links lead somewhere, commands parse, what it names exists."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gateway.cli.app import COMMANDS, load_command
from tests.support.repository import ROOT
from tests.support.rooms import LAYERS

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DEPENDENCIES = ROOT / "docs" / "dependencies.md"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository names one that is there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    broken = [
        link
        for link in links
        if not re.match(r"https?://", link) and not (page.parent / link).resolve().exists()
    ]
    assert not broken


def _commands(page: Path) -> Iterator[str]:
    """Yield the lines `gateway ...` of a page's shell blocks, without what comes after a pipe or `>`.

    A block without a language counts where it names a command: others are pictures and output.
    """
    blocks = re.findall(r"^```(sh|)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)
    for language, block in blocks:
        for line in re.findall(r"^(?:\$ )?gateway (.*)$", block.replace("\\\n", " "), re.M):
            if language or line.split()[0] in COMMANDS:
                yield re.split(r" (?:[|<&]|2?>)", line, maxsplit=1)[0]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_parse(page: Path) -> None:
    """Every `gateway` command in a shell block is one that the command line has, with options that it has."""
    for line in _commands(page):
        name, *arguments = shlex.split(line, comments=True)
        assert name in COMMANDS, line
        command = load_command(name)
        while arguments and hasattr(command, "commands"):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments)


def test_commands_are_found() -> None:
    """The check sees the commands of the README: one that finds none would pass for ever."""
    assert len(list(_commands(ROOT / "README.md"))) >= 4


def test_make_targets_exist() -> None:
    """The README's make commands are targets of the Makefile."""
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {"demo", "test"} <= named <= targets


def test_the_architecture_names_what_is_there() -> None:
    """Every file and folder that ARCHITECTURE.md names exists, and it leaves no room out."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w*./]+(?:/|\.py|\.md))`", page)
    gone = [
        name
        for name in named
        if not any(list(base.glob(name.rstrip("/"))) for base in (ROOT, ROOT / "gateway"))
        and not list((ROOT / "gateway").rglob(name.rstrip("/")))
    ]
    assert not gone
    rooms = {room.replace(".", "/") for layer in LAYERS for room in layer[layer[0] == "gateway" :]}
    missing = {room for room in rooms if f"`{room}/`" not in page and f"`{room}.py`" not in page}
    assert not missing - {"gateway/admin", "gateway/__main__"}


@cache
def _tests_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_promises_name_tests_that_exist() -> None:
    """Each promise of the README has a test, and the test is there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## The promises")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for path, test in named:
            assert test in _tests_of(ROOT / path), f"{path}::{test}"


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEVELOPERS = ("dev", "plots", "training")
"""Extras for work on the repository."""


def _declared() -> set[tuple[str, str]]:
    """Return the name and the extra of each package that pyproject.toml declares; the client has no extra."""
    extras = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    named = {
        (re.split(r"[^A-Za-z0-9._-]", requirement)[0], extra)
        for extra, requirements in extras.items()
        for requirement in requirements
    }
    return {(name, extra) for name, extra in named if name != PROJECT["name"]}


@pytest.mark.parametrize("group", ["To run", "To develop"])
def test_every_dependency_has_its_reason(group: str) -> None:
    """docs/dependencies.md lists what pyproject.toml declares, with extra, reason and licence."""
    section = DEPENDENCIES.read_text(encoding="utf-8").partition(f"## {group}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row[1:-1].split("|")] for row in section.splitlines() if row[:1] == "|"
    ][2:]
    expected = {each for each in _declared() if (each[1] in DEVELOPERS) == (group == "To develop")}
    assert {(row[0], row[1]) for row in rows} == expected
    assert len(rows) == len(expected)
    for name, _, reason, licence in rows:
        assert len(reason) > 3, name
        assert re.search(r"Apache-2\.0|MIT|BSD-3-Clause|LGPL|MPL-2\.0|PSF", licence), name


def test_every_extra_is_explained() -> None:
    """docs/install.md has each extra for users, and the line of each that is missing."""
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    extras = {*PROJECT["optional-dependencies"]} - {*DEVELOPERS}
    assert {*re.findall(r"^\|[^|]*\| `edge-cloud-gateway\[(\w+)\]` \|", page, re.M)} == extras
    assert {*re.findall(r"^\| `.*; install edge-cloud-gateway\[(\w+)\]` \|", page, re.M)} == extras - {"all"}


def test_every_dependency_is_pinned() -> None:
    """constraints.txt has a version of everything that pyproject.toml declares."""
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    declared = {re.sub(r"[-_.]+", "-", name).lower() for name, _ in _declared()}
    assert declared <= pinned
