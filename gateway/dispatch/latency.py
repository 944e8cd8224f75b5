"""How fast each model has been lately, and how long it will take for one answer more."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.backends.base import QueueForecast
from gateway.clock import Clock
from gateway.domain import samples
from gateway.domain.quick_init import quick_init

MAX_SAMPLES = 16
"""Calls of a model that are remembered: few, so that a bad spell is noticed soon, and its end too."""
MAX_ESTIMATES = 64
"""Bounds of answers for which an estimate is kept until the next call of the model."""
FEWEST = 5
"""Calls of a model below which nobody says when it is slow to begin."""
FRESH_S = 60.0
"""A model of which nothing was heard for longer is predicted to be faster and faster, by half each time: one
that was slow and is left out for it gets another chance."""
MARGIN = 1.1
"""How much longer than a model foresees an answer is taken to take: whoever comes meanwhile slows it down."""
UNFINISHED = 2.0
"""How many times the time that it was given a call that was given up is taken to have needed, at least."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySample:
    """How long one answer took: until its first text, then for each token."""

    at_s: float
    begin_s: float
    token_s: float
    tokens: int

    def seconds(self, max_tokens: int) -> float:
        """Return what an answer like this one takes, as far as it went, if it has at most `max_tokens`."""
        return self.begin_s + self.token_s * min(self.tokens, max_tokens)


def quantile(seconds: Sequence[float]) -> float:
    """Return what all but one in twenty are at most; 0.0 of nothing."""
    return sorted(seconds)[math.ceil(samples.QUANTILE * len(seconds)) - 1] if seconds else 0.0


class LatencyTracker:
    """Moving samples by model. A queue at the model is in them: they count from the moment of the call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: dict[str, deque[LatencySample]] = {}
        self._estimates: dict[str, dict[int, float]] = {}
        """By model and the bound of an answer, from its samples as they are now."""

    def note_whole(self, model: str, seconds: float, *, tokens: int, hit_limit: bool) -> None:
        """Note an answer in one piece, which shows no first token."""
        if hit_limit and tokens:
            self._add(model, begin_s=0.0, token_s=seconds / tokens, tokens=tokens)
        else:
            self._add(model, begin_s=seconds, token_s=0.0, tokens=tokens)

    def note_stream(self, model: str, *, begin_s: float, seconds: float, tokens: int) -> None:
        """Note a streamed answer: its first text came after `begin_s`, its end after `seconds`."""
        token_s = (seconds - begin_s) / max(1, tokens)
        self._add(model, begin_s=begin_s, token_s=token_s, tokens=tokens)

    def note_unfinished(self, model: str, seconds: float, *, max_tokens: int = 0) -> None:
        """Note a call that was given up after `seconds`: it would have taken longer, and is no faster now.

        With `max_tokens` its caller was in a hurry: that says something of answers as long as this one alone.
        """
        known = [sample.seconds(sample.tokens) for sample in self._samples.get(model, ())]
        needed_s = max(UNFINISHED * seconds, quantile(known))
        if max_tokens:
            token_s = needed_s / max_tokens
            self._add(model, begin_s=0.0, token_s=token_s, tokens=max_tokens)
        else:
            self._add(model, begin_s=needed_s, token_s=0.0, tokens=0)

    def note_cut(self, model: str, *, begin_s: float, seconds: float, tokens: int) -> None:
        """Note a stream that went on until its caller had no time left: it has its pace, and is not over."""
        token_s = (seconds - begin_s) / max(1, tokens)
        longer = math.ceil(UNFINISHED * tokens)
        self._add(model, begin_s=begin_s, token_s=token_s, tokens=longer)

    def note_lost(self, model: str, seconds: float) -> None:
        """Note a call that was ended for another one before its first text: it takes longer to begin."""
        self._add(model, begin_s=seconds, token_s=0.0, tokens=0)

    def finish_s(self, model: str, max_tokens: int) -> float:
        """Return the seconds within which an answer is expected; 0.0 where too little is known lately."""
        noted = self._samples.get(model)
        if noted is None or len(noted) < FEWEST:
            return 0.0
        expected_s = self._estimate(model, noted, max_tokens)
        silent_s = self._clock.monotonic_s() - noted[-1].at_s
        return expected_s if silent_s <= FRESH_S else expected_s * math.pow(0.5, silent_s / FRESH_S - 1.0)

    def begin_s(self, model: str) -> float | None:
        """Return within which time all but one in twenty answers began; None of too few to say."""
        begins_s = [sample.begin_s for sample in self._samples.get(model, ())]
        return quantile(begins_s) if len(begins_s) >= FEWEST else None

    def forget(self, model: str) -> None:
        """Know nothing of a model."""
        self._samples.pop(model, None)
        self._estimates.pop(model, None)

    def _estimate(self, model: str, noted: Iterable[LatencySample], max_tokens: int) -> float:
        """Return the second longest of the samples, so that one outlier does not decide.

        Of so few samples it is what all but one in twenty are at most, also where some of them were cut by
        their own limits and would have taken longer.
        """
        known = self._estimates.setdefault(model, {})
        if max_tokens not in known:
            if len(known) >= MAX_ESTIMATES:
                known.clear()
            known[max_tokens] = sorted([each.seconds(max_tokens) for each in noted])[-2]
        return known[max_tokens]

    def _add(self, model: str, *, begin_s: float, token_s: float, tokens: int) -> None:
        self._estimates.pop(model, None)
        self._samples.setdefault(model, deque(maxlen=MAX_SAMPLES)).append(
            LatencySample(at_s=self._clock.monotonic_s(), begin_s=begin_s, token_s=token_s, tokens=tokens)
        )


def foreseen_s(forecast: QueueForecast, *, max_tokens: int) -> float:
    """Return within which time an answer is expected by the model's own word of its queue and rates.

    Its prompt is left out: how much of it is in memory already only the model knows, and it says immediately
    when the rest takes too long.
    """
    tokens = min(forecast.answer_tokens, max_tokens)
    return forecast.wait_s + MARGIN * tokens * forecast.token_s
