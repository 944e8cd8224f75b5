"""Second answers, to learn from: one at a time, after the caller has the first, in nobody's way."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.errors import BackendError, GatewayError
from gateway.extras.mirror.agreement import VERDICT_FORM, exact_agreement, judge_messages, read_verdict
from gateway.extras.mirror.selection import ENDED, MirrorCandidate, capped, draw, is_drawn_from
from gateway.pipeline.run import Pipeline
from gateway.policy.mirror import MirrorPolicy
from gateway.policy.model import Policy
from gateway.routing import decide_for, restrict_to
from gateway.tasks import Tasks, child
from gateway.types import Answer, Attempt, Decision, Hints, MirrorResult, Reason, Request, SampleResult

LOOK_EVERY_S = 0.05
"""How often a second answer looks whether a caller wants its model; then it gives way."""

Begin = Callable[[], AbstractContextManager[Pipeline]]
"""Gives the pipeline of the moment, which stays whole until the block ends."""
Tell = Callable[[MirrorResult, Policy], None]
"""Is told what came of each request that was drawn, but for one that a reload or the end dropped before it
began; quick, and never raises."""


class Mirror:
    """Has a share of requests answered by the other side, too; what comes while it is at work is dropped."""

    def __init__(self, begin: Begin, *, tell: Tell, clock: Clock, rng: random.Random | None = None) -> None:
        self._begin_on = begin
        self._tell = tell
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - which requests are drawn is no secret
        self._tasks = Tasks()
        self._is_closed = False

    def drawn(self, request: Request, answer: Answer, policy: Policy) -> Callable[[], None] | None:
        """Return what is to be done once the caller has its answer; None for a request that is not drawn."""
        if policy.mirror is None or self._rng.random() >= policy.mirror.share:
            return None
        found = draw(request, answer, policy)
        return None if found is None else lambda: self._begin(found, policy)

    async def aclose(self) -> None:
        """Drop what is at work; nothing is begun any more."""
        self._is_closed = True
        await self._tasks.aclose()

    def _begin(self, found: MirrorCandidate, policy: Policy) -> None:
        if self._is_closed:
            return
        if not self._tasks.is_idle:
            self._tell(_result_of(found, SampleResult.BUSY), policy)
            return
        self._tasks.start("second answer", self._run(found), request_id=found.request.request_id)

    async def _run(self, found: MirrorCandidate) -> None:
        with self._begin_on() as pipeline:
            if pipeline.policy.hash != found.decision.policy_hash:
                return  # A reload came between: what the old policy let out is not asked of the new one.
            logs: list[AttemptLog] = []
            result, agreement = SampleResult.FAILED, None
            try:
                result, agreement = await self._compared(pipeline, found, logs)
            except asyncio.CancelledError:
                result = SampleResult.BUSY
                raise
            finally:
                attempts = tuple(attempt for log in logs for attempt in log.attempts)
                self._tell(_result_of(found, result, agreement, attempts), pipeline.policy)

    async def _compared(
        self, pipeline: Pipeline, found: MirrorCandidate, logs: list[AttemptLog]
    ) -> tuple[SampleResult, float | None]:
        section = pipeline.policy.mirror
        if section is None:
            raise ValueError("a request is drawn by a policy that has a mirror")
        deadline = pipeline.deadline(None)
        only = restrict_to(found.decision, found.second)
        second = await self._asked(pipeline, found.request, only, deadline, logs)
        if isinstance(second, SampleResult):
            return second, None
        weak, strong = found.texts(second)
        has_schema = found.request.config.json_schema is not None
        exact = exact_agreement(weak, strong, has_schema=has_schema)
        if exact is not None:
            return SampleResult(exact[0]), exact[1]
        request = _judge_request(found, weak, strong)
        judge = section.judge or found.strong_model
        decision = await self._judge_decision(pipeline, request, judge, deadline, section)
        if decision is None:
            return SampleResult.FORBIDDEN, None
        verdict = await self._asked(pipeline, request, decision, deadline, logs)
        if isinstance(verdict, SampleResult):
            return verdict, None
        agreement = read_verdict(verdict.text)
        return SampleResult.UNREADABLE if agreement is None else SampleResult.JUDGE, agreement

    async def _judge_decision(
        self, pipeline: Pipeline, request: Request, judge: str, deadline: Deadline, section: MirrorPolicy
    ) -> Decision | None:
        """Return leave for the judge to see request and answers, which are judged anew; None: it may not."""
        judged = await pipeline.decide(request, deadline)
        if not is_drawn_from(judged.privacy_class, section):
            return None  # An answer may hold more than its request did.
        return decide_for(request, judge, judged=judged, policy=pipeline.policy)

    async def _asked(
        self,
        pipeline: Pipeline,
        request: Request,
        decision: Decision,
        deadline: Deadline,
        logs: list[AttemptLog],
    ) -> Answer | SampleResult:
        """Return the whole answer of the one model of a decision, or why there is none."""
        (model,) = decision.chain
        logs.append(attempt_log := AttemptLog(self._clock))
        if await _has_demand(pipeline, model, own=0):
            return SampleResult.BUSY
        answer = pipeline.generate_background(
            request, decision, policy=capped(pipeline.policy), deadline=deadline, attempt_log=attempt_log
        )
        asking = child(answer, name=f"answer of {model}")
        watching = child(self._until_wanted(pipeline, model), name=f"demand for {model}")
        try:
            await asyncio.wait({asking, watching}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return _whole(asking.result())
            watching.result()
            return SampleResult.BUSY
        except GatewayError as error:
            return _failure(error.reason)
        finally:
            for task in (asking, watching):
                task.cancel()
            await asyncio.gather(asking, watching, return_exceptions=True)

    async def _until_wanted(self, pipeline: Pipeline, model: str) -> None:
        """Return when callers want the model that is at work for us."""
        has_demand = False
        while not has_demand:
            await self._clock.sleep(LOOK_EVERY_S)
            has_demand = await _has_demand(pipeline, model, own=1)


async def _has_demand(pipeline: Pipeline, model: str, *, own: int) -> bool:
    try:
        return await pipeline.has_demand(model, own=own)
    except BackendError:
        return True  # An engine that does not answer has enough to do.


def _judge_request(found: MirrorCandidate, weak: str, strong: str) -> Request:
    """Return what a judge is asked; it is at least of the class of the request that was drawn."""
    return replace(
        found.request,
        messages=judge_messages(found.request.messages, reference=strong, other=weak),
        config=VERDICT_FORM,
        hints=Hints(privacy_class=found.decision.privacy_class),
    )


def _whole(answer: Answer) -> Answer | SampleResult:
    if answer.degraded is not None:
        return _failure(answer.degraded.reason)
    return answer if answer.finish_reason in ENDED else SampleResult.FAILED


def _failure(reason: Reason) -> SampleResult:
    return SampleResult.BUDGET if reason is Reason.BUDGET_EXHAUSTED else SampleResult.FAILED


def _result_of(
    found: MirrorCandidate,
    result: SampleResult,
    agreement: float | None = None,
    attempts: tuple[Attempt, ...] = (),
) -> MirrorResult:
    return MirrorResult(
        request_id=found.request.request_id,
        tenant=found.request.tenant,
        decision=found.decision,
        result=result,
        weak_model=found.weak_model,
        strong_model=found.strong_model,
        agreement=agreement,
        attempts=attempts,
    )
