"""Processes that score long texts, so that neither the event loop nor other callers wait for them.

Threads would not do: they share the interpreter's lock with the event loop. A process is started for the
first job that finds none idle, is told when its caller has gone, and is replaced when it does not listen.
"""

import asyncio
import contextlib
import pickle
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from gateway.clock import Clock, Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.domain.strings import strings_of
from gateway.errors import DeadlinePassed, Overloaded
from gateway.pipeline.assessor import Assessment, unassessed
from gateway.pipeline.scoring_worker import LENGTH, Answer, Idle, PolicyUnknown, ScoringJob
from gateway.policy.model import Policy
from gateway.policy.source import Source
from gateway.privacy.scanner import Summary
from gateway.tasks import Tasks, child

PROCESSES = 2
"""Two, so that one tenant's long texts leave one for the others."""
QUEUE = 64
"""Jobs that wait; each holds its request's text."""
SHORT_CHARS = 8 * 1024
SHORT_QUEUE = 1024
"""Jobs that may wait where one more is as short as that: those that found no turn at the event loop."""
LISTEN_S = 1.0
"""How long a process may take to abandon a job; it does so between two instructions of Python."""
_CPU_FACTOR = 4
"""Masking scores a text up to three times, within one limit each; one more for all that is not a detector."""
_CHARS_PER_S = 2_048_000
"""As the scorer's own limit grows with the text."""
_log = structlog.get_logger()


class ScoringPool:
    """Scores for every policy of this process; `has_tenants`: it tells callers apart."""

    def __init__(
        self, clock: Clock, *, has_tenants: bool = True, processes: int = PROCESSES, value_key: bytes = b""
    ) -> None:
        self._clock = clock
        self._value_key = value_key
        self._has_tenants = has_tenants
        self._size = processes
        self._gate = FairQueue(clock)
        self._idle: list[_Scorer] = []
        self._all: set[_Scorer] = set()
        self._started = 0
        """Processes there are, and those that are being started."""
        self._tasks = Tasks()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of its processes."""
        return tuple(scorer.pid for scorer in self._all)

    @property
    def busy(self) -> int:
        """How many jobs are being done."""
        return self._gate.running

    async def assess(
        self,
        policy: Policy,
        request: Request,
        entities: Entities,
        deadline: Deadline,
        known: Sequence[Summary | None] | None = None,
    ) -> Assessment:
        """Score and mask; raises DeadlinePassed and Overloaded. A process that fails makes it restricted."""
        place = self._gate.slot(request.tenant, bounds=self._bounds(request), until=deadline)
        held = AsyncExitStack()
        try:
            await held.enter_async_context(place)
        except NoSlot as full:
            raise Overloaded(
                "as many long texts are scored as may be, and there is no turn in time",
                retry_after_s=full.retry_after_s,
            ) from None
        scorer: _Scorer | None = None
        try:
            async with asyncio.timeout(deadline.remaining_s(self._clock)) as limit:
                scorer = self._idle.pop() if self._idle else await self._start()
                limit_s = _CPU_FACTOR * (policy.privacy.limit_ms / 1000 + _chars(request) / _CHARS_PER_S)
                job = ScoringJob(
                    policy.hash, None, request, entities, limit_s, known=known, value_key=self._value_key
                )
                return await scorer.assess(policy, job)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed while the request was scored") from None
        except (OSError, asyncio.IncompleteReadError):
            # What crashed on this text says nothing of it, so it counts as private.
            return unassessed("scoring process ended")
        finally:
            if scorer is not None and scorer.is_ready:
                self._idle.append(scorer)
                await held.aclose()
            else:
                # The caller does not wait for a process to abandon its job; its place stays taken meanwhile.
                self._tasks.start("return of a scoring process", self._take_back(scorer, held))

    def begin_warm_up(self) -> None:
        """Start all processes in the background."""
        self._tasks.start("start of the scoring processes", self.warm())

    async def warm(self) -> None:
        """Start all processes before jobs need them; one that does not start is logged.

        A start takes a second, and another tenant's long text would wait for it behind an attacker's.
        """
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while self._started < self._size:
                self._idle.append(await self._start())

    async def aclose(self) -> None:
        """End all processes; only when no job is left."""
        await self._tasks.drain()
        await asyncio.gather(*(scorer.end() for scorer in self._all))
        self._all.clear()
        self._idle.clear()

    def _bounds(self, request: Request) -> Bounds:
        """All but one process for a tenant."""
        most = max(1, self._size - 1) if self._has_tenants else self._size
        queue = SHORT_QUEUE if _chars(request) <= SHORT_CHARS else QUEUE
        return Bounds(concurrency=self._size, tenant_concurrency=most, queue=queue)

    async def _take_back(self, scorer: "_Scorer | None", held: AsyncExitStack) -> None:
        """Keep a process that is ready for the next job; end one that is not, and start another for it."""
        async with held:
            if scorer is not None:
                if await scorer.settle():
                    self._idle.append(scorer)
                else:
                    self._all.discard(scorer)
                    self._started -= 1
                    await self.warm()

    async def _start(self) -> "_Scorer":
        self._started += 1
        try:
            scorer = await _Scorer.start()
        except BaseException:
            self._started -= 1
            raise
        self._all.add(scorer)
        return scorer


class _Scorer:
    """One process, which does one job at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._answer: asyncio.Future[Answer] | None = None
        """Of the frame that was sent last."""

    @classmethod
    async def start(cls) -> "_Scorer":
        """Start a process and wait until it is ready; raises OSError and IncompleteReadError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # Leaves the working folder out of sys.path: a file in it could shadow a module.
            "-c",
            "from gateway.pipeline.scoring_worker import main; main()",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # A traceback may quote a text.
            # A signal to the gateway's process group is the gateway's.
            start_new_session=True,
        )
        scorer = cls(process)
        try:
            await scorer._read()
        except BaseException:
            await scorer.end()
            _log.warning("scoring.start_failed", status=process.returncode)
            raise
        return scorer

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it answered all that it was asked."""
        return self._answer is not None and self._answer.done() and self._answer.exception() is None

    async def assess(self, policy: Policy, job: ScoringJob) -> Assessment:
        """Return what comes of one job; raises OSError and IncompleteReadError when the process ends."""
        answer = await self._ask(job)
        if isinstance(answer, PolicyUnknown):
            answer = await self._ask(job._replace(policy=_for_scoring(policy)))
        if not isinstance(answer, Assessment):
            raise ConnectionError("a scoring process gave an answer to another question")
        return answer

    async def settle(self) -> bool:
        """Have the process abandon its job; say whether it did, and end it where it does not listen."""
        try:
            async with asyncio.timeout(LISTEN_S):
                if self._answer is not None and not self._answer.done():
                    self._process.send_signal(signal.SIGUSR1)
                    await asyncio.wait({self._answer})
                # After one more round the signal cannot hit the next job.
                return isinstance(await self._ask(Idle()), Idle)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            await self.end()
            return False

    async def end(self) -> None:
        """Kill the process: it holds nothing that outlives it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _ask(self, frame: ScoringJob | Idle) -> Answer:
        data = pickle.dumps(frame)
        stream = self._process.stdin
        if stream is None:
            raise ConnectionError("a scoring process has no pipe")
        stream.write(LENGTH.pack(len(data)) + data)
        self._answer = child(self._read(), name="answer of a scoring process")
        self._answer.add_done_callback(asyncio.Future.exception)  # Nobody may be left to hear of its end.
        await stream.drain()
        return await asyncio.shield(self._answer)

    async def _read(self) -> Answer:
        stream = self._process.stdout
        if stream is None:
            raise ConnectionError("a scoring process has no pipe")
        (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
        answer: Answer = pickle.loads(await stream.readexactly(length))  # noqa: S301  See the import.
        return answer


def _chars(request: Request) -> int:
    return sum(len(string.text) for string in strings_of(request))


def _for_scoring(policy: Policy) -> Policy:
    """Return a policy without what scoring does not need: some of it cannot be sent to another process."""
    return replace(
        policy,
        models=dict(policy.models),
        aliases={},
        keys={},
        rules=(),
        tests=(),
        cache=None,
        effective_yaml="",
        source=Source(name="policy", lines={}),
    )
