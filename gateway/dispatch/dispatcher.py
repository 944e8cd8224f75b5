"""Dispatch, from outside: a request and a decision go in, an answer or a typed error comes out.

The layers, from the outside in:

    Chain(Hedge(UnmaskLayer(Retry(Attempts(TimeLimit(ConfidenceGuard(backend)))))))
        Attempts: AttemptRecorder(ConcurrencyLayer(BreakerLayer(BudgetLayer(...))))

* Chain walks the decision's models and decides what one failure means for the others (`chain.py`,
  `recovery.py`); when none is left, it ends with the canned reply or an error (`failure_summary.py`).
* Hedge asks the next model beside one that is slow to begin, where the policy says so (`hedge.py`).
* Retry tries the same model again where it may heal (`retry.py`).
* UnmaskLayer puts masked values back into the answer (`unmask.py`).
* Attempts makes a try within what surrounds it (`attempts.py`), the four that follow:
* AttemptRecorder notes every try in the attempt log (`attempt_recorder.py`, `attempt_log.py`).
* ConcurrencyLayer waits for a slot at a model that has a bound (`concurrency.py`, `fair_queue.py`).
* BreakerLayer asks the model's breaker (`breaker.py`): an open one reserves nothing and is not retried.
* BudgetLayer holds the worst case in the ledger, and settles it (`budget.py`): a refused reservation is no
  news to the breaker, since no call was made.
* TimeLimit calls the backend and bounds its time (`time_limit.py`).
* ConfidenceGuard holds back the first tokens of a model that may be unsure (`backends/confident.py`).

A unary call is a stream of one chunk, so there is one path, not two. What no caller waits for
(`generate_background`) takes nobody's slot: it goes through all layers but ConcurrencyLayer.
"""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass

from gateway.backends.base import Backend, LoadAware
from gateway.backends.confident import ConfidenceGuard
from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.attempt_recorder import AttemptRecorder
from gateway.dispatch.attempts import Attempts
from gateway.dispatch.breaker import BreakerLayer, Breakers
from gateway.dispatch.budget import BudgetLayer, Ledger
from gateway.dispatch.chain import Chain
from gateway.dispatch.concurrency import ConcurrencyLayer, ConcurrencyLimits
from gateway.dispatch.cooldowns import Cooldowns
from gateway.dispatch.forecast import Forecasts
from gateway.dispatch.hedge import Hedge
from gateway.dispatch.latency import LatencyTracker
from gateway.dispatch.recovery import PrivacyCheck
from gateway.dispatch.retry import Retry
from gateway.dispatch.retry_budget import RetryBudget
from gateway.dispatch.time_limit import TimeLimit
from gateway.dispatch.token_count import TokenCounts
from gateway.dispatch.unmask import UnmaskLayer
from gateway.dispatch.work import DispatchRequest
from gateway.domain.answer import Answer, StreamEvent
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.request import Request
from gateway.errors import NotPermitted
from gateway.policy.model import Policy

REPLY_RESERVE_S = 0.05
"""Kept back from the caller's deadline, so that the reply, or the error, still arrives in time."""


def before_reply(deadline: Deadline) -> Deadline:
    """Return until when may be worked on a request, so that the reply is there at its deadline."""
    return Deadline(deadline.at_s - REPLY_RESERVE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHealth:
    """What a process has learned of its models; it outlives a policy."""

    breakers: Breakers
    cooldowns: Cooldowns
    latencies: LatencyTracker
    retry_budget: RetryBudget
    concurrency: ConcurrencyLimits

    @classmethod
    def unknown(cls, clock: Clock, *, has_tenants: bool = True) -> "ModelHealth":
        """Return what is known before the first call."""
        return cls(
            breakers=Breakers(clock),
            cooldowns=Cooldowns(clock),
            latencies=LatencyTracker(clock),
            retry_budget=RetryBudget(clock),
            concurrency=ConcurrencyLimits(clock, has_tenants=has_tenants),
        )

    def forget(self, model: str) -> None:
        """Drop what was learned of a model, because its name means another one now."""
        self.breakers.forget(model)
        self.cooldowns.forget(model)
        self.latencies.forget(model)
        self.concurrency.forget(model)


class Dispatcher:
    """Walks decisions of one policy; shares with others what the process has learned of its models."""

    def __init__(
        self,
        *,
        backends: Mapping[str, Backend],
        ledger: Ledger,
        clock: Clock,
        rng: random.Random | None = None,
        health: ModelHealth | None = None,
    ) -> None:
        health = health or ModelHealth.unknown(clock)
        breakers, cooldowns = health.breakers, health.cooldowns

        def heals_after_s(model: str) -> float | None:
            return breakers.heals_after_s(model) or cooldowns.remaining_s(model) or None

        self._clock = clock
        self._shared = {name: each for name, each in backends.items() if isinstance(each, LoadAware)}
        self.token_counts = TokenCounts(backends)
        self.forecasts = Forecasts(backends, health.latencies)
        self._latencies, self._cooldowns = health.latencies, health.cooldowns
        self._concurrency = health.concurrency
        confident = {name: ConfidenceGuard(backend, clock=clock) for name, backend in backends.items()}
        within = TimeLimit(confident, clock=clock, latencies=self._latencies)
        self._reserve = BudgetLayer(ledger=ledger, clock=clock)
        jitter = rng or random.Random()  # noqa: S311 - no secret

        def chain(*, is_background: bool) -> Chain:
            attempts = Attempts(
                within,
                recorder=AttemptRecorder(clock=clock),
                concurrency=None
                if is_background
                else ConcurrencyLayer(concurrency=health.concurrency, clock=clock),
                breaker=BreakerLayer(breakers=breakers, clock=clock),
                budget=self._reserve,
            )
            retry = Retry(
                attempts,
                breakers=breakers,
                cooldowns=cooldowns,
                retry_budget=health.retry_budget,
                clock=clock,
                rng=jitter,
            )
            hedge = Hedge(
                UnmaskLayer(retry), latencies=self._latencies, retry_budget=health.retry_budget, clock=clock
            )
            counted = nullcontext if is_background else health.retry_budget.request
            return Chain(hedge, clock=clock, heals_after_s=heals_after_s, counted=counted)

        self._chain = chain(is_background=False)
        self._background_chain = chain(is_background=True)

    async def generate(
        self,
        request: Request,
        decision: Decision,
        *,
        policy: Policy,
        deadline: Deadline,
        attempt_log: AttemptLog | None = None,
    ) -> Answer:
        """Return one model's whole answer, or the canned reply; every try is noted in `attempt_log`.

        Raises DeadlinePassed, NotDegraded, or the error of a model that blames the request, with `attempts`.
        """
        events = self.stream(
            request,
            decision,
            policy=policy,
            deadline=deadline,
            attempt_log=attempt_log,
            delivery=Delivery.WHOLE,
        )
        return await _answer_of(events)

    async def generate_background(
        self,
        request: Request,
        decision: Decision,
        *,
        policy: Policy,
        deadline: Deadline,
        attempt_log: AttemptLog,
    ) -> Answer:
        """Return an answer that no caller waits for; whoever asks gives way while the model `has_demand`."""
        whole = Delivery.WHOLE
        work = self._work(
            request, decision, policy=policy, deadline=deadline, attempt_log=attempt_log, delivery=whole
        )
        return await _answer_of(self._background_chain(work))

    def stream(
        self,
        request: Request,
        decision: Decision,
        *,
        policy: Policy,
        deadline: Deadline,
        attempt_log: AttemptLog | None = None,
        privacy_check: PrivacyCheck | None = None,
        delivery: Delivery = Delivery.PIECES,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield deltas and restarts as they come, and last the Answer; only an Answer ends it well.

        Raises as `generate` does, and StreamTruncated. Close it to cancel: the backend is stopped and the
        ledger settled before `aclose` returns. `privacy_check` scores the text so far before a model is given
        it. A caller of the whole gets the Answer alone.
        """
        work = self._work(
            request,
            decision,
            policy=policy,
            deadline=deadline,
            attempt_log=attempt_log,
            privacy_check=privacy_check,
            delivery=delivery,
        )
        return self._chain(work)

    def slot(self, tenant: str, *, policy: Policy, deadline: Deadline) -> AbstractAsyncContextManager[bool]:
        """Hold a slot of a tenant in this process while the block runs, and say whether it was waited for.

        Raises Overloaded. Whoever serves a caller holds one from before the request is checked and scored
        until its end.
        """
        return self._concurrency.request(tenant, policy, before_reply(deadline))

    async def has_demand(self, model: str, *, own: int) -> bool:
        """Say whether others want a model that has `own` requests of the asker; raises BackendError.

        They wait for a slot in this process, have all slots of the model, are at work in its engine, or
        wait because it asked for a pause.
        """
        if self._concurrency.is_full(model) or self._cooldowns.remaining_s(model) > 0:
            return True
        shared = self._shared.get(model)
        return shared is not None and await shared.has_work(own=own)

    async def drained(self) -> None:
        """Wait until the ledger was told of every call that is over; before the ledger is closed."""
        await self._reserve.drained()

    def _work(
        self,
        request: Request,
        decision: Decision,
        *,
        policy: Policy,
        deadline: Deadline,
        attempt_log: AttemptLog | None,
        delivery: Delivery,
        privacy_check: PrivacyCheck | None = None,
    ) -> DispatchRequest:
        if decision.policy_hash != policy.hash:
            raise NotPermitted("a request goes on under the policy that it was decided under")
        return DispatchRequest(
            request=request,
            decision=decision,
            policy=policy,
            deadline=before_reply(deadline),
            delivery=delivery,
            attempt_log=attempt_log or AttemptLog(self._clock),
            privacy_check=privacy_check,
        )


async def _answer_of(events: AsyncGenerator[StreamEvent, None]) -> Answer:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise RuntimeError("the chain ended without an answer")
