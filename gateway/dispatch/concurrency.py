"""Bounds on concurrent requests: of one process, and of one model."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from gateway.clock import Clock, Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.dispatch.layer import AttemptContext
from gateway.errors import ModelBusy, Overloaded
from gateway.policy.model import Policy

_UNBOUND = nullcontext()


class ConcurrencyLimits:
    """The gate of this process, and one for each of its models; `has_tenants`: it tells callers apart."""

    def __init__(self, clock: Clock, *, has_tenants: bool = True) -> None:
        self._clock = clock
        self._has_tenants = has_tenants
        self._process = FairQueue(clock)
        self._models: dict[str, FairQueue] = {}

    def of(self, model: str) -> FairQueue:
        """Return the gate of a model."""
        return self._models.setdefault(model, FairQueue(self._clock))

    def is_full(self, model: str) -> bool:
        """Say whether requests wait for their turn in this process, or have every place of a model."""
        gate = self._models.get(model)
        return self._process.queued > 0 or (gate is not None and gate.is_full)

    def forget(self, model: str) -> None:
        """Drop the gate of a model; who is inside or waits stays with the old one."""
        self._models.pop(model, None)

    @asynccontextmanager
    async def request(self, tenant: str, policy: Policy, until: Deadline) -> AsyncGenerator[bool, None]:
        """Hold a tenant's place in this process while the block runs; raises Overloaded.

        Yields whether it had to be waited for.
        """
        limits = policy.limits
        bounds = Bounds(
            concurrency=limits.concurrency,
            tenant_concurrency=limits.tenant_share(has_tenants=self._has_tenants),
            queue=limits.queue,
        )
        try:
            async with self._process.slot(tenant, bounds=bounds, until=until) as has_waited:
                yield has_waited
        except NoSlot as full:
            raise Overloaded(
                "the limit of concurrent requests is reached, and none ends in time",
                retry_after_s=full.retry_after_s,
            ) from None


class ConcurrencyLayer:
    """Waits for a place at a model that has a `concurrency`.

    Not longer than the caller can wait, nor, while another model follows, than for a rate limit: then the
    next model is the better place. Nothing is reserved meanwhile.
    """

    def __init__(self, *, concurrency: ConcurrencyLimits, clock: Clock) -> None:
        self._concurrency = concurrency
        self._clock = clock

    def around(self, attempt: AttemptContext) -> AbstractAsyncContextManager[object]:
        """Surround a try; raises ModelBusy without one."""
        concurrency = attempt.target.spec.concurrency
        return _UNBOUND if concurrency is None else self._slot(attempt, concurrency)

    @asynccontextmanager
    async def _slot(self, attempt: AttemptContext, concurrency: int) -> AsyncGenerator[None, None]:
        target = attempt.target
        bounds = Bounds(
            concurrency=concurrency, tenant_concurrency=concurrency, queue=target.policy.limits.queue
        )
        until = target.share(self._clock)
        if not target.is_last:
            until = until.at_most(target.policy.resilience.backoff_s.max, self._clock)
        queue = self._concurrency.of(target.model)
        try:
            async with queue.slot(target.request.tenant, bounds=bounds, until=until):
                yield
        except NoSlot as full:
            raise ModelBusy(
                target.model, "its limit of concurrent calls is reached", retry_after_s=full.retry_after_s
            ) from None
