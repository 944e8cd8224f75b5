"""Identical requests that are in flight together are answered by one call of a model.

The first one's dispatch runs in a task of its own, and all read from what it has given so far: who comes
later gets the pieces from the beginning. It runs by the deadline of the first, pays by the budgets of the
first, and ends when the last caller has left.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, fields, replace

from gateway.clock import Clock
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.dispatcher import before_reply
from gateway.domain.answer import Answer, CachedDelta, Delta, StreamEvent
from gateway.domain.decision import Decision
from gateway.errors import DeadlinePassed
from gateway.extras.cache.request_key import FlightKey
from gateway.pipeline.context import CallContext
from gateway.tasks import Tasks

Begin = Callable[[], AsyncGenerator[StreamEvent, None]]
"""Begins the dispatch of a request."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Reader:
    """A caller that waits for an answer."""

    decision: Decision
    context: CallContext
    is_first: bool
    """Whether its dispatch runs."""


class SharedCall:
    """One dispatch, and the callers that read from it."""

    def __init__(self, begin: Begin, log: AttemptLog, *, tasks: Tasks, clock: Clock) -> None:
        self._log = log
        """Of the first; it grows while the call runs."""
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._readers: list[_Reader] = []
        self._payer: _Reader | None = None
        """Whose the answer and its cost are, once there is one: the first of those that have not left."""
        self._log_taken = 0
        """How many of the first's attempts are told of by a caller that has left."""
        self._events: list[StreamEvent] = []
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._task = tasks.start("call of several callers", self._run(begin))

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self._task.done()

    @property
    def has_readers(self) -> bool:
        """Whether somebody waits for the answer."""
        return bool(self._readers)

    @property
    def ran_s(self) -> float:
        """How long ago it began."""
        return self._clock.monotonic_s() - self._began_s

    async def read(self, reader: _Reader) -> AsyncGenerator[StreamEvent, None]:
        """Yield what the call gives; raises what it raises, and DeadlinePassed by the reader's own deadline.

        Close it to leave.
        """
        self._readers.append(reader)
        try:
            position = 0
            while True:
                while position < len(self._events):
                    yield self._as_told(reader, self._events[position], is_begin=position == 0)
                    position += 1
                if self.is_over:
                    if self._error is not None:
                        raise self._error
                    if self._task.cancelled():
                        raise asyncio.CancelledError
                    return
                await self._more(reader)
        finally:
            await self._leave(reader)

    async def _run(self, begin: Begin) -> None:
        try:
            async with aclosing(begin()) as events:
                async for event in events:
                    if isinstance(event, Answer):
                        self._settle()
                    self._events.append(event)
                    self._wake()
        except Exception as error:  # noqa: BLE001  Each reader raises it, a defect too.
            self._error = error
            self._settle()
        finally:
            asyncio.get_running_loop().call_soon(self._wake)  # By then the task is done.

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _more(self, reader: _Reader) -> None:
        if reader.is_first:  # Its deadline is the call's.
            await self._news.wait()
            return
        try:
            left_s = before_reply(reader.context.deadline).remaining_s(self._clock)
            async with asyncio.timeout(left_s) as limit:
                await self._news.wait()
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before an answer") from None

    def _settle(self) -> None:
        """Give the attempts of the call to the first caller that is still there."""
        if self._payer is None and self._readers:
            self._payer = self._readers[0]
            self._give_attempts(self._payer)

    def _give_attempts(self, reader: _Reader) -> None:
        if not reader.is_first:
            reader.context.attempt_log.adopt(self._log, since=self._log_taken)
            self._log_taken = len(self._log.attempts)

    async def _leave(self, reader: _Reader) -> None:
        self._readers.remove(reader)
        if reader.is_first:
            self._log_taken = len(self._log.attempts)
        if self._readers or self.is_over:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._payer is None:
            self._give_attempts(reader)

    def _as_told(self, reader: _Reader, event: StreamEvent, *, is_begin: bool) -> StreamEvent:
        """Return an event as this caller is told it."""
        match event:
            case Answer():
                return self._answer_of(reader, event)
            case Delta() if is_begin and not reader.is_first:
                return as_cached(event, age_s=0.0)
        return event

    def _answer_of(self, reader: _Reader, answer: Answer) -> Answer:
        if reader.is_first:
            return answer
        if reader is not self._payer:
            return replace(answer, decision=reader.decision, attempts=(), cost_usd_nanos=0, cached_age_s=0.0)
        log = reader.context.attempt_log
        return replace(
            answer, decision=reader.decision, attempts=log.attempts, cost_usd_nanos=log.cost_usd_nanos
        )


class InFlight:
    """The calls of a process that may be shared."""

    def __init__(self, *, tasks: Tasks, clock: Clock) -> None:
        self._tasks = tasks
        self._clock = clock
        self._calls: dict[FlightKey, SharedCall] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._calls)

    async def answers(
        self, key: FlightKey, begin: Begin, decision: Decision, context: CallContext
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield what the call of an identical request gives, or begin one.

        A failure of the call is one of all its callers. Where it failed for the deadline of the first, one
        that was told nothing yet and has time for another goes on with that, together with the others.
        """
        was_told = False
        while True:
            with self._call(key, begin, context) as (call, is_first):
                reader = _Reader(decision=decision, context=context, is_first=is_first)
                try:
                    async with aclosing(call.read(reader)) as events:
                        async for event in events:
                            yield event
                            was_told = True
                    return
                except DeadlinePassed:
                    left_s = before_reply(context.deadline).remaining_s(self._clock)
                    if is_first or was_told or left_s <= call.ran_s:
                        raise

    @contextmanager
    def _call(self, key: FlightKey, begin: Begin, context: CallContext) -> Iterator[tuple[SharedCall, bool]]:
        """Give the call in flight, or a new one, and say whether it is new."""
        call = self._calls.get(key)
        is_new = call is None or call.is_over or not call.has_readers
        if call is None or is_new:
            call = SharedCall(begin, context.attempt_log, tasks=self._tasks, clock=self._clock)
            self._calls[key] = call
        try:
            yield call, is_new
        finally:
            if not call.has_readers and self._calls.get(key) is call:
                del self._calls[key]


def as_cached(delta: Delta, *, age_s: float) -> CachedDelta:
    """Return a piece as the first one of an answer that was made for an earlier request."""
    same = {each.name: getattr(delta, each.name) for each in fields(Delta)}
    return CachedDelta(**same, cached_age_s=age_s)
