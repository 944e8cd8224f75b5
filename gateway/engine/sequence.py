"""The state of one running request in the engine."""

import math
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

from gateway.domain.answer import FinishReason, Usage
from gateway.engine.interfaces import BatchToken, EngineRequest, SampledLogprob, Sampler
from gateway.engine.prefix_cache import CachedSequence
from gateway.engine.prompt_lookup import PromptLookup
from gateway.engine.queue import QueuedRequest
from gateway.engine.thinking.thinking_reader import ThinkingReader
from gateway.engine.throughput import Work
from gateway.engine.token_reader import AnswerPiece, TokenReader
from gateway.errors import GatewayError

GATHER_S = 0.02
"""Seconds for which a token may wait for the next ones: shorter than a frame of 50 Hz is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """The output of one step for one request, and how the request ended if it is the last."""

    ticket: int
    pieces: tuple[AnswerPiece, ...] = field(default=(), repr=False)
    tokens: int = 0
    """How many tokens of the answer are in it."""
    finish_reason: FinishReason | None = None
    stop_sequence: str = field(default="", repr=False)
    """With STOP_SEQUENCE: the stop string that was met."""
    usage: Usage | None = None
    """Tokens so far; in the last output and in those with `logprobs`."""
    reused_tokens: int = 0
    """In the last output: prompt tokens taken from the prefix cache."""
    logprobs: tuple[SampledLogprob, ...] = field(default=(), repr=False)
    failure: GatewayError | None = None
    may_wait_s: float = 0.0
    """For how long it may be held, to leave with those that follow it; infinite: until the last one."""

    @property
    def text(self) -> str:
        """The text of the pieces."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def is_last(self) -> bool:
        """Whether no output follows."""
        return self.finish_reason is not None or self.failure is not None


class Sequence:
    """A request with a slot: what is decoded and what is next."""

    def __init__(
        self,
        entry: QueuedRequest,
        *,
        cached: CachedSequence,
        sampler: Sampler,
        lookup: PromptLookup | None = None,
    ) -> None:
        """`lookup` guesses the tokens of the answer; None: nothing does."""
        self.entry = entry
        self.ticket = entry.ticket
        self.request = entry.request
        self.submitted_s = entry.submitted_s
        self.cached = cached
        self.sampler = sampler
        self._lookup = lookup
        self.first_token_s = 0.0
        """When the first token was sampled, on the monotonic clock."""
        self.reused_tokens = len(cached.tokens)
        self.pending: Seq[int] = self.request.prompt[self.reused_tokens :]
        """Tokens to decode next: of the prompt, or the sampled one and those that it forces."""
        self.guessed: Seq[int] = ()
        """Tokens to decode behind the pending ones, and to check."""
        self.completion_tokens = 0
        self.sampling_debt_s = 0.0
        """Seconds over its share that its grammar took for its tokens."""
        self.reader = _reader(self.request)
        if self.reader.is_answering:
            sampler.arm()
        self.finish_reason: FinishReason | None = None
        self._pieces: list[AnswerPiece] = []
        self._logprobs: list[SampledLogprob] = []
        self._held_logprobs: list[SampledLogprob] = []
        """Of tokens that may turn out to be no part of the answer."""
        self._reported = 0
        """How many log-probabilities are in outputs, or are to be."""
        self._told_tokens = 0

    @property
    def is_answering(self) -> bool:
        """Whether its prompt is decoded, so that steps sample tokens for it."""
        return self.completion_tokens > 0

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        return Usage(
            prompt_tokens=len(self.request.prompt),
            completion_tokens=self.completion_tokens,
            reasoning_tokens=self.reader.reasoning_tokens,
        )

    def work_left(self, now_s: float) -> Work:
        """Return the work that is left at most."""
        return Work(
            prompt_tokens=0 if self.is_answering else len(self.pending),
            max_tokens=self.request.max_tokens,
            sampled_tokens=self.completion_tokens,
            most_s=max(0.0, self.request.deadline.at_s - now_s),
        )

    def room(self, most: int) -> int:
        """Return how many tokens may be guessed behind the pending one: at most `most`, and what is left."""
        return min(most, self.request.max_tokens - self.completion_tokens) if len(self.pending) == 1 else 0

    def guess(self, most: int) -> None:
        """Guess up to `most` tokens behind the pending one by what was said, if the answer is looked up."""
        self.guessed = self._lookup.guess(self.room(most)) if self._lookup is not None else ()

    def judge(self, *, guessed: int, right: int) -> None:
        """Take how many guessed tokens turned out to be right."""
        if self._lookup is not None:
            self._lookup.judge(guessed=guessed, right=right)

    def next_tokens(self, count: int) -> list[BatchToken]:
        """Return the next `count` tokens as rows of a batch.

        The last pending one wants logits, and each guessed one.
        """
        last = len(self.pending) - 1
        position, number = len(self.cached.tokens), self.cached.sequence
        tokens = [*self.pending, *self.guessed] if self.guessed else self.pending
        return [BatchToken(token, position + i, number, i >= last) for i, token in enumerate(tokens[:count])]

    def decoded(self, count: int) -> bool:
        """Record that `count` pending tokens are decoded; return whether a token can be sampled."""
        self.pending = self.pending[count:]
        return not self.pending

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that must come next, by the reasoning or by the constraint."""
        return self.reader.forced() or tuple(self.sampler.forced())

    @property
    def wants_logprob(self) -> bool:
        """Whether the log-probability of the latest token is to be reported, once it is the answer's."""
        sampling, reported = self.request.sampling, self._reported + len(self._held_logprobs)
        is_shown = self.reader.is_shown or self.reader.is_undecided
        return sampling.logprobs is not None and is_shown and reported != sampling.logprob_tokens

    def report(self, logprob: SampledLogprob) -> None:
        """Report the log-probability of the latest token, once it is the answer's."""
        if self.reader.is_around_calls:  # It says nothing of what is called.
            logprob = replace(logprob, is_forced=True)
        self._held_logprobs.append(logprob)
        if self.reader.is_shown:
            self._release_logprobs()

    def _release_logprobs(self) -> None:
        self._logprobs += self._held_logprobs
        self._reported += len(self._held_logprobs)
        self._held_logprobs = []

    def take(self, token: int, *, piece: bytes, is_end: bool) -> None:
        """Append a sampled or forced token to the answer; it is decoded next unless it ends the answer."""
        self.completion_tokens += 1
        self.pending = [*self.pending, token]
        if self._lookup is not None:
            self._lookup.take(token)
        was_answering = self.reader.is_answering
        self._pieces.append(self.reader.push(token, piece))
        if self.reader.is_shown:
            self._release_logprobs()
        elif not self.reader.is_undecided:
            self._held_logprobs = []
        if self.reader.is_answering and not was_answering:
            self.sampler.arm()
        self.finish_reason = self._reason(is_end)
        if self.finish_reason is not None:
            self._pieces.append(self.reader.finish())
            self.finish_reason = self.reader.end or self.finish_reason

    def output(self) -> StepOutput:
        """Return the output of the tokens since the last one."""
        pieces, logprobs, told = tuple(self._pieces), tuple(self._logprobs), self._told_tokens
        self._pieces, self._logprobs, self._told_tokens = [], [], self.completion_tokens
        is_last = self.finish_reason is not None
        return StepOutput(
            ticket=self.ticket,
            pieces=pieces,
            tokens=self.completion_tokens - told,
            finish_reason=self.finish_reason,
            stop_sequence=self.reader.stop_sequence if is_last else "",
            usage=self.usage if is_last or logprobs else None,
            reused_tokens=self.reused_tokens if is_last else 0,
            logprobs=logprobs,
            may_wait_s=self._may_wait_s(told, is_last=is_last, is_judged=bool(logprobs)),
        )

    def _may_wait_s(self, told: int, *, is_last: bool, is_judged: bool) -> float:
        if is_last:
            return 0.0
        if self.request.is_whole:
            return math.inf
        # Tokens whose confidence is judged are waited for one by one.
        is_judged = is_judged and self.request.sampling.logprob_tokens is not None
        return 0.0 if told == 0 or is_judged else GATHER_S

    def _reason(self, is_end: bool) -> FinishReason | None:
        if self.reader.end is not None:
            return self.reader.end
        if is_end and not self.reader.took_tag:
            return FinishReason.STOP
        if self.completion_tokens >= self.request.max_tokens:
            return FinishReason.LENGTH
        return None


def _reader(request: EngineRequest) -> TokenReader:
    calls = None if request.new_calls is None else request.new_calls()
    if request.thinking is None:
        return TokenReader(request.stop, calls=calls)
    thinking = ThinkingReader(request.thinking, prompt=request.prompt, max_tokens=request.max_tokens)
    return TokenReader(request.stop, thinking=thinking, calls=calls)
