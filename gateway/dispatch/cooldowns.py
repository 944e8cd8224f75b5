"""Until when each model asked to be left alone (429)."""

from gateway.clock import Clock

LONGEST_PAUSE_S = 300.0
"""A longer wish of a provider is cut to this, or one odd header would switch a model off for days."""


class Cooldowns:
    """The `not_before` of each model of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before_s: dict[str, float] = {}

    def extend(self, model: str, pause_s: float) -> None:
        """Leave the model alone for `pause_s` from now, or for as long as it already is."""
        until_s = self._clock.monotonic_s() + min(pause_s, LONGEST_PAUSE_S)
        self._not_before_s[model] = max(until_s, self._not_before_s.get(model, 0.0))

    def forget(self, model: str) -> None:
        """Let the model be called immediately."""
        self._not_before_s.pop(model, None)

    def remaining_s(self, model: str) -> float:
        """Return the seconds until the model may be called; 0 when it may."""
        return max(0.0, self._not_before_s.get(model, 0.0) - self._clock.monotonic_s())
