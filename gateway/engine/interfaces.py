"""What the scheduler and a model say to each other; the scheduler knows no llama.cpp."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class KvCacheFull(Exception):
    """A batch found no free cells; nothing was decoded."""


class DecodeFailed(Exception):
    """The model cannot go on; its process has to end."""


class DecodeInterrupted(Exception):
    """`interrupt` ended a step early; what of it reached the cache has to be truncated."""


class GrammarRefused(Exception):
    """A grammar does not compile."""


class NothingToSample(Exception):
    """Grammar and biases together leave no token of the vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to pick tokens; temperature 0 is greedy, seed None is random, `grammar` is GBNF.

    The defaults change nothing: no cut, no penalty, no bias, no report.
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
    grammar: str | None = field(default=None, repr=False)
    grammar_field: str = "config.json_schema"
    """The field of the request that the grammar comes from, for refusals."""
    logprobs: int | None = None
    """How many likeliest tokens to report beside each sampled one; None reports nothing."""
    logprob_tokens: int | None = None
    """How many tokens to report on, from the first; None: all."""

    @property
    def has_penalties(self) -> bool:
        """Whether the latest tokens change what comes next."""
        return (self.repeat_penalty, self.frequency_penalty, self.presence_penalty) != (1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BatchToken:
    """One token of a step: whose it is, where it stands, and whether its successor will be sampled."""

    token: int
    position: int
    sequence: int
    wants_logits: bool


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How sure the model was of a token, before any sampler; all values are natural logarithms."""

    token: int
    logprob: float
    margin: float
    """Of the likeliest token over the second."""
    likeliest: tuple[tuple[int, float], ...]
    """(token, logprob), the likeliest first."""
    entropy: float
    """Of all tokens that could have come."""


class Sampler(Protocol):
    """Picks the tokens of one request."""

    def sample(self, row: int) -> int:
        """Pick from the logits of a row of the last batch; raises NothingToSample."""
        ...

    def logprob(self, row: int, token: int) -> TokenLogprob | None:
        """Report on a token that was picked from a row; None where nobody asked."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Model(Protocol):
    """What the scheduler needs of a model; called by its one thread only, except `interrupt`."""

    context_tokens: int
    """The most tokens of one sequence, prompt and answer together."""
    slots: int
    """Sequences that are decoded at once."""
    kv_cells: int
    """Tokens that all sequences can hold together; at least `context_tokens`."""
    batch_tokens: int
    """Tokens of one step; at least `slots`."""
    vocabulary_size: int
    """How many tokens there are."""
    can_share: bool
    """Whether sequences can share cells and be cut back: not so where the model keeps a running state."""

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Run one step; KvCacheFull changes nothing, DecodeFailed is the end; raises DecodeInterrupted."""
        ...

    def interrupt(self) -> None:
        """Make the decode that runs, or the next one, raise DecodeInterrupted, where the hardware can."""
        ...

    def resume(self) -> None:
        """Take back an interrupt."""
        ...

    def share(self, source: int, target: int, count: int) -> None:
        """Let an empty sequence begin with the first `count` tokens of another, in the same cells."""
        ...

    def truncate(self, sequence: int, count: int) -> None:
        """Keep the first `count` tokens of a sequence, and free the cells of the others."""
        ...

    def state_bytes(self, sequence: int) -> int:
        """Return how large the saved state of a sequence would be."""
        ...

    def save(self, sequence: int) -> bytearray:
        """Return a copy of all that the cache holds of a sequence."""
        ...

    def load(self, sequence: int, state: bytearray) -> None:
        """Fill an empty sequence with what `save` returned; there are cells enough."""
        ...

    def sampler(self, sampling: Sampling) -> Sampler:
        """Return a sampler for one request; raises GrammarRefused."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes that a token stands for."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether a token ends generation."""
        ...
