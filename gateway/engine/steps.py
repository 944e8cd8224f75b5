"""What the scheduler and a model say to each other; the scheduler knows no llama.cpp."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class KvCacheFull(Exception):
    """A batch found no free cells; nothing was decoded."""


class DecodeFailed(Exception):
    """The model cannot go on; its process has to end."""


class GrammarRefused(Exception):
    """A grammar does not compile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to pick tokens; temperature 0 is greedy, seed None is random, `grammar` is GBNF."""

    temperature: float
    top_p: float
    seed: int | None
    grammar: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BatchToken:
    """One token of a step: whose it is, where it stands, and whether its successor will be sampled."""

    token: int
    position: int
    slot: int
    wants_logits: bool


class Sampler(Protocol):
    """Picks the tokens of one request."""

    def sample(self, row: int) -> int:
        """Pick from the logits of a row of the last batch."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Model(Protocol):
    """What the scheduler needs of a model; called by its one thread only."""

    context_tokens: int
    """The most tokens of one sequence, prompt and answer together."""
    slots: int
    """Sequences that can be decoded at once."""
    kv_cells: int
    """Tokens that all sequences can hold together; at least `context_tokens`."""
    batch_tokens: int
    """Tokens of one step; at least `slots`."""

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Run one step; KvCacheFull changes nothing, DecodeFailed is the end."""
        ...

    def forget(self, slot: int) -> None:
        """Free all cells of a slot."""
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
