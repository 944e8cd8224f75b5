"""Reads the scorer files that commands take."""

from pathlib import Path

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.complexity.scorer_file import ScorerRefused, read_scorer
from gateway.policy.complexity import Scorer


def opened_scorer(path: Path) -> Scorer:
    """Read a scorer file; raises CommandFailed."""
    try:
        return read_scorer(path)
    except ScorerRefused as error:
        raise CommandFailed(f"{path}: {error}", status=MISUSED) from None
