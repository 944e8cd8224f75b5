"""`docs/explanations/security.md`: each threat names a test, and the test is there."""

import re

import pytest

from tests.support.repository import ROOT, names_of_tests

PAGE = (ROOT / "docs" / "explanations" / "security.md").read_text(encoding="utf-8")
THREATS = PAGE.partition("\n## An attack, measured\n")[0]
ROWS = [row for row in re.findall(r"^\| (.+) \|$", THREATS, re.M) if not row.startswith(("threat |", "---"))]


def test_rows_are_found() -> None:
    """A check that finds no rows would pass for ever."""
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.partition(" |")[0])
def test_every_threat_names_its_test(row: str) -> None:
    """Threat, what holds, and at least one test that exists."""
    threat, holds, tests = row.split(" | ")
    assert threat
    assert holds.endswith(".")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
    assert named
    for path, test in named:
        assert test in names_of_tests(ROOT / path), f"{path}::{test}"
