"""Which scorer of complexity a policy uses: the section `complexity`, and the file that it names."""

from pathlib import Path

from pydantic import Field

from gateway.complexity.scorer_file import Scorer, ScorerRefused, read_scorer
from gateway.policy.loading.document import Document, Problem
from gateway.policy.loading.paths import beside
from gateway.policy.strict import Strict

SHIPPED = "shipped"
"""The scorer of the package."""


class Complexity(Strict):
    """How the score of complexity is made."""

    scorer: str = Field(
        SHIPPED,
        min_length=1,
        max_length=4096,
        description="A file of `gateway learn`, relative to the policy file; its hash is part of the "
        "policy's; or shipped.",
    )


def read_named_scorer(section: Complexity, folder: Path) -> Scorer | None:
    """Return the scorer that a policy in `folder` names, None for the shipped one; raises ScorerRefused."""
    return (
        None if section.scorer == SHIPPED else read_scorer(Path(beside(folder, section.scorer)).expanduser())
    )


def problem_of(document: Document, section: Complexity, refused: ScorerRefused) -> Problem:
    """Say what is wrong with the file that a section names."""
    return document.problem(("complexity", "scorer"), f"{section.scorer}: {refused}")
