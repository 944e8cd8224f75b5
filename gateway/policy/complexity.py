"""The section `complexity` of a policy, and a scorer as data.

`gateway.complexity.scorer_file` reads and writes the file of a scorer.
"""

from dataclasses import dataclass, field

from pydantic import Field

from gateway.policy.strict import Strict

SHIPPED = "shipped"
"""The scorer of the package."""


class Complexity(Strict):
    """How the complexity score is computed."""

    scorer: str = Field(
        SHIPPED,
        min_length=1,
        max_length=4096,
        description="A file that `gateway learn` wrote, relative to the policy file; its hash is part of "
        "the policy's hash. Or shipped.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationHead:
    """One weight for the gain that the first head expects, then one for each signal of the conversation."""

    weights: tuple[float, ...]
    intercept: float
    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One weight per feature, in units of quality gained; intercept and slope turn the sum into log-odds."""

    weights: tuple[float, ...]
    intercept: float
    slope: float
    sha256: str
    """Hash of the file."""
    is_calibrated: bool = False
    """Whether the score is a probability on the traffic that the scorer was learned from."""
    conversation: ConversationHead | None = None
    """Scores conversations that go on; None: they are scored as any other prompt."""
    text: str = field(default="", repr=False, compare=False)
    """The content of the file, for other processes; empty for a scorer that was created in memory."""
