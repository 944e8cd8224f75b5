"""A second model is asked when the first one is slow to begin; the first text wins, the other call is ended.

Within the process because gRPC for Python ignores `hedgingPolicy`. Source of the idea: Dean and Barroso, The
Tail at Scale, 2013.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from gateway.clock import Clock
from gateway.dispatch.latency import LatencyTracker
from gateway.dispatch.layer import Target
from gateway.dispatch.retry_budget import RetryBudget
from gateway.domain.answer import Chunk
from gateway.errors import AttemptError
from gateway.tasks import child

TurnLayer = Callable[[Target], AsyncGenerator[Chunk, None]]


class _Leg:
    """One model's turn in a task of its own, which is at most one piece ahead of its reader."""

    def __init__(self, target: Target, layer: TurnLayer, *, started_s: float) -> None:
        self.target = target
        self.started_s = started_s
        self._pieces: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue(1)
        self._task = child(self._run(layer), name=f"leg {target.model}")

    @property
    def is_running(self) -> bool:
        """Whether the turn has not ended."""
        return not self._task.done()

    async def next(self) -> Chunk | Exception | None:
        """Return the next piece, how the turn failed, or None at its end."""
        return await self._pieces.get()

    async def rest(self, first: Chunk) -> AsyncGenerator[Chunk, None]:
        """Yield `first` and what follows; raises what the turn raises."""
        piece: Chunk | Exception | None = first
        while piece is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
            piece = await self.next()

    def cancel(self) -> None:
        """Let the turn end, with all that it holds."""
        self._task.cancel()

    async def ended(self) -> None:
        """Wait until it has: the backend is stopped, the try noted, the ledger told."""
        await asyncio.wait({self._task})

    async def _run(self, layer: TurnLayer) -> None:
        end: Exception | None = None
        try:
            async with aclosing(layer(self.target)) as chunks:
                async for chunk in chunks:
                    await self._pieces.put(chunk)
        except Exception as error:  # noqa: BLE001  Whoever reads the leg raises it.
            end = error
        await self._pieces.put(end)


class Hedge:
    """Opens turns, and where the policy says so a second one beside a slow first one."""

    def __init__(
        self, layer: TurnLayer, *, latencies: LatencyTracker, retry_budget: RetryBudget, clock: Clock
    ) -> None:
        self._layer = layer
        self._clock = clock
        self._latencies = latencies
        self._retry_budget = retry_budget

    @asynccontextmanager
    async def opened(
        self,
        target: Target,
        *,
        rival: Callable[[], Target | None] | None,
        consider: Callable[[AttemptError], None],
    ) -> AsyncGenerator[tuple[Target, AsyncIterator[Chunk]], None]:
        """Give the turn that answers, and its pieces; raises the error of the last turn that failed.

        `rival` takes the next turn of the chain; None: no other one may run beside this one. `consider` is
        told of a turn that failed while another one runs, and raises what ends the request.
        """
        after_s = self._after_s(target)
        if after_s is None or rival is None:
            async with aclosing(self._layer(target)) as chunks:
                yield target, chunks
            return
        legs: list[_Leg] = []
        with self._retry_budget.ticket() as ticket:

            def second() -> Target | None:
                if not ticket.has_room:
                    return None
                ticket.take()
                return rival()

            try:
                winner, first = await self._race(
                    target, legs, after_s=after_s, rival=second, consider=consider
                )
                for leg in legs:
                    if leg is not winner:
                        self._end(leg)
                async with aclosing(winner.rest(first)) as chunks:
                    yield winner.target, chunks
            finally:
                for leg in legs:
                    leg.cancel()
                for leg in legs:
                    await leg.ended()

    def _end(self, loser: _Leg) -> None:
        """End a leg that lost; that it took so long already is known of its model, or p95 would only sink."""
        if loser.is_running:
            self._latencies.note_lost(loser.target.model, self._clock.monotonic_s() - loser.started_s)
        loser.cancel()

    async def _race(
        self,
        target: Target,
        legs: list[_Leg],
        *,
        after_s: float,
        rival: Callable[[], Target | None],
        consider: Callable[[AttemptError], None],
    ) -> tuple[_Leg, Chunk]:
        """Return the leg that speaks first, and what it says."""
        asked: dict[asyncio.Task[Chunk | Exception | None], _Leg] = {}

        def start(another: Target) -> None:
            legs.append(_Leg(another, self._layer, started_s=self._clock.monotonic_s()))
            asked[child(legs[-1].next(), name=f"first piece of {another.model}")] = legs[-1]

        start(target)
        timeout_s: float | None = after_s
        try:
            while True:
                done, _ = await asyncio.wait(asked, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    timeout_s = None
                    if (another := rival()) is not None:
                        start(another)
                for task in [each for each in asked if each in done]:
                    leg, piece = asked.pop(task), task.result()
                    if isinstance(piece, Chunk):
                        return leg, piece
                    if piece is None:
                        raise RuntimeError("a turn ended without a piece and without an error")
                    if not asked or not isinstance(piece, AttemptError):
                        raise piece
                    consider(piece)
        finally:
            for task in asked:
                task.cancel()

    def _after_s(self, target: Target) -> float | None:
        """Return when a second model is asked; None: never."""
        after = target.policy.resilience.hedge_after
        return self._latencies.begin_s(target.model) if after == "p95" else after
