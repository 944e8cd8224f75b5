"""The scorer file that a policy names, and what is wrong with it."""

from pathlib import Path

from gateway.complexity.scorer_file import ScorerRefused, read_scorer
from gateway.policy.complexity import SHIPPED, Complexity
from gateway.policy.loading.document import Document
from gateway.policy.scorer import Scorer
from gateway.policy.source import Problem, path_in


def read_named_scorer(section: Complexity, folder: Path) -> Scorer | None:
    """Return the scorer that a policy in `folder` names, None for the shipped one; raises ScorerRefused."""
    return (
        None if section.scorer == SHIPPED else read_scorer(Path(path_in(folder, section.scorer)).expanduser())
    )


def problem_of(document: Document, section: Complexity, refused: ScorerRefused) -> Problem:
    """Say what is wrong with the file that a section names."""
    return document.problem(("complexity", "scorer"), f"{section.scorer}: {refused}")
