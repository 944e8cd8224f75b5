"""Measured throughput of a model, and what follows from it: step sizes and predictions.

All values are measured for this model on this machine under this load: rates are moving means, answer lengths
are a distribution. Nothing is predicted before it was measured.
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.domain.samples import MAX_SAMPLES, QUANTILE, BoundedSample, Estimate, estimate

MAX_STRETCH = 2.5
"""Factor by which prompts may lengthen a step while other requests generate."""
MAX_STEP_S = 1.0
"""Longest step of prompts alone, in seconds: a cancel that cannot interrupt the hardware waits for it."""
FIRST_CHUNK_TOKENS = 64
"""Prompt tokens of a step before the first measurement."""
MIN_CHUNK_TOKENS = 4
"""Fewest prompt tokens of a step; their number is a multiple of it."""
MARGIN = 1.1
"""Factor on the predicted time of an answer at admission."""

_WEIGHT = 0.2
"""Weight of the latest measurement in a moving mean."""
_MAX_JUMP = 4.0
"""One measurement counts as at most this multiple of the mean: the machine may have delayed a single step."""
_KNOWN_S = 0.1
"""Seconds for which a distribution of lengths is reused, since every request reads it."""


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + _WEIGHT * (min(new, _MAX_JUMP * old) - old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Remaining work of an answer: prompt tokens to decode, and tokens to sample."""

    prompt_tokens: int
    max_tokens: int
    sampled_tokens: int = 0
    """How many of `max_tokens` are sampled."""
    most_s: float = math.inf
    """Seconds until its deadline."""


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
        """Seconds of a step without prompts, by the number of sequences that it samples for."""
        self._clock = clock
        self._answers: deque[tuple[float, int, bool]] = deque(maxlen=MAX_SAMPLES)
        """When an answer ended, its tokens, and whether it was incomplete."""
        self._lengths: Estimate | None = None
        self._lengths_until_s = -math.inf

    def record_step(self, *, answering: int, prompt_tokens: int, taken_s: float) -> None:
        """Record the seconds of a step."""
        if prompt_tokens == 0:
            self._token_s[answering] = _mean(self._token_s[answering], taken_s)
        elif prompt_tokens >= MIN_CHUNK_TOKENS:
            left_s = taken_s - (self.token_s(answering) or 0.0)
            if left_s > 0.0:
                self.prompt_token_s = _mean(self.prompt_token_s, left_s / prompt_tokens)

    def record_answer(self, tokens: int, *, is_cut: bool) -> None:
        """Record the length of an answer; `is_cut`: a limit, the deadline or the caller ended it."""
        self._answers.append((self._clock.monotonic_s(), tokens, is_cut))
        self._lengths_until_s = -math.inf

    @property
    def lengths(self) -> Estimate | None:
        """Distribution of the tokens of recent answers; None if there are too few."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._lengths_until_s:
            answers = tuple(self._answers)
            self._lengths = estimate(
                BoundedSample(tokens, is_cut, now_s - at_s) for at_s, tokens, is_cut in answers
            )
            self._lengths_until_s = now_s + _KNOWN_S
        return self._lengths

    def token_s(self, sequences: int) -> float | None:
        """Return the seconds of a step for this number of sequences, or for the nearest measured number."""
        known = [n for n, s in enumerate(self._token_s) if s is not None]
        if sequences == 0 or not known:
            return None
        return self._token_s[min(known, key=lambda n: (abs(n - sequences), n))]

    def prompt_budget(self, *, answering: int, most: int) -> int:
        """Return how many prompt tokens the next step may decode without delaying generating sequences."""
        if self.prompt_token_s is None:
            return min(FIRST_CHUNK_TOKENS, most)
        step_s = self.token_s(answering)
        limit_s = MAX_STEP_S if step_s is None else min(MAX_STEP_S, (MAX_STRETCH - 1.0) * step_s)
        chunk = int(limit_s / self.prompt_token_s) // MIN_CHUNK_TOKENS * MIN_CHUNK_TOKENS
        return max(1, min(most, max(MIN_CHUNK_TOKENS, chunk)))

    def predict_s(self, work: Work, *, sequences: int) -> float:
        """Return the mean seconds from slot to end of an answer, with this number of running sequences."""
        lengths, done = self.lengths, work.sampled_tokens
        tokens = 0.0 if lengths is None else lengths.mean(at_most=work.max_tokens, above=done) - done
        return min(work.most_s, self._seconds(work, tokens, sequences))

    def finish_s(self, work: Work, *, sequences: int, share: float = QUANTILE) -> float:
        """Return the seconds from slot to end within which this share of answers ends."""
        return MARGIN * self._seconds(work, min(self._answer_tokens(share), work.max_tokens), sequences)

    def _seconds(self, work: Work, tokens: float, sequences: int) -> float:
        token_s = self.token_s(sequences) or 0.0
        return work.prompt_tokens * self._prompt_token_s(sequences) + tokens * token_s

    def _prompt_token_s(self, sequences: int) -> float:
        # Steps that decode the prompt also decode the other sequences.
        stretch = MAX_STRETCH / (MAX_STRETCH - 1.0) if sequences > 1 else 1.0
        return stretch * (self.prompt_token_s or 0.0)

    def _answer_tokens(self, share: float) -> float:
        return 0.0 if self.lengths is None else self.lengths.quantile(share)

    def forecast(self, wait_s: float, *, sequences: int, share: float) -> ServiceForecast:
        """Return the forecast for a request that waits `wait_s`, with the length of this share of answers."""
        return ServiceForecast(
            wait_s=wait_s,
            prompt_token_s=self._prompt_token_s(sequences),
            token_s=self.token_s(sequences) or 0.0,
            answer_tokens=self._answer_tokens(share),
        )


def starts(busy_s: Sequence[float], queue_s: Sequence[float], slots: int) -> list[float]:
    """Return the seconds until each queued request gets a slot.

    `busy_s` are the remaining seconds of the running requests, `queue_s` the seconds of each queued one, in
    order."""
    free_at = [*busy_s, *([0.0] * (slots - len(busy_s)))]
    heapq.heapify(free_at)
    found = []
    for taken_s in queue_s:
        at_s = heapq.heappop(free_at)
        found.append(at_s)
        heapq.heappush(free_at, at_s + taken_s)
    return found
