"""Which scorer of complexity a policy uses: the section `complexity`."""

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
