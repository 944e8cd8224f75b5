"""Makes mirrored answers: one at a time, after the caller has its answer, and only while models are idle."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.answer import Answer, Attempt
from gateway.domain.decision import Decision, Reason
from gateway.domain.mirrored import MirrorResult, SampleResult
from gateway.domain.request import Hints, Request
from gateway.errors import BackendError, GatewayError
from gateway.extras.mirror.agreement import VERDICT_FORM, exact_agreement, judge_messages, read_verdict
from gateway.extras.mirror.selection import ENDED, MirrorCandidate, capped, draw, is_drawn_from
from gateway.pipeline.run import Pipeline
from gateway.policy.mirror import MirrorPolicy
from gateway.policy.model import Policy
from gateway.routing import decide_for, restrict_to
from gateway.tasks import Tasks, child

LOOK_EVERY_S = 0.05
"""Interval in seconds of the check whether a caller needs the model; then the mirrored call is cancelled."""

Begin = Callable[[], AbstractContextManager[Pipeline]]
"""Returns the current pipeline, which stays open until the block ends."""
OnResult = Callable[[MirrorResult, Policy], None]
"""Called with the result of each selected request, except one that a reload or shutdown dropped before it
began; must return quickly and not raise."""


class Mirror:
    """Has a share of requests answered by the other side, too; skips requests that come while it is busy."""

    def __init__(
        self, begin: Begin, *, on_result: OnResult, clock: Clock, rng: random.Random | None = None
    ) -> None:
        self._begin_on = begin
        self._on_result = on_result
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - the selection need not be unpredictable
        self._tasks = Tasks()
        self._is_closed = False

    def drawn(self, request: Request, answer: Answer, policy: Policy) -> Callable[[], None] | None:
        """Return the call that begins the mirrored answer, or None for a request that is not selected."""
        if policy.mirror is None or self._rng.random() >= policy.mirror.share:
            return None
        candidate = draw(request, answer, policy)
        return None if candidate is None else lambda: self._begin(candidate, policy)

    async def aclose(self) -> None:
        """Cancel the mirrored answer in progress; no other one begins."""
        self._is_closed = True
        await self._tasks.aclose()

    def _begin(self, candidate: MirrorCandidate, policy: Policy) -> None:
        if self._is_closed:
            return
        if not self._tasks.is_idle:
            self._on_result(_result_of(candidate, SampleResult.BUSY), policy)
            return
        self._tasks.start("second answer", self._run(candidate), request_id=candidate.request.request_id)

    async def _run(self, candidate: MirrorCandidate) -> None:
        with self._begin_on() as pipeline:
            if pipeline.policy.hash != candidate.decision.policy_hash:
                return  # After a reload the old decision does not count.
            logs: list[AttemptLog] = []
            result, agreement = SampleResult.FAILED, None
            try:
                result, agreement = await self._compared(pipeline, candidate, logs)
            except asyncio.CancelledError:
                result = SampleResult.BUSY
                raise
            finally:
                attempts = tuple(attempt for log in logs for attempt in log.attempts)
                self._on_result(_result_of(candidate, result, agreement, attempts), pipeline.policy)

    async def _compared(
        self, pipeline: Pipeline, candidate: MirrorCandidate, logs: list[AttemptLog]
    ) -> tuple[SampleResult, float | None]:
        section = pipeline.policy.mirror
        if section is None:
            raise ValueError("the policy has no mirror section")
        deadline = pipeline.deadline(None)
        only = restrict_to(candidate.decision, candidate.second)
        second = await self._asked(pipeline, candidate.request, only, deadline, logs)
        if isinstance(second, SampleResult):
            return second, None
        weak, strong = candidate.texts(second)
        has_schema = candidate.request.config.json_schema is not None
        exact = exact_agreement(weak, strong, has_schema=has_schema)
        if exact is not None:
            return SampleResult(exact[0]), exact[1]
        request = _judge_request(candidate, weak, strong)
        judge = section.judge or candidate.strong_model
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
        """Return the decision to send request and answers to the judge; None: it may not see them."""
        judged = await pipeline.decide(request, deadline)
        if not is_drawn_from(judged.privacy_class, section):
            return None  # An answer may contain more private data than its request.
        return decide_for(request, judge, judged=judged, policy=pipeline.policy)

    async def _asked(
        self,
        pipeline: Pipeline,
        request: Request,
        decision: Decision,
        deadline: Deadline,
        logs: list[AttemptLog],
    ) -> Answer | SampleResult:
        """Return the complete answer of the only model of a decision, or why there is none."""
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
        """Return when a caller needs the model of the mirrored call."""
        has_demand = False
        while not has_demand:
            await self._clock.sleep(LOOK_EVERY_S)
            has_demand = await _has_demand(pipeline, model, own=1)


async def _has_demand(pipeline: Pipeline, model: str, *, own: int) -> bool:
    try:
        return await pipeline.has_demand(model, own=own)
    except BackendError:
        return True  # An engine that does not answer counts as busy.


def _judge_request(candidate: MirrorCandidate, weak: str, strong: str) -> Request:
    """Return the request to the judge; its class is at least that of the mirrored request."""
    return replace(
        candidate.request,
        messages=judge_messages(candidate.request.messages, reference=strong, other=weak),
        config=VERDICT_FORM,
        hints=Hints(privacy_class=candidate.decision.privacy_class),
    )


def _whole(answer: Answer) -> Answer | SampleResult:
    if answer.degraded is not None:
        return _failure(answer.degraded.reason)
    return answer if answer.finish_reason in ENDED else SampleResult.FAILED


def _failure(reason: Reason) -> SampleResult:
    return SampleResult.BUDGET if reason is Reason.BUDGET_EXHAUSTED else SampleResult.FAILED


def _result_of(
    candidate: MirrorCandidate,
    result: SampleResult,
    agreement: float | None = None,
    attempts: tuple[Attempt, ...] = (),
) -> MirrorResult:
    return MirrorResult(
        request_id=candidate.request.request_id,
        tenant=candidate.request.tenant,
        decision=candidate.decision,
        result=result,
        weak_model=candidate.weak_model,
        strong_model=candidate.strong_model,
        agreement=agreement,
        attempts=attempts,
    )
