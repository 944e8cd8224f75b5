"""How a gateway is: read from this worker, from the others, from the engines and from the ledger."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog

from gateway import __version__
from gateway.admin.v1 import admin_pb2 as pb
from gateway.admin.v1 import admin_pb2_grpc
from gateway.clock import Clock
from gateway.dispatch.breaker import Breakers, BreakerState
from gateway.engine.v1 import engine_pb2
from gateway.errors import BackendError, LedgerUnavailable
from gateway.ledger.accounts import Totals
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.active_policy import ActivePolicy
from gateway.server.admin.recent import MAX_DECISIONS, Recent
from gateway.server.admin.worker import WorkerIdentity

ASK_S = 1.0
"""How long another worker, an engine or the ledger is waited for; then the status goes without it."""
_STATES = {
    BreakerState.CLOSED: pb.BREAKER_STATE_CLOSED,
    BreakerState.OPEN: pb.BREAKER_STATE_OPEN,
    BreakerState.HALF_OPEN: pb.BREAKER_STATE_HALF_OPEN,
}
_log = structlog.get_logger()


class LedgerTotals(Protocol):
    """What is read of a ledger."""

    async def totals(self) -> Totals:
        """Return the sums over all accounts."""
        ...


class EngineState(Protocol):
    """What the owner of an engine knows of it."""

    @property
    def is_serving(self) -> bool:
        """Whether it takes requests."""
        ...

    @property
    def generation(self) -> int:
        """How often it was started."""
        ...

    @property
    def load_s(self) -> float:
        """Seconds that the last loading took; 0 before the first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedEngine:
    """An engine, and how to ask it."""

    state: EngineState
    ask: Callable[[float], Awaitable[engine_pb2.GetStatusResponse]]
    """Takes seconds to wait; raises BackendError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the state of a worker is read from."""

    place: WorkerIdentity
    current: ActivePolicy
    in_flight: Callable[[], int]
    cache_bytes: Callable[[], int]
    """Of answers in the memory of this process."""
    breakers: Breakers
    budgets: SpendCache
    ledger: LedgerTotals
    engines: Mapping[str, WatchedEngine]
    recent: Recent
    clock: Clock


class StatusReader:
    """Reads the state of this worker, or of the gateway as a whole."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._began_s = sources.clock.monotonic_s()
        self._channels: dict[int, grpc.aio.Channel] = {}

    async def own(self, decisions: int) -> pb.GetStatusResponse:
        """Return what this worker alone knows."""
        sources = self._sources
        policy = sources.current.pipeline.policy
        worker = pb.Worker(
            number=sources.place.number,
            pid=os.getpid(),
            uptime_s=sources.clock.monotonic_s() - self._began_s,
            policy_hash=policy.hash,
            in_flight=sources.in_flight(),
            cache_bytes=sources.cache_bytes(),
            breakers=[_breaker(name, sources.breakers) for name in policy.models],
            decisions=sources.recent.latest(min(max(decisions, 0), MAX_DECISIONS)),
        )
        return pb.GetStatusResponse(
            version=__version__,
            workers_expected=sources.place.count,
            workers=[worker],
            budgets=await self._budgets(),
        )

    async def whole(self, decisions: int) -> pb.GetStatusResponse:
        """Return the state of workers, engines and ledger; what does not answer is left out."""
        place = self._sources.place
        others = [number for number in range(place.count) if number != place.number]
        own, spend, engines, peers = await asyncio.gather(
            self.own(decisions),
            self._spend(),
            self._engines(),
            asyncio.gather(*(self._ask_peer(number, decisions) for number in others)),
        )
        answers = [own, *(peer for peer in peers if peer is not None)]
        whole = pb.GetStatusResponse(
            version=own.version,
            workers_expected=place.count,
            workers=sorted((w for answer in answers for w in answer.workers), key=lambda w: w.number),
            engines=engines,
            budgets=merged(budget for answer in answers for budget in answer.budgets),
        )
        if spend is not None:
            whole.spend.CopyFrom(spend)
        return whole

    async def aclose(self) -> None:
        """Close the connections to the other workers."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def _budgets(self) -> list[pb.Budget]:
        try:
            async with asyncio.timeout(ASK_S):
                budgets = self._sources.current.pipeline.policy.budgets
                spent = await self._sources.budgets.recent(budgets)
        except (LedgerUnavailable, TimeoutError):
            return []
        return [
            pb.Budget(
                budget=account.budget,
                subject=account.subject,
                spent_usd_nanos=usd_nanos,
                limit_usd_nanos=account.limit_usd_nanos,
                resets_at_unix_s=account.resets_at_unix_s,
            )
            for account, usd_nanos in spent
        ]

    async def _spend(self) -> pb.Spend | None:
        try:
            async with asyncio.timeout(ASK_S):
                totals = await self._sources.ledger.totals()
        except (LedgerUnavailable, TimeoutError):
            return None
        return pb.Spend(
            settled_usd_nanos=totals.settled_usd_nanos,
            unknown_usd_nanos=totals.unknown_usd_nanos,
            held_usd_nanos=totals.held_usd_nanos,
        )

    async def _engines(self) -> list[pb.Engine]:
        engines = sorted(self._sources.engines.items())
        return list(await asyncio.gather(*(_engine(name, engine) for name, engine in engines)))

    async def _ask_peer(self, number: int, decisions: int) -> pb.GetStatusResponse | None:
        if number not in self._channels:
            self._channels[number] = grpc.aio.insecure_channel(
                f"unix:{self._sources.place.socket(number)}",
                options=[
                    ("grpc.use_local_subchannel_pool", 1),
                    ("grpc.enable_http_proxy", 0),
                    ("grpc.max_reconnect_backoff_ms", 1000),
                ],
            )
        request = pb.GetStatusRequest(decisions=decisions, one_worker=True)
        try:
            return await admin_pb2_grpc.AdminServiceStub(self._channels[number]).GetStatus(
                request, timeout=ASK_S
            )
        except grpc.aio.AioRpcError as error:
            _log.warning("admin.worker_silent", worker=number, code=error.code().name)
            return None


def _breaker(model: str, breakers: Breakers) -> pb.Breaker:
    return pb.Breaker(
        model=model,
        state=_STATES[breakers.state(model)],
        retry_after_s=breakers.heals_after_s(model) or 0.0,
    )


async def _engine(model: str, engine: WatchedEngine) -> pb.Engine:
    known = pb.Engine(
        model=model,
        is_serving=engine.state.is_serving,
        starts=engine.state.generation,
        load_s=engine.state.load_s,
    )
    if known.is_serving:
        try:
            known.status.CopyFrom(await engine.ask(ASK_S))
        except BackendError as error:
            _log.warning("admin.engine_silent", model=model, reason=str(error.reason))
    return known


def merged(budgets: Iterable[pb.Budget]) -> list[pb.Budget]:
    """Return each budget of each subject once, as the worker that read it last saw it: spend only grows."""
    found: dict[tuple[str, str], pb.Budget] = {}
    for budget in budgets:
        key = (budget.budget, budget.subject)
        known = found.get(key)
        if known is None or (budget.resets_at_unix_s, budget.spent_usd_nanos) > (
            known.resets_at_unix_s,
            known.spent_usd_nanos,
        ):
            found[key] = budget
    return [found[key] for key in sorted(found)]
