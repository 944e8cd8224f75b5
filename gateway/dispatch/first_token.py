"""How soon each model begins to answer, lately."""

from collections.abc import Mapping

WEIGHT = 0.2
"""Weight of the newest value in the moving average: about the last ten count."""


class FirstTokenTimes:
    """An exponentially weighted mean per model, from streamed answers only.

    A unary answer shows no first token, so a model that was only called that way has no value. Times of
    calls that never began are not in it: it says how fast a model is when it answers.
    """

    def __init__(self) -> None:
        self._mean_s: dict[str, float] = {}

    def observe(self, model: str, first_token_s: float) -> None:
        """Note that a stream's first text came after `first_token_s`."""
        mean_s = self._mean_s.get(model, first_token_s)
        self._mean_s[model] = mean_s + WEIGHT * (first_token_s - mean_s)

    def snapshot(self) -> Mapping[str, float]:
        """Return seconds to the first text by model, as of now."""
        return dict(self._mean_s)
