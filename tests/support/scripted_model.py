"""A model that follows a script, for tests of the scheduler: it checks whatever is asked of it."""

from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field

import pytest

from gateway.clock import Deadline
from gateway.engine.draft import Draft, Speculation
from gateway.engine.interfaces import (
    BatchToken,
    Constraint,
    DecodeInterrupted,
    EngineRequest,
    GrammarRefused,
    KvCacheFull,
    Matcher,
    SampledLogprob,
    Sampling,
)
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from gateway.engine.thinking.thinking_reader import Thinking
from tests.support.fakes import FakeClock

END = 256
"""The scripted model's only token that ends generation; all others are bytes."""
GREEDY = Sampling(temperature=0.0, top_p=1.0, seed=None)


def letter_after(tokens: Seq[int], letters: int = 26) -> int:
    """Return what the scripted model says after these tokens, of so many letters."""
    total = 0
    for token in tokens:
        total = (31 * total + token) % 1_000_003
    return ord("a") + total % letters


def answer_to(prompt: Seq[int], count: int) -> bytes:
    """Return what the scripted model says to a prompt, in `count` tokens."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(letter_after(tokens))
    return bytes(tokens[len(prompt) :])


@dataclass
class ScriptedSampler:
    """Picks the tokens of a script; without one, a letter that depends on all tokens of the sequence."""

    model: "ScriptedModel"
    script: list[int] | None
    sampling: Sampling
    is_closed: bool = False
    faults: list[Exception] = field(default_factory=list)
    """Raised by the coming calls, one each."""
    runs: list[list[int]] = field(default_factory=list)
    """What is forced after each sampled token."""
    run: list[int] = field(default_factory=list)
    is_armed: bool = False

    def arm(self) -> None:
        self.is_armed = True

    def sample(self, row: int) -> int:
        assert self.model.rows[row].wants_logits
        if self.faults:
            raise self.faults.pop()
        self.model.during_sample(self.sampling)
        self.run = self.runs.pop(0) if self.runs else []
        if self.script is None:
            last = self.model.rows[row]
            before = self.model.held[last.sequence][: last.position + 1]
            return letter_after([token for _, token in before], self.model.letters)
        return self.script.pop(0) if self.script else END

    def forced(self) -> list[int]:
        return self.run

    def accept(self, token: int) -> None:
        if self.run:
            assert token == self.run[0]
            self.run = self.run[1:]

    def logprob(self, row: int, token: int) -> SampledLogprob | None:
        if self.sampling.logprobs is None:
            return None
        return SampledLogprob(token=token, logprob=self.model.logprob, margin=1.0, likeliest=(), entropy=1.0)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


@dataclass
class ScriptedModel:
    """Keeps cells as llama.cpp does: each may belong to several sequences, at one position."""

    context_tokens: int = 32
    slots: int = 2
    kv_cells: int = 64
    batch_tokens: int = 8
    can_share: bool = True
    threads: int = 1
    vocabulary_size: int = 257
    letters: int = 26
    """How many letters an answer without a script has."""
    logprob: float = -1.0
    """Of every token that is sampled."""
    scripts: list[bytes] = field(default_factory=list)
    runs: list[list[list[int]]] = field(default_factory=list)
    """Of each request: what is forced after each of its sampled tokens."""
    full_at: set[int] = field(default_factory=set)
    during_sample: Callable[[Sampling], None] = lambda sampling: None
    """Called when a token is picked, with how."""
    during_decode: Callable[[], None] = lambda: None
    """Called in the middle of every step, as another thread would."""
    rows: list[BatchToken] = field(default_factory=list)
    held: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Sequence -> its (cell, token), by position."""
    samplers: list[ScriptedSampler] = field(default_factory=list)
    begun: list[int | None] = field(default_factory=list)
    """The seeds of the requests that got a slot, in order."""
    steps: int = 0
    decoded_tokens: int = 0
    is_interrupted: bool = False
    next_cell: int = 0

    @property
    def cells(self) -> set[int]:
        """All cells that somebody holds."""
        return {cell for cells in self.held.values() for cell, _ in cells}

    def decode(self, tokens: Seq[BatchToken]) -> None:
        self.steps += 1
        if self.steps in self.full_at:
            raise KvCacheFull
        assert 0 < len(tokens) <= self.batch_tokens
        self.rows = list(tokens)
        self.during_decode()
        done = len(tokens) // 2 if self.is_interrupted else len(tokens)
        for row in tokens[:done]:
            assert 0 <= row.sequence < self.slots
            cells = self.held.setdefault(row.sequence, [])
            assert row.position == len(cells)
            cells.append((self.next_cell, row.token))
            self.next_cell += 1
            assert len(cells) <= self.context_tokens
        assert len(self.cells) <= self.kv_cells
        if self.is_interrupted:
            raise DecodeInterrupted
        self.decoded_tokens += len(tokens)

    def interrupt(self) -> None:
        self.is_interrupted = True

    def resume(self) -> None:
        self.is_interrupted = False

    def share(self, source: int, target: int, count: int) -> None:
        assert self.can_share
        assert not self.held.get(target)
        assert len(self.held[source]) >= count
        self.held[target] = self.held[source][:count]

    def truncate(self, sequence: int, count: int) -> None:
        self.held[sequence] = self.held.get(sequence, [])[:count]
        if not count:
            del self.held[sequence]

    def state_bytes(self, sequence: int) -> int:
        return len(self.held[sequence])

    def save(self, sequence: int) -> bytearray:
        return bytearray(token % 256 for _, token in self.held[sequence])

    def load(self, sequence: int, state: bytearray) -> None:
        assert not self.held.get(sequence)
        self.held[sequence] = [(self.next_cell + i, token) for i, token in enumerate(state)]
        self.next_cell += len(state)
        assert len(self.cells) <= self.kv_cells

    def matcher(self, constraint: Constraint) -> Matcher:
        raise GrammarRefused("is not supported by a script")

    def sampler(self, sampling: Sampling, matcher: Matcher | None = None) -> ScriptedSampler:
        if sampling.constraint is not None and sampling.constraint.grammar == "defect":
            raise ValueError("secret")
        script = [END if b == 0 else b for b in self.scripts.pop(0)] if self.scripts else None
        runs = self.runs.pop(0) if self.runs else []
        self.samplers.append(ScriptedSampler(self, script, sampling, runs=runs))
        self.begun.append(sampling.seed)
        return self.samplers[-1]

    def piece(self, token: int) -> bytes:
        return bytes([token])

    def is_end(self, token: int) -> bool:
        return token == END


class Bench:
    """A scheduler that is stepped by hand, and what it gave to whom."""

    def __init__(
        self,
        model: ScriptedModel,
        *,
        queue_limit: int = 32,
        kept_bytes: int = 0,
        guesses: bool = False,
        draft: ScriptedModel | None = None,
    ) -> None:
        self.model = model
        self.clock = FakeClock()
        self.given: list[StepOutput] = []
        self.faults: list[str] = []
        self.scheduler = Scheduler(
            model,
            name="edge",
            clock=self.clock,
            deliver=self.given.extend,
            queue_limit=queue_limit,
            kept_bytes=kept_bytes,
            speculation=Speculation(
                looks_up=guesses,
                draft=None if draft is None else Draft(draft, vocabulary_size=model.vocabulary_size),
            ),
            report=self.faults.append,
        )

    def submit(
        self,
        prompt: int | Seq[int] = 3,
        *,
        max_tokens: int = 8,
        stop: tuple[str, ...] = (),
        deadline: Deadline | None = None,
        sampling: Sampling = GREEDY,
        tenant: str = "t",
        thinking: Thinking | None = None,
    ) -> int:
        job = EngineRequest(
            request_id="r",
            tenant=tenant,
            prompt=tuple(range(prompt) if isinstance(prompt, int) else prompt),
            max_tokens=max_tokens,
            stop=stop,
            sampling=sampling,
            thinking=thinking,
            deadline=deadline or Deadline.never(),
        )
        return self.scheduler.submit(job)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.given.extend(self.scheduler.step())

    def finish(self) -> None:
        for _ in range(1000):
            if self.scheduler.is_idle:
                return
            self.step()
        pytest.fail("the scheduler does not come to an end")

    def text(self, ticket: int) -> str:
        return "".join(e.text for e in self.given if e.ticket == ticket)

    def last(self, ticket: int) -> StepOutput:
        return [e for e in self.given if e.ticket == ticket][-1]

    def is_clean(self) -> bool:
        """Whether nothing is held for any request."""
        load = self.scheduler.load
        all_closed = all(sampler.is_closed for sampler in self.model.samplers)
        nothing = (load.slots_busy, load.queued, load.kv_cells_used) == (0, 0, 0)
        return not self.model.cells and all_closed and nothing
