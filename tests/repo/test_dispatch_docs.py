"""docs/explanations/dispatch.md says what gateway/errors.py says."""

from gateway.errors import AttemptError, BackendError, NotTried
from gateway.ledger.states import NEXT
from tests.support.repository import ROOT

TEXT = (ROOT / "docs" / "explanations" / "dispatch.md").read_text()


def kinds_of(base: type[AttemptError]) -> list[type[AttemptError]]:
    """Return the classes below `base`, parents first, in the order of the file."""
    found: list[type[AttemptError]] = []
    for child in base.__subclasses__():
        if child.__module__ == "gateway.errors":
            found += [child, *kinds_of(child)]
    return found


def row_of(kind: type[AttemptError]) -> str:
    """Return the row of the table that an error must have."""
    breaker = kind.breaker.value.replace("_", " ") if issubclass(kind, BackendError) else "not called"
    charge = kind.charge.value if issubclass(kind, BackendError) else "not called"
    retry, fallback = ("yes" if kind.retryable else "no"), ("yes" if kind.fallback else "**stop**")
    return f"| `{kind.__name__}` | {kind.reason} | {retry} | {fallback} | {breaker} | {charge} |"


def test_table_of_errors() -> None:
    """Every error that dispatch meets has its row, and no other error has one."""
    kinds = [kind for base in (NotTried, BackendError) for kind in kinds_of(base)]
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert rows == [row_of(kind) for kind in kinds]


def test_states_of_a_reservation() -> None:
    """Every step that a reservation can take is in the drawing of its states, and no other one."""
    steps = {(before, news, after) for (before, news), after in NEXT.items() if before is not after}
    drawn = {
        tuple(line.strip("- ").replace(":", "").split())
        for line in TEXT.splitlines()
        if line.startswith(("- held:", "- dialled:", "- unknown:"))
    }
    assert drawn == {(str(before), str(news), str(after)) for before, news, after in steps}
