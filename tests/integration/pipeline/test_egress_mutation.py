"""Each guard is needed: without any one of them the proof fails. `make test-egress` shows the table."""

import sys

import pytest

from tests.support.egress_guards import CHECKS, GUARDS, woken


def test_with_every_guard_nothing_is_wrong() -> None:
    """The fast form of the proof passes as long as nothing is taken away."""
    assert woken() == {}


def test_without_any_single_guard_the_proof_fails() -> None:
    """For each guard some check notices that it is gone, and each check is woken by some guard."""
    table = {}
    for guard in GUARDS:
        with pytest.MonkeyPatch.context() as patch:
            guard.remove(patch)
            table[guard] = woken()
    width = max(len(guard.name) for guard in GUARDS)
    for guard, found in table.items():
        for name, said in found.items():
            sys.stdout.write(f"{guard.name:<{width}}  {guard.where:<28}  {name}: {said}\n")
    assert [guard.name for guard, found in table.items() if not found] == []
    assert {name for found in table.values() for name in found} == set(CHECKS)
