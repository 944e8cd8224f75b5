"""The table of the engine's benchmark says what was measured, and what is missed."""

import io

from rich.console import Console

from benchmarks.engine_targets import (
    BARE,
    FIRST_TOKEN,
    IDLE,
    SERVER,
    TARGETS,
    clients,
    target_table,
    verdicts,
)


def test_the_median_of_the_runs_is_compared_with_the_target() -> None:
    """Tokens a second have to be many, times and shares small; what nobody measured is left out."""
    runs = [
        {(clients(1), SERVER): 0.9, (clients(1), BARE): 0.94, (FIRST_TOKEN, SERVER): 0.8, (IDLE, ""): 0.006},
        {(clients(1), SERVER): 1.1, (clients(1), BARE): 0.94, (FIRST_TOKEN, SERVER): 0.9, (IDLE, ""): 0.002},
        {(clients(1), SERVER): 1.0, (clients(1), BARE): 0.99, (FIRST_TOKEN, SERVER): 0.7, (IDLE, ""): 0.003},
    ]
    found = [(target.row, target.over, is_met) for target, _, is_met in verdicts(runs)]
    assert found == [
        (clients(1), SERVER, True),
        (clients(1), BARE, False),
        (FIRST_TOKEN, SERVER, True),
        (IDLE, "", True),
    ]
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        console.print(target_table(runs))
    text = capture.get()
    assert "1.00 (0.90-1.10)" in text
    assert ">= 0.95" in text
    assert text.count("missed") == 1


def test_every_row_has_its_targets() -> None:
    """Of llama-server and of the bare loop, where both can be asked."""
    over = {(target.row, target.over) for target in TARGETS}
    assert len(over) == len(TARGETS)
    assert all((clients(count), name) in over for count in (1, 4, 8, 16) for name in (SERVER, BARE))
