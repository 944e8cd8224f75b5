"""Documentation that is true: links lead somewhere, commands parse, what it names exists."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.cli.app import COMMANDS, load_command
from tests.support.repository import ROOT, names_of_tests
from tests.support.rooms import LAYERS

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DEPENDENCIES = ROOT / "docs" / "dependencies.md"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(page: Path) -> str:
    """Return a page without its code blocks, which hold no links and no headings."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


@cache
def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository names one that is there, and a heading that it has."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", _prose(page)):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        is_elsewhere = re.match(r"https?://", link)
        if not is_elsewhere and not (target.exists() and (not anchor or anchor in _anchors(target))):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=_name)
def test_prose_is_short_and_wrapped(page: Path) -> None:
    """No paragraph or list item has more than five lines, no line more than 100 characters.

    Paragraphs of the reference are those of the code.
    """
    lines = _prose(page).splitlines()
    is_prose = [bool(line) and not re.match(r" *\||#|<|!|    ", line) for line in lines]
    long = [line for line, counts in zip(lines, is_prose, strict=True) if counts and len(line) > 100]
    assert [line for line in long if " " in line.split("](")[0]] == []
    run, walls = 0, []
    for line, counts in zip(lines, is_prose, strict=True):
        run = 1 if re.match(r" *([-*]|\d+\.) ", line) else run + 1 if counts else 0
        walls += [line] if run == 6 else []
    assert walls == [] or page.parent.name == "reference"


def test_every_page_is_found_from_the_first() -> None:
    """docs/index.md and the site's navigation name every page of docs/."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert pages - {"index.md"} == pages & set(re.findall(r"\]\(([^)]+\.md)\)", index))
    navigation = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert sorted(navigation) == sorted(pages)


@pytest.mark.parametrize("name", ["egress", "request", "reservation", "streams"])
def test_drawings_are_read_in_light_and_dark(name: str) -> None:
    """A drawing has text as text, a title, colours for both, and nothing from elsewhere."""
    drawing = (ROOT / "docs" / "images" / f"{name}.svg").read_text(encoding="utf-8")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawing).iter()}
    assert {"title", "desc", "text", "style"} <= tags
    assert not tags & {"image", "script", "foreignObject"}
    assert "prefers-color-scheme: dark" in drawing
    assert re.findall(r"https?://[^\s\"]+", drawing) == ["http://www.w3.org/2000/svg"]


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


def _rows(page: Path, heading: str) -> list[str]:
    """Return the rows of the table below a heading."""
    section = page.read_text(encoding="utf-8").partition(f"# {heading}\n")[2].partition("\n## ")[0]
    return [row for row in section.splitlines() if row.startswith("| ")][1:]


def test_the_promises_name_tests_that_exist() -> None:
    """Each promise has tests, and they are there."""
    rows = _rows(ROOT / "docs" / "explanations" / "promises.md", "Promises")
    assert len(rows) >= 11
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(test_\w+)`", row)
        assert named, row
        for path, test in named:
            assert test in names_of_tests(ROOT / path), f"{path}::{test}"


def test_the_promises_of_the_readme_link_to_their_tests() -> None:
    """Six promises, each with where it is explained and a test that is in the file it links to."""
    rows = _rows(ROOT / "README.md", "Six promises")
    assert len(rows) == 6
    for row in rows:
        assert "](docs/" in row
        ((test, path),) = re.findall(r"\[`(test_\w+)`\]\(([\w/.]+)\)", row)
        assert test in names_of_tests(ROOT / path), row


def test_the_glossary_can_be_read_by_a_test() -> None:
    """Each word has one meaning, in order; no word is both in use and not."""
    page = ROOT / "docs" / "glossary.md"
    words = [row.strip("|").split(" | ") for row in _rows(page, "Words")]
    banned = [row.strip("|").split(" | ") for row in _rows(page, "Words that are not used")]
    assert all(len(row) == 2 for row in words)
    assert all(len(row) == 3 for row in banned)
    names = [row[0].strip() for row in words]
    assert names == sorted(set(names))
    assert not set(names) & {row[0].strip() for row in banned}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEVELOPERS = ("dev", "docs", "plots", "training")


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
    """docs/guides/install.md has each extra for users, and the line of each that is missing."""
    page = (ROOT / "docs" / "guides" / "install.md").read_text(encoding="utf-8")
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
