"""Walks the models of a decision, in order, until one gave a whole answer; never adds to them.

`dispatcher.py` lists the layers below.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from gateway.backends.canned import Occasion, choose_reply, text_of
from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.failure_summary import degraded_reason, not_degraded
from gateway.dispatch.hedge import Hedge
from gateway.dispatch.layer import Target
from gateway.dispatch.recovery import PrivacyCheck, SentText, StreamSplicer, continuation
from gateway.dispatch.time_limit import is_over
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
from gateway.policy.model import Policy
from gateway.types import Answer, Chunk, Decision, Degraded, Reason, Request, Route, StreamEvent, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequest:
    """What dispatch was asked to do."""

    request: Request
    decision: Decision
    policy: Policy
    deadline: Deadline
    """The caller's, less the reserve for the reply."""
    is_streamed: bool
    attempt_log: AttemptLog
    """Where every try is noted."""
    privacy_check: PrivacyCheck | None = None
    """Says how private a request is that holds what was already answered; without one none is sent."""


@dataclass(slots=True, kw_only=True)
class _ChainRun:
    """Where one request stands on its way along the chain."""

    order: DispatchRequest
    attempt_log: AttemptLog
    told: SentText = field(default_factory=SentText)
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
        return self.told.void_reason is not None and self.order.policy.resilience.recovery == "resume"


class Chain:
    """Tries each model's turn; what one error means for the others is decided here."""

    def __init__(self, hedge: Hedge, *, clock: Clock, heals_after_s: Callable[[str], float | None]) -> None:
        self._hedge = hedge
        self._heals_after_s = heals_after_s
        self._clock = clock

    async def __call__(self, order: DispatchRequest, /) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer as it is made; only an Answer ends it well. Raises GatewayError."""
        walk = _ChainRun(order=order, attempt_log=order.attempt_log)
        turns = self._turns(walk)
        for turn in turns:
            try:
                async with aclosing(self._serve(turn, turns, walk)) as events:
                    async for event in events:
                        yield event
                return
            except AttemptError as error:
                self._consider(error, walk)
        for event in self._canned(walk):
            yield event

    def _turns(self, walk: _ChainRun) -> Iterator[Target]:
        """Yield the turns that may be taken; raises DeadlinePassed when there is no time for the next one.

        When no other model answered, one that was not sure gets a second turn, and has to answer: that is
        better than a canned reply.
        """
        order, chain = walk.order, walk.order.decision.chain
        for index, model in enumerate(chain):
            if is_over(order.deadline, self._clock):
                for name in chain[index:]:
                    walk.attempt_log.refuse(name, Reason.DEADLINE)
                break
            if self._is_shut_out(model, walk):
                walk.attempt_log.refuse(model, Reason.ENGINE_DOWN)
                continue
            follows = any(not self._is_shut_out(name, walk) for name in chain[index + 1 :])
            yield self._turn(model, walk, is_last=not follows and not walk.doubts, may_escalate=follows)
        for model in sorted(walk.doubts, key=lambda name: -walk.doubts[name]):
            if not is_over(order.deadline, self._clock) and not self._is_shut_out(model, walk):
                yield self._turn(model, walk, is_last=True, may_escalate=False)
        if chain and is_over(order.deadline, self._clock):
            raise DeadlinePassed("the deadline passed before an answer", attempts=walk.attempt_log.attempts)

    def _turn(self, model: str, walk: _ChainRun, *, is_last: bool, may_escalate: bool) -> Target:
        order = walk.order
        permit = order.decision.permits.get(model)
        return Target(
            request=order.request if permit is None else permit.request,
            permit=permit,
            policy=order.policy,
            model=model,
            is_last=is_last,
            may_escalate=may_escalate and not walk.told.parts,
            is_streamed=order.is_streamed,
            deadline=order.deadline,
            attempt_log=walk.attempt_log,
        )

    def _is_shut_out(self, model: str, walk: _ChainRun) -> bool:
        """Say whether a request that an engine died of must not enter this one."""
        return walk.engine_died and walk.order.policy.models[model].has_engine

    async def _serve(
        self, turn: Target, turns: Iterator[Target], walk: _ChainRun
    ) -> AsyncGenerator[StreamEvent, None]:
        """Let a model go on from what was sent, where it can; else, or if it refuses that, answer anew."""
        continued = await self._continued(turn, walk)
        if continued is not None:
            try:
                async with aclosing(self._answer(continued, turns, walk)) as events:
                    async for event in events:
                        yield event
                return
            except (BackendInvalid, BackendMisfit, NotCapable, ContextTooLong):
                if walk.told.void_reason is None:
                    raise
        async with aclosing(self._answer(turn, turns, walk)) as events:
            async for event in events:
                yield event

    async def _continued(self, turn: Target, walk: _ChainRun) -> Target | None:
        order = walk.order
        if not walk.resumes or order.privacy_check is None:
            return None
        return await continuation(turn, walk.told, decision=order.decision, privacy_check=order.privacy_check)

    async def _answer(
        self, asked: Target, turns: Iterator[Target], walk: _ChainRun
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer of a model, or of the one that was asked beside it and began sooner."""
        last: Chunk | None = None
        usage: Usage | None = None

        def rival() -> Target | None:
            return None if is_over(walk.order.deadline, self._clock) else next(turns, None)

        async with self._hedge.opened(
            asked,
            rival=rival if self._may_be_hedged(asked, walk) else None,
            consider=lambda error: self._consider(error, walk),
        ) as (turn, chunks):
            joint = StreamSplicer(walk.told, turn, may_fit=walk.resumes)
            async for chunk in chunks:
                for event in joint.take(chunk):
                    yield event
                last, usage = chunk, chunk.usage or usage
        if last is None:
            raise StreamTruncated(turn.model, "the answer ended before it began")
        yield Answer(
            decision=walk.order.decision,
            text=joint.text,
            finish_reason=last.finish_reason,
            usage=usage,
            route=turn.spec.route,
            model=turn.model,
            degraded=None,
            cost_usd_nanos=walk.attempt_log.cost_usd_nanos,
            attempts=walk.attempt_log.attempts,
        )

    def _may_be_hedged(self, asked: Target, walk: _ChainRun) -> bool:
        """Say whether the next model may run beside one: not two engines, for one request might end both."""
        if asked.is_last or walk.told.void_reason is not None:
            return False
        chain, models = walk.order.decision.chain, walk.order.policy.models
        following = chain[chain.index(asked.model) + 1 :]
        beside = next((name for name in following if not self._is_shut_out(name, walk)), None)
        return beside is not None and not (models[asked.model].has_engine and models[beside].has_engine)

    def _consider(self, error: AttemptError, walk: _ChainRun) -> None:
        """Raise what ends the request; return if the next model may be tried."""
        walk.was_begun = walk.was_begun or bool(walk.told.parts)
        walk.told.cut(error.reason)
        walk.engine_died = walk.engine_died or isinstance(error, EngineDied)
        walk.causes[error.model] = error
        if isinstance(error, NotConfident):
            walk.doubts[error.model] = error.confidence
        # What the error does not tell, the model's breaker or pause may know: it may be its doing.
        heals_s = self._heals_after_s(error.model) if error.retry_after_s is None else error.retry_after_s
        if heals_s is not None:
            walk.heals_s[error.model] = heals_s
        if not self._may_go_on(error, walk):
            error.attempts = walk.attempt_log.attempts
            raise error
        if is_over(walk.order.deadline, self._clock):
            return
        if walk.told.void_reason is not None and walk.order.policy.resilience.recovery == "fail":
            raise self._truncated(error.model, walk) from error

    def _may_go_on(self, error: AttemptError, walk: _ChainRun) -> bool:
        """Say whether the next model may be tried after this error."""
        if isinstance(error, ContentFiltered):
            return walk.order.policy.resilience.content_filter == "next"
        return error.fallback

    def _check_request(self, walk: _ChainRun) -> None:
        """Raise the last refusal if every model of the chain refused the request as such.

        What one model began to answer is no bad request: the others' refusals are their own limits, and must
        not hide the fault that came before.
        """
        causes = [walk.causes.get(model) for model in walk.order.decision.chain]
        refusals = [cause for cause in causes if isinstance(cause, BackendInvalid)]
        if refusals and len(refusals) == len(causes) and not walk.was_begun:
            refusals[-1].attempts = walk.attempt_log.attempts
            raise refusals[-1]

    def _canned(self, walk: _ChainRun) -> Iterator[StreamEvent]:
        """Yield the canned reply; raises NotDegraded or StreamTruncated if the request declines it.

        A request that every model refuses gets no canned reply: raises BackendInvalid.
        """
        self._check_request(walk)
        order = walk.order
        reason = degraded_reason(walk.attempt_log.attempts, order.decision.refused)
        retry_after_s = min(walk.heals_s.values(), default=None)
        if not order.request.hints.allow_degraded:
            if walk.told.void_reason is not None:
                raise self._truncated(walk.attempt_log.attempts[-1].model, walk)
            raise not_degraded(
                reason,
                order.decision,
                walk.attempt_log.attempts,
                causes=tuple(walk.causes.values()),
                retry_after_s=retry_after_s,
            )
        if restart := walk.told.restart(""):
            yield restart
        occasion = Occasion(
            reason=reason,
            labels=order.request.labels,
            languages=order.request.languages,
            retry_after_s=retry_after_s,
        )
        reply = choose_reply(order.policy.replies, occasion)
        yield Answer(
            decision=order.decision,
            text=text_of(reply, occasion),
            finish_reason=None,
            usage=None,
            route=Route.CANNED,
            model="",
            degraded=Degraded(reason=reason, canned_id=reply.id, retry_after_s=retry_after_s),
            cost_usd_nanos=walk.attempt_log.cost_usd_nanos,
            attempts=walk.attempt_log.attempts,
        )

    def _truncated(self, model: str, walk: _ChainRun) -> StreamTruncated:
        error = StreamTruncated(model, "the answer was cut after it had begun, and nothing stands in for it")
        error.attempts = walk.attempt_log.attempts
        return error
