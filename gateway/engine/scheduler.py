"""Continuous batching: one loop of schedule, decode, sample, emit.

One thread owns the model and calls `run`; any thread may call `submit` and `cancel`. Every step checks
cancellations and deadlines first, and a cancel interrupts a step that reads the prompt of its request, so a
slot is free again within one step. A request gets a slot only when the KV cache has cells for its prompt and
`max_tokens` (at most the context), so no running request is preempted for lack of cells."""

import threading
from collections.abc import Callable
from dataclasses import replace

from gateway import errors
from gateway.clock import Clock
from gateway.domain.answer import FinishReason, Outcome
from gateway.domain.decision import Reason
from gateway.engine.batch import share_forced, share_guesses, share_prompts
from gateway.engine.draft import NO_SPECULATION, Asked, Draft, Speculation
from gateway.engine.interfaces import (
    Constraint,
    DecodeInterrupted,
    EngineRequest,
    KvCacheFull,
    Model,
)
from gateway.engine.metrics import EngineLoad, EngineMetrics
from gateway.engine.output_router import OutputGatherer
from gateway.engine.prefix_cache import CachedSequence, PrefixCache, common_length
from gateway.engine.prompt_lookup import Payoff, PromptLookup
from gateway.engine.queue import MIN_RETRY_S, Admission, QueuedRequest, RequestQueue
from gateway.engine.request_errors import failure_of
from gateway.engine.sequence import Sequence, StepOutput
from gateway.engine.throughput import ServiceForecast, ThroughputModel, Work

QUEUE_LIMIT = 32
"""Requests that may wait; one more is refused, since another model answers it sooner."""
SAMPLING_S = 0.05
"""Seconds that a constraint may take for a token, or the duration of the decode step if that is longer. Of a
usual schema: 50 us with a vocabulary of 50,000 tokens."""
MAX_SAMPLING_DEBT_S = 1.0
"""How many seconds over `SAMPLING_S` end a request, since all others wait for it."""
MAX_TOKEN_DEBT_S = 0.6
"""Most seconds that one token adds to that: the machine may have delayed it."""


class Scheduler:
    """Schedules the requests of one model, from submission to their last output."""

    def __init__(
        self,
        model: Model,
        *,
        name: str,
        clock: Clock,
        deliver: Callable[[list[StepOutput]], None],
        queue_limit: int = QUEUE_LIMIT,
        kept_bytes: int = 0,
        speculation: Speculation = NO_SPECULATION,
        report: Callable[[str], None] = lambda fault: None,
    ) -> None:
        self._model = model
        self._name = name
        self._clock = clock
        self._outputs = OutputGatherer(deliver, clock)
        self._report = report
        self._looks_up = speculation.looks_up and model.can_share
        self._draft = speculation.draft if model.can_share else None
        self._guesses = self._looks_up or self._draft is not None
        self._guess_s = 0.0
        """Seconds that the guesses of the next step took."""
        self._payoff = Payoff()
        self._changed = threading.Condition()
        self._cancelled: set[int] = set()
        self._reading: frozenset[int] = frozenset()
        """Tickets whose prompts are in the running step."""
        self._is_closed = False
        self._tickets = 0
        self._step_s = 0.0
        """Seconds of the latest decode."""
        self._running: list[Sequence] = []
        self._cache = PrefixCache(model, kept_bytes=kept_bytes)
        self.throughput = ThroughputModel(model.slots, clock=clock)
        self.metrics = EngineMetrics()
        self._queue = RequestQueue(
            name=name,
            limit=queue_limit,
            slots=model.slots,
            throughput=self.throughput,
            known_tokens=lambda request: self._cache.longest_match(request.tenant, request.prompt)[1],
        )
        self.iterations = 0
        """Iterations of the loop since the start; an engine that is not idle and makes none hangs."""

    @property
    def load(self) -> EngineLoad:
        """How busy the engine is; for any thread."""
        return EngineLoad(
            slots_busy=len(self._running),
            queued=len(self._queue),
            kv_cells_used=self._cache.cells_used,
            kept_tokens=self._cache.kept_tokens,
            kept_bytes=self._cache.kept_bytes,
        )

    def submit(self, request: EngineRequest) -> int:
        """Queue a request and return its ticket; raises ContextTooLong or EngineQueueFull immediately."""
        if len(request.prompt) >= self._model.context_tokens:
            self.metrics.requests[Reason.CONTEXT_LENGTH_EXCEEDED] += 1
            raise errors.ContextTooLong(
                self._name,
                f"the prompt of {len(request.prompt)} tokens does not fit "
                f"the context of {self._model.context_tokens}",
            )
        with self._changed:
            if self._is_closed:
                raise errors.EngineDown(self._name, "the engine is stopping")
            self._tickets += 1
            now_s = self._clock.monotonic_s()
            request = replace(
                request, max_tokens=min(request.max_tokens, self._model.context_tokens - len(request.prompt))
            )
            try:
                self._queue.add(self._tickets, request, now_s=now_s, busy=self._work_left(now_s))
            except errors.EngineQueueFull:
                self.metrics.requests[Reason.QUEUE_FULL] += 1
                raise
            self._changed.notify()
            return self._tickets

    def cancel(self, ticket: int) -> None:
        """Cancel a request: its slot is free before the next step, and it gets no further output."""
        with self._changed:
            if removed := self._queue.remove(lambda entry: entry.ticket == ticket):
                self._record_abort(removed[0])
                self.metrics.requests[Outcome.CANCELLED] += 1
                return
            self._cancelled.add(ticket)
            if ticket in self._reading:
                self._model.interrupt()
            self._changed.notify()

    def forecast(self) -> ServiceForecast:
        """Return the forecast for one more request; for any thread."""
        with self._changed:
            return self._queue.forecast(self._work_left(self._clock.monotonic_s()))

    def _work_left(self, now_s: float) -> list[Work]:
        """Return the remaining work of the running requests, without cancelled and expired ones."""
        return [
            sequence.work_left(now_s)
            for sequence in self._running
            if sequence.ticket not in self._cancelled and sequence.request.deadline.at_s > now_s
        ]

    def close(self) -> None:
        """Let `run` return after its step; running requests get no further output."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    @property
    def is_idle(self) -> bool:
        """Whether no request runs or waits."""
        return not (self._running or len(self._queue) or self._cancelled)

    def run(self) -> None:
        """Step until closed; sleep while idle; raises DecodeFailed.

        Outputs are delivered just before a decode: `llama_decode` releases the
        interpreter lock to the threads that send them, which would delay this thread at any other time."""
        while True:
            if self.is_idle:  # Deliver before sleeping.
                self._outputs.deliver_due(all_due=True)
            if not self._wait_for_work():
                break
            start_s, steps = self._clock.monotonic_s(), self.metrics.steps
            ended, shares = self._schedule()
            self._outputs.add(ended)
            # Reading a prompt takes long.
            is_reading = any(not sequence.is_answering for sequence, _ in shares)
            self._outputs.deliver_due(all_due=is_reading, step_s=self._step_s)
            self._outputs.add(self._decode(shares) if shares else [])
            self.iterations += 1
            if self.metrics.steps > steps:
                self.metrics.step_s += self._clock.monotonic_s() - start_s
        self._outputs.deliver_due(all_due=True)

    def step(self) -> list[StepOutput]:
        """Do one step: schedule, decode, sample; return the outputs."""
        ended, shares = self._schedule()
        return [*ended, *self._decode(shares)] if shares else ended

    def _schedule(self) -> tuple[list[StepOutput], list[tuple[Sequence, int]]]:
        """Return outputs of requests that ended, and the sequences of the step with their token counts."""
        return [*self._drop_ended(), *self._admit()], self._plan()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while self.is_idle and not self._is_closed:
                self._changed.wait()
            return not self._is_closed

    def _drop_ended(self) -> list[StepOutput]:
        """End requests that were cancelled or whose deadline passed, waiting or running."""
        now_s = self._clock.monotonic_s()
        with self._changed:
            self._model.resume()
            self._reading = frozenset()
            cancelled, self._cancelled = self._cancelled, set()
            expired = self._queue.remove(lambda entry: entry.request.deadline.at_s <= now_s)
            for entry in expired:
                self._queue.record_end(entry, is_in_time=False)
        outputs = [self._deadline_passed(entry.ticket, "in the queue") for entry in expired]
        for sequence in list(self._running):
            if sequence.ticket in cancelled:
                self.metrics.requests[Outcome.CANCELLED] += 1
                self._abort(sequence)
            elif sequence.request.deadline.at_s <= now_s:
                self._abort(sequence)
                done = f"after {sequence.completion_tokens} tokens"
                outputs.append(self._deadline_passed(sequence.ticket, done))
        return outputs

    def _abort(self, sequence: Sequence) -> None:
        """End an incomplete answer; its length counts as a lower bound."""
        self.throughput.record_answer(sequence.completion_tokens, is_cut=True)
        self._release(sequence, keep=False)
        with self._changed:
            self._record_abort(sequence.entry)

    def _record_abort(self, entry: QueuedRequest) -> None:
        """Record in the queue that the deadline or the caller ended a request."""
        self._queue.record_end(entry, is_in_time=False if entry.is_late(self._clock.monotonic_s()) else None)

    def _deadline_passed(self, ticket: int, where: str) -> StepOutput:
        return self._failed(ticket, errors.DeadlinePassed(f"{self._name}: the deadline passed {where}"))

    def _failure(self, error: Exception, request: EngineRequest) -> errors.GatewayError:
        return failure_of(error, model=self._name, sampling=request.sampling)

    def _failed(self, ticket: int, failure: errors.GatewayError) -> StepOutput:
        self.metrics.requests[failure.reason] += 1
        if isinstance(failure, errors.EngineFault):
            self._report(str(failure))
        return StepOutput(ticket=ticket, failure=failure)

    def _admit(self) -> list[StepOutput]:
        """Give slots to waiting requests in queue order, while slots and cells are free."""
        outputs = []
        while len(self._running) < self._model.slots and (entry := self._pop()) is not None:
            cells = len(entry.request.prompt) + entry.request.max_tokens
            cached = self._cache.begin(entry.request.tenant, entry.request.prompt, cells)
            if cached is None:
                self._put_back(entry)
                break
            try:
                self._running.append(self._start(entry, cached))
            except Exception as error:  # noqa: BLE001  fails the request; a defect is also reported
                self._cache.end(cached, keep=False)
                self._record_end(
                    entry, is_in_time=False if isinstance(error, errors.EngineQueueFull) else None
                )
                outputs.append(self._failed(entry.ticket, self._failure(error, entry.request)))
        return outputs

    def _pop(self) -> QueuedRequest | None:
        with self._changed:
            return self._queue.pop()

    def _put_back(self, entry: QueuedRequest) -> None:
        with self._changed:
            self._queue.put_back(entry)

    def _start(self, entry: QueuedRequest, cached: CachedSequence) -> Sequence:
        """Return the sequence of a request; raises EngineQueueFull if it would be late."""
        now_s, request = self._clock.monotonic_s(), entry.request
        work = Work(prompt_tokens=len(request.prompt) - len(cached.tokens), max_tokens=request.max_tokens)
        taken_s = self.throughput.predict_s(work, sequences=len(self._running) + 1)
        is_bound = self._running and entry.admission is Admission.PREDICTED
        if now_s + taken_s > request.deadline.at_s and is_bound:
            left_s = request.deadline.at_s - now_s
            late = f"an answer is expected to take {taken_s:.1f} s, and has {left_s:.1f} s left"
            raise errors.EngineQueueFull(self._name, late, retry_after_s=taken_s)
        sampler = self._model.sampler(request.sampling, request.matcher)
        self.metrics.queue_s.add(now_s - entry.submitted_s)
        self.metrics.prompt_tokens_reused += len(cached.tokens)
        lookup = PromptLookup(request.prompt) if self._looks_up else None
        return Sequence(entry, cached=cached, sampler=sampler, lookup=lookup)

    def _plan(self) -> list[tuple[Sequence, int]]:
        """Return the sequences of the next step with their token counts.

        An answer has one token, and those that its constraint forces; a prompt has more.
        """
        answering = [sequence for sequence in self._running if sequence.is_answering]
        reading = [sequence for sequence in self._running if not sequence.is_answering]
        forced = share_forced(
            [len(sequence.pending) for sequence in answering], most=self._model.batch_tokens
        )
        answers = self._guess(list(zip(answering, forced, strict=True)), is_reading=bool(reading))
        if not reading:
            return answers
        most = self._model.batch_tokens - sum(forced)
        budget = self.throughput.prompt_budget(answering=len(answering), most=most)
        counts = share_prompts([len(sequence.pending) for sequence in reading], budget=budget, most=most)
        parts = [(sequence, count) for sequence, count in zip(reading, counts, strict=True) if count]
        with self._changed:
            self._reading = frozenset(sequence.ticket for sequence, _ in parts)
            if self._reading & self._cancelled:
                self._model.interrupt()
        return [*answers, *parts]

    def _guess(self, answers: list[tuple[Sequence, int]], *, is_reading: bool) -> list[tuple[Sequence, int]]:
        """Return the shares with the tokens guessed for each answer: none in a step that reads prompts."""
        most = 0
        if self._guesses and not is_reading and self._payoff.is_worth_it:
            most = share_guesses([count for _, count in answers], most=self._model.batch_tokens)
        start_s = self._clock.monotonic_s()
        for sequence, _ in answers:
            sequence.guess(most)
        if self._draft is not None and most:
            self._draft_tokens(self._draft, [sequence for sequence, _ in answers], most)
        self._guess_s = self._clock.monotonic_s() - start_s
        return [(sequence, count + len(sequence.guessed)) for sequence, count in answers]

    def _draft_tokens(self, draft: Draft, answering: list[Sequence], most: int) -> None:
        """Let the draft model guess for the answers in which nothing repeats itself."""
        asked = [
            Asked(
                ticket=sequence.ticket,
                sequence=sequence.cached.sequence,
                tokens=[*sequence.cached.tokens, *sequence.pending],
                most=room,
            )
            for sequence in answering
            if not sequence.guessed and (room := sequence.room(most))
        ]
        guesses = draft.guess(asked) if asked else {}
        for sequence in answering:
            sequence.guessed = guesses.get(sequence.ticket) or sequence.guessed

    def _decode(self, shares: list[tuple[Sequence, int]]) -> list[StepOutput]:
        """Decode one batch and sample a token for each sequence whose prompt is decoded."""
        start_s = self._clock.monotonic_s()
        try:
            self._model.decode([row for sequence, count in shares for row in sequence.next_tokens(count)])
        except KvCacheFull:
            return [self._abort_youngest()]
        except DecodeInterrupted:
            for sequence, _ in shares:
                self._cache.restore(sequence.cached)
            return []
        self._step_s = self._clock.monotonic_s() - start_s
        self._record_step(shares, self._step_s)
        is_guessed, done = any(sequence.guessed for sequence, _ in shares), self.metrics.completion_tokens
        outputs = []
        row = -1
        for sequence, count in shares:
            row += count
            self._cache.extend(sequence.cached, sequence.pending[:count])
            if sequence.decoded(count):
                outputs.append(self._sample(sequence, row - len(sequence.guessed)))
        if self._guesses and not self._reading:
            self._payoff.record(
                answers=len(shares),
                tokens=self.metrics.completion_tokens - done,
                taken_s=self._clock.monotonic_s() - start_s + self._guess_s,
                is_guessed=is_guessed,
            )
        return outputs

    def _sample(self, sequence: Sequence, row: int) -> StepOutput:
        """Sample the next token of a sequence; an error in its samplers or text fails this request only."""
        done = sequence.completion_tokens
        try:
            start_s = self._clock.monotonic_s()
            self._take_guessed(sequence, row)
            output = sequence.output()
            if (constraint := sequence.request.sampling.constraint) is not None and not output.is_last:
                self._charge(sequence, constraint, self._clock.monotonic_s() - start_s)
        except Exception as error:  # noqa: BLE001  fails the request; a defect is also reported
            self._release(sequence, keep=False)
            self._record_end(sequence.entry, is_in_time=None)
            return self._failed(sequence.ticket, self._failure(error, sequence.request))
        self.metrics.completion_tokens += sequence.completion_tokens - done
        if done == 0:
            sequence.first_token_s = self._clock.monotonic_s()
            self.metrics.first_token_s.add(sequence.first_token_s - sequence.submitted_s)
        if output.finish_reason is not None:
            self._record_answer(sequence, output.finish_reason)
            self._release(sequence, keep=True)
        return output

    def _charge(self, sequence: Sequence, constraint: Constraint, taken_s: float) -> None:
        """Charge the seconds of a constrained token; raises NotCapable when they add up to too many."""
        over_s = min(taken_s - max(SAMPLING_S, self._step_s), MAX_TOKEN_DEBT_S)
        sequence.sampling_debt_s = max(0.0, sequence.sampling_debt_s + over_s)
        if sequence.sampling_debt_s > MAX_SAMPLING_DEBT_S:
            message = f"{constraint.request_field}: takes too long, {taken_s:.2f} s for a token"
            raise errors.NotCapable(self._name, message, field=constraint.request_field)

    def _take(self, sequence: Sequence, row: int) -> None:
        """Sample a token, and take those that it forces: they need no logits, so one step decodes all."""
        sampler = sequence.sampler
        token = sampler.sample(row)
        instead = sequence.reader.steer(token, self._piece(token), is_end=self._model.is_end(token))
        if instead == ():
            sampler.arm()
            token, instead = sampler.sample(row), None
        if instead is None:
            self._append(sequence, token)
            if sequence.wants_logprob and (logprob := sampler.logprob(row, token)) is not None:
                sequence.report(logprob)
        while sequence.finish_reason is None and (forced := instead or sequence.forced()):
            instead = None
            for token in forced:
                sampler.accept(token)
                self._append(sequence, token)
                if sequence.finish_reason is not None:
                    return

    def _take_guessed(self, sequence: Sequence, row: int) -> None:
        """Take a token, and one more for each guessed token that turns out to be what comes next."""
        guessed, sequence.guessed = sequence.guessed, ()
        right = 0
        while not sequence.pending and sequence.finish_reason is None:
            self._take(sequence, row + right)
            same = common_length(sequence.pending, guessed[right:])
            self._cache.extend(sequence.cached, sequence.pending[:same])
            sequence.decoded(same)
            right += same
        if guessed:
            self._cache.restore(sequence.cached)
            sequence.judge(guessed=len(guessed), right=right)
            self.metrics.guessed_tokens += len(guessed)
            self.metrics.right_tokens += right

    def _append(self, sequence: Sequence, token: int) -> None:
        sequence.take(token, piece=self._piece(token), is_end=self._model.is_end(token))

    def _piece(self, token: int) -> bytes:
        return b"" if self._model.is_end(token) else self._model.piece(token)

    def _abort_youngest(self) -> StepOutput:
        """Abort the latest arrival so that the others continue; admission makes this rare."""
        youngest = max(self._running, key=lambda sequence: sequence.ticket)
        self._release(youngest, keep=False)
        self._record_end(youngest.entry, is_in_time=None)
        failure = errors.EngineQueueFull(
            self._name, "the KV cache has no free cells", retry_after_s=MIN_RETRY_S
        )
        return self._failed(youngest.ticket, failure)

    def _release(self, sequence: Sequence, *, keep: bool) -> None:
        self._running.remove(sequence)
        self._cache.end(sequence.cached, keep=keep)
        if self._draft is not None:
            self._draft.forget(sequence.cached.sequence)
        sequence.sampler.close()

    def _record_step(self, shares: list[tuple[Sequence, int]], taken_s: float) -> None:
        answering = sum(sequence.is_answering for sequence, _ in shares)
        prompt_tokens = sum(count for sequence, count in shares if not sequence.is_answering)
        forced_tokens = sum(count - 1 for sequence, count in shares if sequence.is_answering)
        self.throughput.record_step(
            answering=answering, prompt_tokens=prompt_tokens + forced_tokens, taken_s=taken_s
        )
        self.metrics.record_step(sequences=len(shares), prompt_tokens=prompt_tokens, decode_s=taken_s)

    def _record_end(self, entry: QueuedRequest, *, is_in_time: bool | None) -> None:
        with self._changed:
            self._queue.record_end(entry, is_in_time=is_in_time)

    def _record_answer(self, sequence: Sequence, reason: FinishReason) -> None:
        self._record_end(sequence.entry, is_in_time=True)
        self.metrics.requests[reason] += 1
        self.throughput.record_answer(sequence.completion_tokens, is_cut=reason is FinishReason.LENGTH)
        if sequence.completion_tokens > 1:
            taken_s = self._clock.monotonic_s() - sequence.first_token_s
            self.metrics.per_token_s.add(taken_s / (sequence.completion_tokens - 1))
