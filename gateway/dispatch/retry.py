"""The only owner of retries: the same model again, when it may heal and there is time.

tenacity runs the loop; what it asks are the small functions below.
"""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from gateway.clock import Clock
from gateway.dispatch.breaker import Breakers
from gateway.dispatch.cooldowns import Cooldowns
from gateway.dispatch.layer import AttemptContext, Layer, Target
from gateway.dispatch.retry_budget import RetryBudget, RetryTicket
from gateway.domain.answer import Chunk
from gateway.domain.decision import Reason
from gateway.errors import AttemptError, BackendRateLimited, ModelPaused
from gateway.policy.model import Backoff

JITTER = 0.2

_Begun = tuple[Chunk, AsyncGenerator[Chunk, None]]


def backoff_s(retry: int, backoff: Backoff, rng: random.Random) -> float:
    """Return the wait before the `retry`-th retry (from 1): doubling up to the maximum, 20 % more or less."""
    doubled_s: float = backoff.first * 2 ** (retry - 1)
    return min(doubled_s, backoff.max) * rng.uniform(1 - JITTER, 1 + JITTER)


def is_worth_retrying(error: BaseException) -> bool:
    """Say whether the same model may heal."""
    return isinstance(error, AttemptError) and error.retryable


class Retry:
    """One model's turn: tries until there is a first piece of the answer; nothing is retried after it."""

    def __init__(
        self,
        inner: Layer,
        *,
        breakers: Breakers,
        cooldowns: Cooldowns,
        retry_budget: RetryBudget,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._inner = inner
        self._breakers = breakers
        self._cooldowns = cooldowns
        self._retry_budget = retry_budget
        self._clock = clock
        self._rng = rng

    async def __call__(self, target: Target, /) -> AsyncGenerator[Chunk, None]:
        """Yield the answer of the first try that began to give one; raises the error of the last."""
        with self._retry_budget.ticket() as ticket:
            first, chunks = await self._begun(target, ticket)
            async with aclosing(chunks):
                yield first
                async for chunk in chunks:
                    yield chunk

    async def _begun(self, target: Target, ticket: RetryTicket) -> _Begun:
        """Return the try that began; most often the first, which costs a tenth without tenacity's loop."""
        try:
            return await self._begin(target)
        except AttemptError as error:
            if not is_worth_retrying(error):
                raise
            first = [error]

        async def again() -> _Begun:
            if first:
                raise first.pop()
            return await self._begin(target)

        begun: _Begun = await self._retrying(target, ticket)(again)
        return begun

    async def _begin(self, target: Target) -> _Begun:
        # Before each try: while this one backed off, another request may have been asked for a pause.
        await self._wait_until_allowed(target)
        chunks = self._inner(AttemptContext(target=target))
        try:
            return await anext(chunks), chunks
        except BackendRateLimited as error:
            self._cooldowns.extend(
                target.model, error.retry_after_s or target.policy.resilience.backoff_s.first
            )
            raise

    def _retrying(self, target: Target, ticket: RetryTicket) -> AsyncRetrying:
        resilience = target.policy.resilience

        def wait_s(state: RetryCallState) -> float:
            return max(
                backoff_s(state.attempt_number, resilience.backoff_s, self._rng), _retry_after_s(state)
            )

        def may_retry(state: RetryCallState) -> bool:
            return (
                state.attempt_number < resilience.attempts
                and self._may_wait(target, _retry_after_s(state), state.upcoming_sleep)
                and not self._breakers.is_open(target.model)
            )

        def give_up(state: RetryCallState) -> NoReturn:
            if may_retry(state):  # So it is the budget of the process that has no room.
                target.attempt_log.refuse(target.model, Reason.RETRY_BUDGET)
            raise _failure(state)

        return AsyncRetrying(
            retry=retry_if_exception(is_worth_retrying),
            wait=wait_s,
            stop=lambda state: not (may_retry(state) and ticket.has_room),
            before_sleep=lambda _: ticket.take(),
            sleep=lambda wait_s: self._pause(target, wait_s),
            retry_error_callback=give_up,
        )

    def _may_wait(self, target: Target, asked_s: float, wait_s: float) -> bool:
        """Say whether to wait `wait_s`, of which the model asked for `asked_s`, rather than go on."""
        is_short = asked_s <= target.policy.resilience.backoff_s.max
        return (is_short or target.is_last) and wait_s < target.deadline.remaining_s(self._clock)

    async def _wait_until_allowed(self, target: Target) -> None:
        while (wait_s := self._cooldowns.remaining_s(target.model)) > 0:
            if not self._may_wait(target, wait_s, wait_s):
                target.attempt_log.refuse(target.model, Reason.RATE_LIMITED)
                raise ModelPaused(target.model, "it asked for a pause", retry_after_s=wait_s)
            await self._pause(target, wait_s)

    async def _pause(self, target: Target, wait_s: float) -> None:
        target.attempt_log.paused_s += wait_s
        await self._clock.sleep(wait_s)


def _retry_after_s(state: RetryCallState) -> float:
    """Return the seconds that the error of the last try asked to wait."""
    error = _failure(state)
    return (error.retry_after_s or 0.0) if isinstance(error, AttemptError) else 0.0


def _failure(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    if error is None:
        raise RuntimeError("only a try that failed is considered")
    return error
