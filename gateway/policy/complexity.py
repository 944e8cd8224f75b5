"""Which scorer of complexity a policy uses, the section `complexity`, and a scorer as data.

`gateway.complexity.scorer_file` reads and writes the file of one.
"""

from dataclasses import dataclass, field

from pydantic import Field

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One weight a feature, in units of quality gained; intercept and slope make log-odds of their sum."""

    weights: tuple[float, ...]
    intercept: float
    slope: float
    sha256: str
    """Of the file."""
    is_calibrated: bool = False
    """Whether the score is a probability on the traffic that it was learned from."""
    text: str = field(default="", repr=False, compare=False)
    """The file, for a process that hands it on; empty for a scorer that was made in memory."""
