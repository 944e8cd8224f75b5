"""Which tokens are decoded when: one loop of schedule, decode, sample, emit.

One thread owns the model and calls `run`; any thread may call `submit` and `cancel`. Every step looks
at cancellations and deadlines first, so a slot is free again within one step. A request gets a slot
only when the KV cache has cells for all that it may become (prompt and `max_tokens`, at most the
context), so nothing that was begun is ever thrown out for want of cells. Requests are admitted in
the order in which they came.
"""

import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass

from gateway import errors
from gateway.clock import Clock
from gateway.engine.sequence import Emission, Job, Sequence
from gateway.engine.steps import BatchToken, GrammarRefused, KvCacheFull, Model

QUEUE_LIMIT = 32
"""Requests that may wait; one more is refused, since what waits longer is better answered elsewhere."""
_MEAN_WEIGHT = 0.2
"""Weight of the latest request in the moving mean of how long one takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy the engine is; `steps` counts since the model was loaded."""

    slots_busy: int = 0
    queued: int = 0
    steps: int = 0
    kv_cells_used: int = 0


def share_batch(pending: Seq[int], budget: int) -> list[int]:
    """Divide the tokens of one step among sequences that have `pending` tokens each.

    Sequences that answer have one token and always get it; the rest goes in equal shares to
    prompts, and what a short prompt leaves goes to the longer ones.
    """
    shares = [0] * len(pending)
    left = budget
    order = sorted(range(len(pending)), key=lambda i: pending[i])
    for rank, i in enumerate(order):
        shares[i] = min(pending[i], left // (len(order) - rank))
        left -= shares[i]
    return shares


class Scheduler:
    """The requests of one model, from submission to their last emission."""

    def __init__(
        self,
        model: Model,
        *,
        name: str,
        clock: Clock,
        deliver: Callable[[list[Emission]], None],
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._model = model
        self._name = name
        self._clock = clock
        self._deliver = deliver
        self._queue_limit = queue_limit
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, Job]] = deque()
        self._cancelled: set[int] = set()
        self._is_closed = False
        self._tickets = 0
        self._running: list[Sequence] = []
        self._free_slots = list(range(model.slots))
        self._mean_request_s = 1.0
        self.load = Load()
        """The state after the latest step; replaced whole, so any thread may read it."""

    def submit(self, job: Job) -> int:
        """Queue a job and return its ticket; raises ContextTooLong or EngineQueueFull at once."""
        if len(job.prompt) >= self._model.context_tokens:
            raise errors.ContextTooLong(
                self._name,
                f"the prompt of {len(job.prompt)} tokens does not fit "
                f"the context of {self._model.context_tokens}",
            )
        with self._changed:
            if self._is_closed:
                raise errors.EngineDown(self._name, "the engine is stopping")
            # Whoever finds a free slot in the next step does not count as waiting.
            if len(self._waiting) >= self._queue_limit + len(self._free_slots):
                raise errors.EngineQueueFull(
                    self._name, f"{len(self._waiting)} requests wait already", retry_after_s=self._wait_s()
                )
            self._tickets += 1
            self._waiting.append((self._tickets, job))
            self._changed.notify()
            return self._tickets

    def cancel(self, ticket: int) -> None:
        """Give up a request: its slot is free before the next step, and nothing more is emitted for it."""
        with self._changed:
            self._cancelled.add(ticket)
            self._changed.notify()

    def close(self) -> None:
        """Let `run` return after its step; what still runs gets no further emission."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def run(self) -> None:
        """Step until closed, asleep while there is nothing to do; DecodeFailed passes through."""
        while self._wait_for_work():
            emissions = self.step()
            if emissions:
                self._deliver(emissions)

    def step(self) -> list[Emission]:
        """Do one step and return what it gives, in the order of slots."""
        emissions = [*self._drop_ended(), *self._admit()]
        rows, shares = self._plan()
        if rows:
            emissions += self._decode(rows, shares)
        self._note_load(stepped=bool(rows))
        return emissions

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._is_closed or self._running or self._waiting or self._cancelled):
                self._changed.wait()
            return not self._is_closed

    def _wait_s(self) -> float:
        """Predict seconds until a place in the queue is free: one finishing request frees one."""
        return max(0.1, self._mean_request_s / self._model.slots)

    def _drop_ended(self) -> list[Emission]:
        """Free what was cancelled or is out of time, waiting or running."""
        with self._changed:
            cancelled, self._cancelled = self._cancelled, set()
            entries = [entry for entry in self._waiting if entry[0] not in cancelled]
            late = [entry for entry in entries if entry[1].deadline.has_passed(self._clock)]
            self._waiting = deque(entry for entry in entries if entry not in late)
        emissions = [self._deadline_passed(ticket, "in the queue") for ticket, _ in late]
        for sequence in list(self._running):
            if sequence.ticket in cancelled:
                self._release(sequence)
            elif sequence.job.deadline.has_passed(self._clock):
                self._release(sequence)
                done = f"after {sequence.completion_tokens} tokens"
                emissions.append(self._deadline_passed(sequence.ticket, done))
        return emissions

    def _deadline_passed(self, ticket: int, where: str) -> Emission:
        failure = errors.DeadlinePassed(f"{self._name}: the deadline passed {where}")
        return Emission(ticket=ticket, failure=failure)

    def _admit(self) -> list[Emission]:
        """Give slots to those that waited longest, while there are slots and cells."""
        emissions = []
        while self._free_slots:
            with self._changed:
                if not self._waiting or self._cells_for(self._waiting[0][1]) > self._free_cells():
                    break
                ticket, job = self._waiting.popleft()
            try:
                self._start(ticket, job)
            except GrammarRefused:
                failure = errors.NotCapable(self._name, "config.json_schema: llama.cpp refuses its grammar")
                emissions.append(Emission(ticket=ticket, failure=failure))
        return emissions

    def _start(self, ticket: int, job: Job) -> None:
        sampler = self._model.sampler(job.sampling)
        self._running.append(
            Sequence(
                ticket=ticket,
                job=job,
                slot=self._free_slots.pop(0),
                sampler=sampler,
                cells=self._cells_for(job),
                start_s=self._clock.monotonic_s(),
            )
        )

    def _cells_for(self, job: Job) -> int:
        return min(len(job.prompt) + job.max_tokens, self._model.context_tokens)

    def _free_cells(self) -> int:
        return self._model.kv_cells - sum(sequence.cells for sequence in self._running)

    def _plan(self) -> tuple[list[BatchToken], list[tuple[Sequence, int]]]:
        counts = share_batch([len(s.pending) for s in self._running], self._model.batch_tokens)
        shares = [(s, count) for s, count in zip(self._running, counts, strict=True) if count]
        return [row for s, count in shares for row in s.next_tokens(count)], shares

    def _decode(self, rows: list[BatchToken], shares: list[tuple[Sequence, int]]) -> list[Emission]:
        try:
            self._model.decode(rows)
        except KvCacheFull:
            return [self._evict_youngest()]
        emissions = []
        row = -1
        for sequence, count in shares:
            row += count
            if sequence.decoded(count):
                emissions.append(self._sample(sequence, row))
        return emissions

    def _sample(self, sequence: Sequence, row: int) -> Emission:
        token = sequence.sampler.sample(row)
        is_end = self._model.is_end(token)
        emission = sequence.take(
            token,
            piece=b"" if is_end else self._model.piece(token),
            is_end=is_end,
            context_tokens=self._model.context_tokens,
        )
        if emission.is_last:
            self._release(sequence)
            taken_s = self._clock.monotonic_s() - sequence.start_s
            self._mean_request_s += _MEAN_WEIGHT * (taken_s - self._mean_request_s)
        return emission

    def _evict_youngest(self) -> Emission:
        """Give up the latest arrival so that the others go on; admission makes this the exception."""
        youngest = max(self._running, key=lambda sequence: sequence.ticket)
        self._release(youngest)
        failure = errors.EngineQueueFull(
            self._name, "the KV cache has no free cells", retry_after_s=self._wait_s()
        )
        return Emission(ticket=youngest.ticket, failure=failure)

    def _release(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._model.forget(sequence.slot)
        sequence.sampler.close()
        self._free_slots.append(sequence.slot)

    def _note_load(self, *, stepped: bool) -> None:
        self.load = Load(
            slots_busy=len(self._running),
            queued=len(self._waiting),
            steps=self.load.steps + stepped,
            kv_cells_used=sum(sequence.position for sequence in self._running),
        )
