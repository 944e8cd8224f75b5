"""docs/explanations/privacy.md says what the code does."""

import re

from gateway.policy.model import Classes, PrivacyPolicy
from gateway.privacy import DEFAULT_DETECTORS, FLOORS, WEIGHTS
from gateway.privacy.classify import CONFIDENT, MANY
from gateway.privacy.scan import MAX_CONFIDENT
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "explanations" / "privacy.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([\d.]+) \| (\w+|-) \| (.+) \|$", re.MULTILINE)


def test_the_table_holds_every_type_with_its_weight_and_floor() -> None:
    """Each type has one row, with the default weight and floor that the code has."""
    rows = {kind: (float(weight), floor) for kind, weight, floor, _ in ROW.findall(PAGE)}
    assert rows == {
        kind: (weight, FLOORS[kind].name.lower() if kind in FLOORS else "-")
        for kind, weight in WEIGHTS.items()
    }


def test_the_table_says_which_types_are_looked_for() -> None:
    """A row says "not detected", or who else does, for exactly the types that no default detector has."""
    off = "[off until the policy names it](#health-religion-and-the-like)"
    others = ("not detected", "left to `privacy.entities`", off)
    told = {kind for kind, _, _, what in ROW.findall(PAGE) if what not in others}
    assert told == {kind for detector in DEFAULT_DETECTORS for kind in detector.types}


def test_the_numbers_in_the_text_are_the_defaults() -> None:
    """Limits and thresholds that the page names are those of the code."""
    classes, policy = Classes(), PrivacyPolicy()
    assert f"internal from {classes.internal}, confidential from {classes.confidential}" in PAGE
    assert f"restricted from {classes.restricted}" in PAGE
    assert f"confidence of {CONFIDENT} or more" in PAGE
    assert f"{MANY} or more distinct values" in PAGE
    assert f"first {MAX_CONFIDENT} sure places" in PAGE
    assert f"{policy.limit_ms:.0f} ms" in PAGE
