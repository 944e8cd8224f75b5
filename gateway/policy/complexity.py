"""Which scorer of complexity a policy uses: the section `complexity`, and the file that it names."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from gateway.policy.document import Document, Problem
from gateway.policy.strict import Strict
from gateway.scoring.scorer_file import Scorer, ScorerRefused, read_scorer

SHIPPED = "shipped"
"""The scorer of the package."""


class Complexity(Strict):
    """How the score of complexity is made."""

    scorer: str = Field(
        SHIPPED,
        min_length=1,
        max_length=4096,
        description="A file of `gateway learn`, beside the policy or by its whole path; its hash is part "
        "of the policy's; or shipped.",
    )


def scorer_of(section: Complexity, folder: Path) -> Scorer | None:
    """Return the scorer that a section names, None for the shipped one; raises ScorerRefused."""
    return None if section.scorer == SHIPPED else read_scorer(folder / section.scorer)


def check_scorer(document: Document, section: Complexity, folder: Path) -> Iterator[Problem]:
    """Say what is wrong with the file that a section names."""
    try:
        scorer_of(section, folder)
    except ScorerRefused as error:
        yield document.problem(("complexity", "scorer"), f"{section.scorer}: {error}")
