"""Tries the models of a decision, in order, until one gave a whole answer; never adds to them.

Each model is called through the layers that `dispatcher.py` lists. An error says itself whether the next
model may be tried. When none answered, the caller gets a canned reply, or an error if it declined one.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field

from gateway.backends.canned import Occasion, choose_reply, text_of
from gateway.clock import Clock
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.failure_summary import degraded_reason, not_degraded
from gateway.dispatch.hedge import Hedge
from gateway.dispatch.layer import Target
from gateway.dispatch.recovery import SentText, StreamSplicer, continuation
from gateway.dispatch.time_limit import is_over
from gateway.dispatch.work import DispatchRequest
from gateway.domain.answer import Answer, Chunk, Degraded, Restart, Route, StreamEvent, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason
from gateway.domain.delivery import Delivery
from gateway.errors import (
    AttemptError,
    BackendInvalid,
    BackendMisfit,
    ContentFiltered,
    ContextTooLong,
    DeadlinePassed,
    EngineDied,
    NotCapable,
    NotConfident,
    StreamTruncated,
)


@dataclass(slots=True, kw_only=True)
class _ChainRun:
    """How far one request has come along the chain."""

    work: DispatchRequest
    attempt_log: AttemptLog
    sent: SentText = field(default_factory=SentText)
    engine_died: bool = False
    was_begun: bool = False
    """Whether a model began to answer, and so took the request for a valid one."""
    causes: dict[str, AttemptError] = field(default_factory=dict)
    """By model, its last error."""
    heals_s: dict[str, float] = field(default_factory=dict)
    """By model, the seconds after which its last error says that another try makes sense."""
    doubts: dict[str, float] = field(default_factory=dict)
    """By model that dropped its answer, how sure it was."""

    @property
    def resumes(self) -> bool:
        """Whether the next model is to go on from what a stream was sent."""
        return self.sent.void_reason is not None and self.work.policy.resilience.recovery == "resume"

    @property
    def may_restart(self) -> bool:
        """Whether the caller can be told that what was sent is void."""
        return (
            self.work.delivery is not Delivery.FINAL_PIECES and self.work.policy.resilience.recovery != "fail"
        )


class Chain:
    """Tries each model's turn; what one error means for the others is decided here."""

    def __init__(
        self,
        hedge: Hedge,
        *,
        clock: Clock,
        heals_after_s: Callable[[str], float | None],
        counted: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`counted` counts a request for as long as it is worked on."""
        self._hedge = hedge
        self._heals_after_s = heals_after_s
        self._counted = counted
        self._clock = clock

    async def __call__(self, work: DispatchRequest, /) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer as it is made; only an Answer ends it well. Raises GatewayError."""
        run = _ChainRun(work=work, attempt_log=work.attempt_log)
        targets = self._turns(run)
        with self._counted():
            for target in targets:
                serve = self._go_on if run.resumes else self._answer
                try:
                    async with aclosing(serve(target, targets, run)) as events:
                        async for event in events:
                            yield event
                    return
                except AttemptError as error:
                    self._consider(error, run)
            for event in self._canned(run):
                yield event

    def _turns(self, run: _ChainRun) -> Iterator[Target]:
        """Yield the turns that may be taken; raises DeadlinePassed when there is no time for the next one.

        When no other model answered, one that was not sure gets a second turn, and has to answer: that is
        better than a canned reply.
        """
        work, chain = run.work, run.work.decision.chain
        for index, model in enumerate(chain):
            if is_over(work.deadline, self._clock):
                for name in chain[index:]:
                    run.attempt_log.refuse(name, Reason.DEADLINE)
                break
            if self._is_shut_out(model, run):
                run.attempt_log.refuse(model, Reason.ENGINE_DOWN)
                continue
            follows = any(not self._is_shut_out(name, run) for name in chain[index + 1 :])
            yield self._target(model, run, is_last=not follows and not run.doubts, may_escalate=follows)
        for model in sorted(run.doubts, key=lambda name: -run.doubts[name]):
            if not is_over(work.deadline, self._clock) and not self._is_shut_out(model, run):
                yield self._target(model, run, is_last=True, may_escalate=False)
        if chain and is_over(work.deadline, self._clock):
            raise DeadlinePassed("the deadline passed before an answer", attempts=run.attempt_log.attempts)

    def _target(self, model: str, run: _ChainRun, *, is_last: bool, may_escalate: bool) -> Target:
        work = run.work
        permit = work.decision.permits.get(model)
        return Target(
            request=work.policy.models[model].lowered(
                work.decision.as_sent(work.request, model), work.decision.limits
            )
            if permit is None
            else permit.request,
            permit=permit,
            policy=work.policy,
            model=model,
            is_last=is_last,
            may_escalate=may_escalate and not run.sent.has_begun,
            is_streamed=work.delivery.is_streamed,
            deadline=work.deadline,
            attempt_log=run.attempt_log,
        )

    def _is_shut_out(self, model: str, run: _ChainRun) -> bool:
        """Say whether a request that an engine died of must not enter this one."""
        return run.engine_died and run.work.policy.models[model].has_engine

    async def _go_on(
        self, target: Target, targets: Iterator[Target], run: _ChainRun
    ) -> AsyncGenerator[StreamEvent, None]:
        """Let a model go on from what was sent, where it can; else, or if it refuses that, answer anew."""
        check, decision = run.work.privacy_check, run.work.decision
        continued = check and await continuation(target, run.sent, decision=decision, privacy_check=check)
        if continued is not None:
            try:
                async with aclosing(self._answer(continued, targets, run)) as events:
                    async for event in events:
                        yield event
                return
            except (BackendInvalid, BackendMisfit, NotCapable, ContextTooLong):
                if run.sent.void_reason is None:
                    raise
        async with aclosing(self._answer(target, targets, run)) as events:
            async for event in events:
                yield event

    async def _answer(
        self, asked: Target, targets: Iterator[Target], run: _ChainRun
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer of a model, or of the one that was asked beside it and began sooner."""
        last: Chunk | None = None
        usage: Usage | None = None

        def rival() -> Target | None:
            return None if is_over(run.work.deadline, self._clock) else next(targets, None)

        async with self._hedge.opened(
            asked,
            rival=rival if self._may_be_hedged(asked, run) else None,
            consider=lambda error: self._consider(error, run),
        ) as (target, chunks):
            splicer = StreamSplicer(run.sent, target, may_fit=run.resumes)
            async for chunk in chunks:
                for event in splicer.take(chunk):
                    if isinstance(event, Restart) and not run.may_restart:
                        run.sent.is_committed = True
                        raise self._truncated(target.model, run)
                    yield event
                last, usage = chunk, chunk.usage or usage
        if last is None:
            raise StreamTruncated(target.model, "the answer ended before it began")
        yield Answer(
            decision=run.work.decision,
            message=splicer.answer.message(target.model),
            logprobs=splicer.answer.logprobs,
            vectors=splicer.answer.vectors,
            finish_reason=last.finish_reason,
            stop_sequence=last.stop_sequence,
            usage=usage,
            route=target.spec.route,
            model=target.model,
            degraded=None,
            cost_usd_nanos=run.attempt_log.cost_usd_nanos,
            attempts=run.attempt_log.attempts,
        )

    def _may_be_hedged(self, asked: Target, run: _ChainRun) -> bool:
        """Say whether the next model may run beside one: not two engines, for one request might end both."""
        if asked.is_last or run.sent.void_reason is not None:
            return False
        chain, models = run.work.decision.chain, run.work.policy.models
        following = chain[chain.index(asked.model) + 1 :]
        beside = next((name for name in following if not self._is_shut_out(name, run)), None)
        return beside is not None and not (models[asked.model].has_engine and models[beside].has_engine)

    def _consider(self, error: AttemptError, run: _ChainRun) -> None:
        """Raise what ends the request; return if the next model may be tried."""
        run.was_begun = run.was_begun or run.sent.has_begun
        run.sent.cut(error.reason)
        run.engine_died = run.engine_died or isinstance(error, EngineDied)
        run.causes[error.model] = error
        if isinstance(error, NotConfident):
            run.doubts[error.model] = error.confidence
        # What the error does not tell, the model's breaker or pause may know: it may be its doing.
        heals_s = self._heals_after_s(error.model) if error.retry_after_s is None else error.retry_after_s
        if heals_s is not None:
            run.heals_s[error.model] = heals_s
        if not self._may_go_on(error, run):
            error.attempts = run.attempt_log.attempts
            raise error
        if run.sent.is_committed:
            raise self._truncated(error.model, run) from error
        if is_over(run.work.deadline, self._clock):
            return
        if run.sent.void_reason is not None and not (run.resumes or run.may_restart):
            raise self._truncated(error.model, run) from error

    def _may_go_on(self, error: AttemptError, run: _ChainRun) -> bool:
        """Say whether the next model may be tried after this error."""
        if isinstance(error, ContentFiltered):
            return run.work.policy.resilience.content_filter == "next"
        return error.fallback

    def _check_request(self, run: _ChainRun) -> None:
        """Raise the last refusal if every model of the chain refused the request as such.

        What one model began to answer is no bad request: the others' refusals are their own limits, and must
        not hide the fault that came before.
        """
        causes = [run.causes.get(model) for model in run.work.decision.chain]
        refusals = [cause for cause in causes if isinstance(cause, BackendInvalid)]
        if refusals and len(refusals) == len(causes) and not run.was_begun:
            refusals[-1].attempts = run.attempt_log.attempts
            raise refusals[-1]

    def _canned(self, run: _ChainRun) -> Iterator[StreamEvent]:
        """Yield the canned reply; raises NotDegraded or StreamTruncated if the request declines it.

        A request that every model refuses gets no canned reply: raises BackendInvalid.
        """
        self._check_request(run)
        work = run.work
        reason = degraded_reason(run.attempt_log.attempts, work.decision.refused)
        retry_after_s = min(run.heals_s.values(), default=None)
        declined = not work.request.hints.allow_degraded
        if run.sent.void_reason is not None and (declined or not run.may_restart):
            raise self._truncated(run.attempt_log.attempts[-1].model, run)
        if declined:
            raise not_degraded(
                reason,
                work.decision,
                run.attempt_log.attempts,
                causes=tuple(run.causes.values()),
                retry_after_s=retry_after_s,
            )
        if restart := run.sent.restart(""):
            yield restart
        occasion = Occasion(
            reason=reason,
            labels=work.request.labels,
            languages=work.request.languages,
            retry_after_s=retry_after_s,
        )
        reply = choose_reply(work.policy.replies, occasion)
        yield Answer(
            decision=work.decision,
            message=Message(role=Role.ASSISTANT, content=text_of(reply, occasion)),
            finish_reason=None,
            usage=None,
            route=Route.CANNED,
            model="",
            degraded=Degraded(reason=reason, canned_id=reply.id, retry_after_s=retry_after_s),
            cost_usd_nanos=run.attempt_log.cost_usd_nanos,
            attempts=run.attempt_log.attempts,
        )

    def _truncated(self, model: str, run: _ChainRun) -> StreamTruncated:
        error = StreamTruncated(model, "the answer was cut after it had begun, and nothing replaces it")
        error.attempts = run.attempt_log.attempts
        return error
