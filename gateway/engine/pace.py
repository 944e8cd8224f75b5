"""How fast the model is, as measured, and what follows from it: sizes of steps and predictions.

Everything is a moving mean over what really happened, so it holds for this model on this machine under
this load; before the first measurement nothing is predicted and nobody is refused.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

MOST_STRETCH = 2.5
"""How much longer than without them a step may take for the prompts in it, while others answer."""
MOST_STEP_S = 1.0
"""How long a step of prompts alone may take: a cancel that the hardware cannot act upon waits for it."""
FIRST_CHUNK = 64
"""Prompt tokens of a step before anything was measured."""
LEAST_CHUNK = 4
"""Prompt tokens of a step at least, and what their number is a multiple of."""
MARGIN = 1.1
"""How much longer than predicted an answer is taken to take, when it is asked for."""

_WEIGHT = 0.2
"""Weight of the latest measurement in a moving mean."""


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + _WEIGHT * (new - old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is left of an answer: prompt tokens to decode, and tokens to sample."""

    prompt_tokens: int
    max_tokens: int
    sampled_tokens: int = 0
    """How many of `max_tokens` are there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one request more has to reckon with; all zero before anything was measured."""

    wait_s: float
    prompt_token_s: float
    token_s: float
    answer_share: float


class Pace:
    """Measured rates of one model; used by the scheduler's thread, read by others."""

    def __init__(self, slots: int) -> None:
        self.prompt_token_s: float | None = None
        """Seconds for one token of a prompt."""
        self._token_s: list[float | None] = [None] * (slots + 1)
        """Seconds of a step that samples for so many sequences and reads no prompt."""
        self.answer_share: float | None = None
        """Which part of `max_tokens` answers use."""

    def note_step(self, *, answering: int, prompt_tokens: int, taken_s: float) -> None:
        """Take the time of a step."""
        if prompt_tokens == 0:
            self._token_s[answering] = _mean(self._token_s[answering], taken_s)
        elif prompt_tokens >= LEAST_CHUNK:
            left_s = taken_s - (self.token_s(answering) or 0.0)
            if left_s > 0.0:
                self.prompt_token_s = _mean(self.prompt_token_s, left_s / prompt_tokens)

    def note_answer(self, completion_tokens: int, max_tokens: int) -> None:
        """Take the length of an answer that came to its end."""
        self.answer_share = _mean(self.answer_share, completion_tokens / max_tokens)

    def token_s(self, sequences: int) -> float | None:
        """Return the seconds of a step for so many sequences, by the nearest number that was measured."""
        known = [n for n, s in enumerate(self._token_s) if s is not None]
        if sequences == 0 or not known:
            return None
        return self._token_s[min(known, key=lambda n: (abs(n - sequences), n))]

    def prompt_budget(self, *, answering: int, most: int) -> int:
        """Return how many prompt tokens the next step may read, so that those that answer hardly wait."""
        if self.prompt_token_s is None:
            return min(FIRST_CHUNK, most)
        step_s = self.token_s(answering)
        limit_s = MOST_STEP_S if step_s is None else min(MOST_STEP_S, (MOST_STRETCH - 1.0) * step_s)
        chunk = int(limit_s / self.prompt_token_s) // LEAST_CHUNK * LEAST_CHUNK
        return max(1, min(most, max(LEAST_CHUNK, chunk)))

    def predict_s(self, work: Work, *, sequences: int) -> float:
        """Return how long an answer takes from its slot on, beside so many others; 0 if nothing is known."""
        rates = self.forecast(0.0, sequences=sequences)
        expected = work.max_tokens * rates.answer_share - work.sampled_tokens
        return work.prompt_tokens * rates.prompt_token_s + max(0.0, expected) * rates.token_s

    def forecast(self, wait_s: float, *, sequences: int) -> Forecast:
        """Return the rates for one of so many sequences, after `wait_s`."""
        prompt_token_s = self.prompt_token_s or 0.0
        if sequences > 1:
            # The steps that read the prompt decode the others, too.
            prompt_token_s *= MOST_STRETCH / (MOST_STRETCH - 1.0)
        return Forecast(
            wait_s=wait_s,
            prompt_token_s=prompt_token_s,
            token_s=self.token_s(sequences) or 0.0,
            answer_share=self.answer_share or 0.0,
        )


def starts(busy_s: Sequence[float], queue_s: Sequence[float], slots: int) -> list[float]:
    """Return when each of a queue gets a slot, in seconds from now.

    `busy_s` is how long the running ones still take, `queue_s` how long each of the queue will, in order.
    """
    free_at = [*busy_s, *([0.0] * (slots - len(busy_s)))]
    heapq.heapify(free_at)
    found = []
    for taken_s in queue_s:
        at_s = heapq.heappop(free_at)
        found.append(at_s)
        heapq.heappush(free_at, at_s + taken_s)
    return found
