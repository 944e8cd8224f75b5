"""How faults are spelled, and which request gets which."""

import re

import pytest

from gateway.simulate.faults import (
    FAULTS,
    KINDS,
    Fault,
    FaultBook,
    parse_fault,
    parse_model_fault,
    split_model,
)
from tests.support.repository import ROOT

DOCS = ROOT / "docs" / "guides" / "simulate-cloud.md"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault(kind="reset")),
        ("status=429", Fault(kind="status", value=429)),
        ("status=429,times=2,retry_after_s=1.5", Fault(kind="status", value=429, times=2, retry_after_s=1.5)),
        ("slow=0.25,times=1", Fault(kind="slow", value=0.25, times=1)),
        ("cut", Fault(kind="cut")),
    ],
)
def test_a_fault_is_read_from_its_spelling(text: str, fault: Fault) -> None:
    """`FAULT[=VALUE][,times=N][,retry_after_s=S]` becomes a Fault."""
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "explode",
        "reset=1",
        "status=200",
        "status=429.5",
        "status=x",
        "status=nan",
        "cut=-1",
        "cut=1.5",
        "slow=-1",
        "slow=inf",
        "reset,times=0",
        "reset,times=1.5",
        "reset,times=1,times=2",
        "reset,for=ever",
        "reset,times",
        "status=429,retry_after_s=-1",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_line(text: str) -> None:
    """A wrong name, value or option raises ValueError with a message of one line."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        parse_fault(text)


def test_a_model_may_hold_colons() -> None:
    """The last colon separates the model from its fault."""
    assert parse_model_fault("family:8b:status=500") == ("family:8b", Fault(kind="status", value=500))


@pytest.mark.parametrize("text", ["reset", ":reset", "sim:", "sim:explode"])
def test_a_fault_without_a_model_is_refused(text: str) -> None:
    """`MODEL:FAULT` needs both."""
    with pytest.raises(ValueError, match=r"fault|FAULT"):
        parse_model_fault(text)


def test_a_model_name_may_ask_for_a_fault() -> None:
    """What follows the plus sign is a fault; a name without one has none."""
    assert split_model("sim-strong+cut=2") == ("sim-strong", Fault(kind="cut", value=2))
    assert split_model("sim-strong") == ("sim-strong", None)


def test_faults_show_in_the_order_in_which_they_were_set() -> None:
    """Each shows as often as it was asked to; then the next; then none."""
    book = FaultBook()
    book.add("sim", Fault(kind="reset", times=2))
    book.add("sim", Fault(kind="cut", times=1))
    shown = [book.take("sim")[1] for _ in range(4)]
    assert [fault and fault.kind for fault in shown] == ["reset", "reset", "cut", None]


def test_a_fault_in_the_name_comes_before_one_for_the_name_and_that_before_one_for_all() -> None:
    """The nearest fault wins, and the others wait."""
    book = FaultBook()
    book.add("*", Fault(kind="cut"))
    book.add("sim", Fault(kind="reset", times=1))
    names_and_kinds = [
        (name, fault.kind if fault else None)
        for name, fault in (
            book.take(model) for model in ("sim+quota,times=1", "sim+quota,times=1", "sim", "other")
        )
    ]
    assert names_and_kinds == [("sim", "quota"), ("sim", "reset"), ("sim", "cut"), ("other", "cut")]


def test_cleared_faults_do_not_show() -> None:
    """After clear, every model answers, and a fault in a name counts from the start."""
    book = FaultBook()
    book.add("*", Fault(kind="cut"))
    book.take("sim+quota,times=1")
    book.clear()
    assert book.take("sim") == ("sim", None)
    assert book.take("sim+quota,times=1") == ("sim", Fault(kind="quota", times=1))


def test_the_help_has_a_line_for_each_fault() -> None:
    """The text for the terminal lists every fault once, in order."""
    assert [re.split("[ =]", line)[0] for line in FAULTS.splitlines()] == list(KINDS)


def test_the_page_has_a_row_for_each_fault() -> None:
    """The table in the documentation lists every fault once, in order, and no other."""
    rows = re.findall(r"^\| `([a-z-]+)(?:=[A-Z])?` \|", DOCS.read_text(), flags=re.MULTILINE)
    assert rows == list(KINDS)
