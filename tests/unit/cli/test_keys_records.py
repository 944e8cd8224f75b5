"""Small commands of an operator: what is of no use is refused, in words that name it."""

from pathlib import Path

import pytest

from gateway.cli.app import run


@pytest.mark.parametrize("date", ["2001-02-03", "1999-12-31"])
def test_a_key_that_has_expired_is_not_made(date: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody could ever use it."""
    assert run(["keys", "new", "acme", "--expires", date]) == 2
    assert tuple(capsys.readouterr()) == ("", f"gateway: --expires: {date} has passed\n")


def test_a_key_without_its_tenant(capsys: pytest.CaptureFixture[str]) -> None:
    """The argument is named as the help names it."""
    assert run(["keys", "new"]) == 2
    assert "Missing argument 'TENANT'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "No such file"),
        ("", "holds no record; name the --decisions file"),
        ("version: 1\nmodels: {}\n", "holds no record; name the --decisions file"),
    ],
)
def test_what_holds_no_record(
    text: str | None, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that was mistyped is told apart from a file of something else."""
    path = tmp_path / "decisions.jsonl"
    if text is not None:
        path.write_text(text)
    assert run(["records", "verify", str(path)]) == 2
    assert tuple(capsys.readouterr()) == ("", f"gateway: {path}: {wrong}\n")
