"""docs/explanations/money.md says what gateway/ledger/states.py says."""

from gateway.ledger.states import NEXT
from tests.support.repository import ROOT

TEXT = (ROOT / "docs" / "explanations" / "money.md").read_text(encoding="utf-8")


def test_states_of_a_reservation() -> None:
    """Every step that a reservation can take is in the table of its states, and no other one."""
    steps = {
        (str(before), str(news), str(after)) for (before, news), after in NEXT.items() if before is not after
    }
    table = TEXT.partition("| from | by | to |")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip(" `") for cell in row.strip("|").split("|")) for row in table.splitlines()[2:]]
    assert set(rows) == steps
    assert len(rows) == len(steps)
