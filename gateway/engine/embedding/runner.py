"""Makes the vectors of texts, many in a batch: one loop of pick, embed, hand over.

One thread owns the model and calls `run`; any thread may call `submit`. Requests take turns: each puts its
next text into the batch before any puts in another one, so a short request does not wait for a long one. A
request that was cancelled, or whose deadline passed, is left out of the next batch.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway import errors
from gateway.clock import Clock, Deadline
from gateway.domain.decision import Reason
from gateway.domain.vectors import scaled
from gateway.engine.metrics import EngineLoad, EngineMetrics

_WEIGHT = 0.2
"""Weight of the latest batch in the mean of the seconds for a token."""
CANCELLED = "CANCELLED"
EMBEDDED = "STOP"
"""How requests end, in the words of GetStatus."""


class Embedder(Protocol):
    """A model as the runner uses it, from one thread."""

    context_tokens: int
    """The most tokens of one text."""
    slots: int
    """The most texts of one batch."""
    batch_tokens: int
    """The most tokens of one batch; at least `context_tokens`."""

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the vector of each input; raises DecodeFailed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Texts of which the vectors are wanted, as the runner takes them; tokenized by the server."""

    inputs: tuple[tuple[int, ...], ...] = field(repr=False)
    dimensions: int | None = None
    """How many of the first dimensions to keep; None: all."""
    deadline: Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOutput:
    """The next vectors of a request, or why it failed."""

    vectors: tuple[bytes, ...] = field(default=(), repr=False)
    failure: errors.GatewayError | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    request: EmbeddingRequest
    deliver: Callable[[EmbeddingOutput], None]
    submitted_s: float
    taken: int = 0
    """How many of its texts were put into batches."""
    is_cancelled: bool = False

    @property
    def tokens_left(self) -> int:
        return sum(map(len, self.request.inputs[self.taken :]))


class EmbeddingRunner:
    """Runs the requests of one embedding model, from submission to their last vector."""

    def __init__(self, model: Embedder, *, name: str, clock: Clock, queue_limit: int) -> None:
        self._model = model
        self._name = name
        self._clock = clock
        self._most_jobs = model.slots + queue_limit
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        """Those with texts that are in no batch yet; the first one's turn comes next."""
        self._is_closed = False
        self._is_busy = False
        self.token_s = 0.0
        """Seconds for one token, lately; 0.0 before the first batch."""
        self.metrics = EngineMetrics()
        self.iterations = 0
        """Batches since the start; an engine that is not idle and makes none hangs."""

    @property
    def is_idle(self) -> bool:
        """Whether no request runs or waits."""
        return not (self._jobs or self._is_busy)

    @property
    def load(self) -> EngineLoad:
        """How busy the engine is; for any thread."""
        jobs = len(self._jobs)
        return EngineLoad(slots_busy=min(jobs, self._model.slots), queued=max(0, jobs - self._model.slots))

    @property
    def wait_s(self) -> float:
        """Predicted seconds until everything that waits is done."""
        with self._changed:
            return self._wait_s()

    def submit(
        self, request: EmbeddingRequest, deliver: Callable[[EmbeddingOutput], None]
    ) -> Callable[[], None]:
        """Queue a request and return what cancels it; raises ContextTooLong or EngineQueueFull.

        `deliver` is called by the thread of the model, for all vectors in order.
        """
        self._check_lengths(request)
        with self._changed:
            if self._is_closed:
                raise errors.EngineDown(self._name, "the engine is stopping")
            job = _Job(request=request, deliver=deliver, submitted_s=self._clock.monotonic_s())
            self._check_queue(job)
            self._jobs.append(job)
            self._changed.notify()
        return lambda: self._cancel(job)

    def _check_lengths(self, request: EmbeddingRequest) -> None:
        most = self._model.context_tokens
        for number, tokens in enumerate(request.inputs):
            if len(tokens) > most:
                self.metrics.requests[Reason.CONTEXT_LENGTH_EXCEEDED] += 1
                which = f"text {number + 1} of {len(request.inputs)}"
                detail = f"{which} has {len(tokens)} tokens, and the model takes {most}; nothing is cut off"
                raise errors.ContextTooLong(self._name, detail)

    def _check_queue(self, job: _Job) -> None:
        """Raise EngineQueueFull for one job too many, or one that would be late behind the others."""
        wait_s = self._wait_s()
        left_s = job.request.deadline.remaining_s(self._clock)
        taken_s = wait_s + job.tokens_left * self.token_s
        if len(self._jobs) >= self._most_jobs:
            detail = f"the queue is full (requests: {len(self._jobs)})"
        elif self._jobs and taken_s > left_s:
            detail = f"the vectors are expected to take {taken_s:.1f} s, and have {left_s:.1f} s"
        else:
            return
        self.metrics.requests[Reason.QUEUE_FULL] += 1
        raise errors.EngineQueueFull(self._name, detail, retry_after_s=max(0.1, wait_s))

    def _wait_s(self) -> float:
        return self.token_s * sum(job.tokens_left for job in self._jobs)

    def _cancel(self, job: _Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self.metrics.requests[CANCELLED] += 1
            job.is_cancelled = True

    def close(self) -> None:
        """Let `run` return after its batch; requests get no further output."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def run(self) -> None:
        """Embed until closed; sleep while idle; raises DecodeFailed."""
        while self._wait_for_work():
            self.step()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not self._jobs and not self._is_closed:
                self._changed.wait()
            return not self._is_closed

    def step(self) -> None:
        """Embed one batch and hand the vectors over."""
        with self._changed:
            late = self._drop_late()
            batch = self._pick()
            self._is_busy = bool(batch)
        for job in late:
            failure = errors.DeadlinePassed(f"{self._name}: the deadline passed after {job.taken} texts")
            self.metrics.requests[failure.reason] += 1
            job.deliver(EmbeddingOutput(failure=failure))
        if batch:
            self._embed(batch)
        self.iterations += 1
        self._is_busy = False

    def _drop_late(self) -> list[_Job]:
        now_s = self._clock.monotonic_s()
        late = [job for job in self._jobs if job.request.deadline.at_s <= now_s]
        for job in late:
            self._jobs.remove(job)
        return late

    def _pick(self) -> list[tuple[_Job, tuple[int, ...]]]:
        """Take texts in turns until the batch is full; a job that does not fit keeps its turn."""
        batch: list[tuple[_Job, tuple[int, ...]]] = []
        left_tokens = self._model.batch_tokens
        while self._jobs and len(batch) < self._model.slots:
            job = self._jobs[0]
            tokens = job.request.inputs[job.taken]
            if len(tokens) > left_tokens:
                break
            left_tokens -= len(tokens)
            batch.append((job, tokens))
            if job.taken == 0:
                self.metrics.queue_s.add(self._clock.monotonic_s() - job.submitted_s)
            job.taken += 1
            self._jobs.popleft()
            if job.taken < len(job.request.inputs):
                self._jobs.append(job)
        return batch

    def _embed(self, batch: list[tuple[_Job, tuple[int, ...]]]) -> None:
        start_s = self._clock.monotonic_s()
        vectors = self._model.embed([tokens for _, tokens in batch])
        self._record(batch, self._clock.monotonic_s() - start_s)
        made: dict[_Job, list[bytes]] = {}
        for (job, _), vector in zip(batch, vectors, strict=True):
            made.setdefault(job, []).append(scaled(vector, job.request.dimensions))
        for job, found in made.items():
            is_last = job.taken == len(job.request.inputs)
            if is_last:
                self.metrics.requests[CANCELLED if job.is_cancelled else EMBEDDED] += 1
            if not job.is_cancelled:
                job.deliver(EmbeddingOutput(vectors=tuple(found)))

    def _record(self, batch: list[tuple[_Job, tuple[int, ...]]], taken_s: float) -> None:
        tokens = sum(len(each) for _, each in batch)
        lately_s = taken_s / tokens
        self.token_s = self.token_s + _WEIGHT * (lately_s - self.token_s) if self.token_s else lately_s
        self.metrics.record_step(sequences=len(batch), prompt_tokens=tokens, decode_s=taken_s)
        self.metrics.step_s += taken_s
