"""Help pages at 80 columns: nothing is cut off, lines are as wide as the terminal, and -h is --help."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from gateway.cli.app import COMMANDS, load_command, run
from gateway.cli.help_pages import GROUPS, unwrapped


def pages() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that has a help page."""
    yield ()
    for name in COMMANDS:
        yield (name,)
        for below in getattr(load_command(name), "commands", {}):
            yield (name, below)


def help_of(words: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command prints when it is asked for help."""
    assert run([*words, flag]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")


@pytest.mark.parametrize("words", tuple(pages()), ids=" ".join)
def test_a_page_reads_well(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """No name of an option or variable is cut, and no paragraph keeps the line breaks of its source."""
    page = help_of(words, "--help", capsys)

    assert "…" not in page
    assert all(len(line.rstrip()) <= 80 for line in page.splitlines())
    assert "--install-completion" not in page or not words
    assert help_of(words, "-h", capsys) == page
    lines = [line.strip() for line in page.partition("╭")[0].splitlines()]
    for line, following in pairwise(lines):
        if line and following and words != ("simulate-cloud",):
            first = following.split()[0]
            assert len(f" {line} {first}") > 79, f"broken too early: {line!r}"


def test_a_paragraph_may_keep_its_lines() -> None:
    """A list in a help text stays a list, all else is one line."""
    text = """First
    words.

    \b
    a  one
    b  two

    Last
    words.
    """
    assert unwrapped(text) == "First words.\n\na  one\nb  two\n\nLast words."


@pytest.mark.parametrize("name", tuple(GROUPS))
def test_every_option_of_a_long_page_has_a_group(name: str) -> None:
    """No option is left over, and no group names one that is gone."""
    grouped = [option for options in GROUPS[name].values() for option in options]
    options = [each.name for each in load_command(name).params if each.opts[0].startswith("-")]
    assert sorted(grouped) == sorted(options)


def test_a_page_of_many_options_names_their_variables_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The page of serve has its groups, and one sentence for all variables."""
    page = help_of(("serve",), "--help", capsys)
    assert "─ Who may call ─" in page
    assert page.count("GATEWAY_") == 1
    assert "[env var: GATEWAY_SERVER]" in help_of(("generate",), "--help", capsys)


def test_help_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway help policy check` is the page of `gateway policy check --help`."""
    assert run(["help"]) == 0
    assert capsys.readouterr().out == help_of((), "--help", capsys)
    assert run(["help", "policy", "check"]) == 0
    assert capsys.readouterr().out == help_of(("policy", "check"), "--help", capsys)
    assert run(["help", "polcy"]) == 2
