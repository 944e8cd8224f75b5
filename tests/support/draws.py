"""How many examples a property test draws, by the profile of Hypothesis that runs."""

import os

PROFILE = os.environ.get("GATEWAY_HYPOTHESIS_PROFILE", "gateway")
"""`gateway` draws the same examples in every run, `random` new ones, `fast` a tenth of the same."""


def examples(count: int) -> int:
    """Return the number of examples to draw where all of them are `count`."""
    return max(5, count // 10) if PROFILE == "fast" else count
