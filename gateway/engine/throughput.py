"""How fast the model is, as measured, and what follows from it: sizes of steps and predictions.

Everything comes from what really happened, so it holds for this model on this machine under this load: rates
are moving means, lengths of answers a distribution. Of what was not measured yet nothing is predicted.
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.domain.samples import KEPT, QUANTILE, BoundedSample, Estimate, estimate

MAX_STRETCH = 2.5
"""How much longer than without them a step may take for the prompts in it, while others answer."""
MAX_STEP_S = 1.0
"""How long a step of prompts alone may take: a cancel that the hardware cannot act upon waits for it."""
FIRST_CHUNK_TOKENS = 64
"""Prompt tokens of a step before anything was measured."""
MIN_CHUNK_TOKENS = 4
"""Prompt tokens of a step at least, and what their number is a multiple of."""
MARGIN = 1.1
"""How much longer than predicted an answer is taken to take, when it is asked for."""

_WEIGHT = 0.2
"""Weight of the latest measurement in a moving mean."""
_MAX_JUMP = 4.0
"""How many times the mean one measurement counts at most: the machine may have held up a single step."""
_KNOWN_S = 0.1
"""Seconds for which a distribution of lengths is taken to hold: it is asked for by every request."""


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + _WEIGHT * (min(new, _MAX_JUMP * old) - old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is left of an answer: prompt tokens to decode, and tokens to sample."""

    prompt_tokens: int
    max_tokens: int
    sampled_tokens: int = 0
    """How many of `max_tokens` are there already."""
    most_s: float = math.inf
    """How long it may take at most, by its deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceForecast:
    """What one request more has to reckon with; all zero before anything was measured."""

    wait_s: float
    prompt_token_s: float
    token_s: float
    answer_tokens: float
    """What all but one in twenty answers have at most, or half of them where a slot is free; 0.0 where it is
    not known."""


class ThroughputModel:
    """Measured rates of one model; used by the scheduler's thread, read by others."""

    def __init__(self, slots: int, *, clock: Clock) -> None:
        self.prompt_token_s: float | None = None
        """Seconds for one token of a prompt."""
        self._token_s: list[float | None] = [None] * (slots + 1)
        """Seconds of a step that samples for so many sequences and reads no prompt."""
        self._clock = clock
        self._answers: deque[tuple[float, int, bool]] = deque(maxlen=KEPT)
        """When an answer ended, its tokens, and whether something cut it."""
        self._lengths: Estimate | None = None
        self._lengths_until_s = -math.inf

    def record_step(self, *, answering: int, prompt_tokens: int, taken_s: float) -> None:
        """Take the time of a step."""
        if prompt_tokens == 0:
            self._token_s[answering] = _mean(self._token_s[answering], taken_s)
        elif prompt_tokens >= MIN_CHUNK_TOKENS:
            left_s = taken_s - (self.token_s(answering) or 0.0)
            if left_s > 0.0:
                self.prompt_token_s = _mean(self.prompt_token_s, left_s / prompt_tokens)

    def record_answer(self, tokens: int, *, is_cut: bool) -> None:
        """Take the length of an answer, or what there was of one that limit, time or caller cut."""
        self._answers.append((self._clock.monotonic_s(), tokens, is_cut))
        self._lengths_until_s = -math.inf

    @property
    def lengths(self) -> Estimate | None:
        """How many tokens answers have lately; None where too few are known."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._lengths_until_s:
            answers = tuple(self._answers)
            self._lengths = estimate(
                BoundedSample(tokens, is_cut, now_s - at_s) for at_s, tokens, is_cut in answers
            )
            self._lengths_until_s = now_s + _KNOWN_S
        return self._lengths

    def token_s(self, sequences: int) -> float | None:
        """Return the seconds of a step for so many sequences, by the nearest number that was measured."""
        known = [n for n, s in enumerate(self._token_s) if s is not None]
        if sequences == 0 or not known:
            return None
        return self._token_s[min(known, key=lambda n: (abs(n - sequences), n))]

    def prompt_budget(self, *, answering: int, most: int) -> int:
        """Return how many prompt tokens the next step may read, so that those that answer hardly wait."""
        if self.prompt_token_s is None:
            return min(FIRST_CHUNK_TOKENS, most)
        step_s = self.token_s(answering)
        limit_s = MAX_STEP_S if step_s is None else min(MAX_STEP_S, (MAX_STRETCH - 1.0) * step_s)
        chunk = int(limit_s / self.prompt_token_s) // MIN_CHUNK_TOKENS * MIN_CHUNK_TOKENS
        return max(1, min(most, max(MIN_CHUNK_TOKENS, chunk)))

    def predict_s(self, work: Work, *, sequences: int) -> float:
        """Return how long an answer takes on average from its slot on, beside so many others."""
        lengths, done = self.lengths, work.sampled_tokens
        tokens = 0.0 if lengths is None else lengths.mean(at_most=work.max_tokens, above=done) - done
        return min(work.most_s, self._seconds(work, tokens, sequences))

    def finish_s(self, work: Work, *, sequences: int, share: float = QUANTILE) -> float:
        """Return within which time this share of answers ends, from their slot on."""
        return MARGIN * self._seconds(work, min(self._answer_tokens(share), work.max_tokens), sequences)

    def _seconds(self, work: Work, tokens: float, sequences: int) -> float:
        token_s = self.token_s(sequences) or 0.0
        return work.prompt_tokens * self._prompt_token_s(sequences) + tokens * token_s

    def _prompt_token_s(self, sequences: int) -> float:
        # The steps that read the prompt decode the others, too.
        stretch = MAX_STRETCH / (MAX_STRETCH - 1.0) if sequences > 1 else 1.0
        return stretch * (self.prompt_token_s or 0.0)

    def _answer_tokens(self, share: float) -> float:
        return 0.0 if self.lengths is None else self.lengths.quantile(share)

    def forecast(self, wait_s: float, *, sequences: int, share: float) -> ServiceForecast:
        """Return the rates for one of so many after `wait_s`, and how long that share of answers is."""
        return ServiceForecast(
            wait_s=wait_s,
            prompt_token_s=self._prompt_token_s(sequences),
            token_s=self.token_s(sequences) or 0.0,
            answer_tokens=self._answer_tokens(share),
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
