"""The interfaces of the scheduler, to the server and to a model; it does not import llama.cpp."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.clock import Deadline
from gateway.domain.answer import ToolCallDelta
from gateway.engine.thinking.thinking_reader import Thinking


class KvCacheFull(Exception):
    """A batch found no free cells; nothing was decoded."""


class DecodeFailed(Exception):
    """The model cannot continue; its process must end."""


class DecodeInterrupted(Exception):
    """`interrupt` ended a step early; the caller truncates what of it reached the cache."""


class GrammarRefused(Exception):
    """A grammar does not compile; the message quotes none of it."""


class NothingToSample(Exception):
    """Constraint and biases together leave no token of the vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What an answer must match: a grammar as llguidance takes it, Lark or its JSON form.

    A Lark grammar may name special tokens of the vocabulary (`<|tool_call|>`), hold `%json {schema}`, and
    begin with free text, so that it holds from a trigger on.
    """

    grammar: str = field(repr=False)
    request_field: str
    """The field of the request that it comes from, for errors."""
    is_deferred: bool = False
    """Whether tokens are free until `Sampler.arm`, as those of reasoning are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to sample tokens; temperature 0 is greedy, seed None is random.

    The defaults of the optional fields have no effect.
    """

    temperature: float
    top_p: float
    seed: int | None
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict, repr=False)
    constraint: Constraint | None = None
    logprobs: int | None = None
    """How many of the likeliest tokens to report with each sampled one; None reports nothing."""
    logprob_tokens: int | None = None
    """For how many tokens to report, from the first; None: all."""

    @property
    def has_penalties(self) -> bool:
        """Whether any penalty on the latest tokens is set."""
        return (self.repeat_penalty, self.frequency_penalty, self.presence_penalty) != (1.0, 0.0, 0.0)


class Matcher(Protocol):
    """Follows one answer through its constraint; used by one thread at a time.

    It never ends the process: a wrong token, or a grammar beyond its limits, raises NothingToSample.
    """

    @property
    def is_stopped(self) -> bool:
        """Whether the answer is complete: only a token that ends it may follow."""
        ...

    def allows(self, token: int) -> bool:
        """Whether a token may come next; cheaper than `mask`."""
        ...

    def mask(self) -> NDArray[np.bool_]:
        """Return which tokens of the vocabulary may come next; raises NothingToSample if none may."""
        ...

    def accept(self, token: int) -> None:
        """Append a token; raises NothingToSample if it is not allowed."""
        ...

    def forced(self) -> list[int]:
        """Return the tokens that must come next; empty if there is a choice. They are not appended."""
        ...


class CallReading(Protocol):
    """Divides the tokens of one answer into text and calls of tools; see `calls.call_parser`."""

    @property
    def is_over(self) -> bool:
        """Whether the calls have ended, so that nothing can follow."""
        ...

    @property
    def is_around_calls(self) -> bool:
        """Whether the last token is of calls, but of no name and no value in them."""
        ...

    def push(self, token: int, piece: bytes) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """Take the next token; return the text and the pieces of calls that may be sent now."""
        ...

    def finish(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """Return what was held back, after the last token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """One generation, as the scheduler takes it; made by the server, which has tokenized the prompt."""

    request_id: str
    tenant: str
    prompt: tuple[int, ...] = field(repr=False)
    max_tokens: int
    """Most tokens of the answer; the scheduler lowers it to what the context leaves after the prompt."""
    stop: tuple[str, ...] = field(default=(), repr=False)
    sampling: Sampling
    matcher: Matcher | None = field(default=None, repr=False, compare=False)
    """Of `sampling.constraint`; made by the server, since compiling takes milliseconds."""
    thinking: Thinking | None = field(default=None, repr=False, compare=False)
    """How the model thinks before it answers; None: it does not, as far as its template shows."""
    new_calls: Callable[[], CallReading] | None = field(default=None, repr=False, compare=False)
    """Reads the calls of tools in the answer; None: it has none."""
    deadline: Deadline
    is_whole: bool = False
    """Whether the caller wants the answer whole, not in pieces."""


@dataclass(frozen=True, slots=True)
class BatchToken:
    """One token of a step: its position in its sequence, and whether the next token is sampled from it."""

    token: int
    position: int
    sequence: int
    wants_logits: bool


@dataclass(frozen=True, slots=True)
class SampledLogprob:
    """Log-probability of a token before any sampler, as natural logarithms."""

    token: int
    logprob: float
    margin: float
    """Log-probability of the likeliest token minus that of the second."""
    likeliest: tuple[tuple[int, float], ...]
    """(token, logprob), the likeliest first."""
    entropy: float
    """Entropy over the whole vocabulary, in nats."""
    is_forced: bool = False
    """Whether the constraint left no choice, so that it says nothing of the model's confidence."""


class Sampler(Protocol):
    """Samples the tokens of one request."""

    def arm(self) -> None:
        """Hold the answer to a deferred constraint from the next token on."""
        ...

    def sample(self, row: int) -> int:
        """Sample from the logits of a row of the last batch, and accept it; raises NothingToSample."""
        ...

    def forced(self) -> list[int]:
        """Return the tokens that must come next, which need no logits; they are not accepted yet.

        Empty if there is a choice, or if each token's log-probability is to be reported.
        """
        ...

    def accept(self, token: int) -> None:
        """Take a token that was not sampled, such as a forced one; raises NothingToSample."""
        ...

    def logprob(self, row: int, token: int) -> SampledLogprob | None:
        """Return the log-probability of a sampled token; None if the request does not ask for it."""
        ...

    def close(self) -> None:
        """Free the sampler."""
        ...


class Model(Protocol):
    """A model as the scheduler uses it, from one thread only, except `interrupt`."""

    context_tokens: int
    """The most tokens of one sequence, prompt and answer together."""
    slots: int
    """Sequences that are decoded concurrently."""
    kv_cells: int
    """Most tokens of all sequences together; at least `context_tokens`."""
    batch_tokens: int
    """Most tokens of one step; at least `slots`."""
    vocabulary_size: int
    """Number of tokens in the vocabulary."""
    can_share: bool
    """Whether sequences can share cells and be truncated; False for a recurrent model."""

    @property
    def threads(self) -> int:
        """With how many threads the latest step ran."""
        ...

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Run one step; raises KvCacheFull (nothing changed), DecodeInterrupted, DecodeFailed (fatal)."""
        ...

    def interrupt(self) -> None:
        """Make the running or next decode raise DecodeInterrupted, if the hardware can."""
        ...

    def resume(self) -> None:
        """Cancel an interrupt."""
        ...

    def share(self, source: int, target: int, count: int) -> None:
        """Let an empty sequence share the cells of the first `count` tokens of another."""
        ...

    def truncate(self, sequence: int, count: int) -> None:
        """Keep the first `count` tokens of a sequence, and free the cells of the others."""
        ...

    def state_bytes(self, sequence: int) -> int:
        """Return the size of the saved state of a sequence."""
        ...

    def save(self, sequence: int) -> bytearray:
        """Return a copy of the cached state of a sequence."""
        ...

    def load(self, sequence: int, state: bytearray) -> None:
        """Restore an empty sequence from the result of `save`; enough cells are free."""
        ...

    def matcher(self, constraint: Constraint) -> Matcher:
        """Return a matcher for one request; for any thread; raises GrammarRefused."""
        ...

    def sampler(self, sampling: Sampling, matcher: Matcher | None = None) -> Sampler:
        """Return a sampler for one request; `matcher` is that of its constraint."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether a token ends generation."""
        ...
