"""The layer that reserves the worst case before a call and settles it after, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Protocol, Unpack

import structlog

from gateway.clock import Clock, Deadline
from gateway.dispatch.fair_queue import Bounds, FairQueue, NoSlot
from gateway.dispatch.layer import AttemptContext, Target, seconds_left
from gateway.domain.answer import Usage
from gateway.errors import BackendError, BudgetExhausted, Charge, LedgerUnavailable
from gateway.ledger.accounts import Account, Reservation, Totals, accounts_for
from gateway.ledger.money import cost_usd_nanos, worst_case_usd_nanos
from gateway.policy.model import ModelSpec
from gateway.tasks import Tasks, child

_log = structlog.get_logger(__name__)

GRACE_S = 5.0
"""How long after the deadline a reservation is taken for abandoned: settling takes a moment, too."""

LEDGER_CALLS = Bounds(concurrency=32, tenant_concurrency=16, queue=2**31)
"""Of requests that reserve or settle at the same moment; of those that wait, tenants take turns.

A thousand reservations that the ledger commits together would begin a thousand calls in the same moment, and
whoever comes behind them would wait for all. Those that wait hold a place in the process, which bounds them.
"""

CALLERS_LIMIT = "hints.max_cost_usd"
"""What BudgetExhausted names when it is the caller's own limit that has no room."""


class Ledger(Protocol):
    """What dispatch needs of a ledger; each of the stores in `gateway.ledger` is one.

    A reservation is held, then dialled, then settled, released or charged as unknown. Every method
    returns only when what it says is durable, and raises LedgerUnavailable when the store is not.
    """

    async def reserve(
        self,
        *,
        reservation_id: str,
        model: str,
        accounts: Sequence[Account],
        amount_usd_nanos: int,
        expires_unix_s: float,
    ) -> None:
        """Hold the amount on every account or on none; raises BudgetExhausted."""
        ...

    async def reserve_and_dial(self, **reservation: Unpack[Reservation]) -> None:
        """Do both, for a call that leaves when this returns."""
        ...

    async def dial(self, reservation_id: str) -> None:
        """Note that the request is about to leave."""
        ...

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Charge what it cost and give back the rest."""
        ...

    async def release(self, reservation_id: str) -> None:
        """Give all of it back."""
        ...

    async def charge_unknown(self, reservation_id: str) -> None:
        """Charge all of it."""
        ...

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is charged or reserved on each account."""
        ...

    async def totals(self) -> Totals:
        """Return the sums over all accounts."""
        ...

    async def aclose(self) -> None:
        """Free what the store holds."""
        ...


def charge_for(
    spec: ModelSpec,
    *,
    worst_usd_nanos: int,
    usage: Usage | None,
    failure: BaseException | None,
    has_output: bool,
) -> int | None:
    """Return what a call that is over costs; None: nobody knows, so the worst case is charged.

    A usage is believed whatever happened after it. Otherwise only an error that says so costs nothing, and
    only if nothing had come back.
    """
    if usage is not None:
        return cost_usd_nanos(spec, usage)
    if worst_usd_nanos == 0:
        return 0
    if isinstance(failure, BackendError) and failure.charge is Charge.NONE and not has_output:
        return 0
    return None


class BudgetLayer:
    """Reserves, dials, calls, settles; a model without a price, or without a budget, skips the ledger.

    What is to be written after the call is written even when the caller is gone; `drained` waits for it.
    """

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._turns = FairQueue(clock)
        self._writes = Tasks()

    @asynccontextmanager
    async def around(self, attempt: AttemptContext) -> AsyncIterator[None]:
        """Surround a try; raises BudgetExhausted or LedgerUnavailable without one."""
        target = attempt.target
        worst_usd_nanos = worst_case_usd_nanos(target.spec, target.request, target.reserved_tokens)
        _check_callers_limit(target, worst_usd_nanos)
        with target.attempt_log.open_call(worst_usd_nanos):
            reservation_id = await self._open(target, worst_usd_nanos)
            failure: BaseException | None = None
            try:
                yield
            except BaseException as error:
                failure = error
                raise
            finally:
                cost = charge_for(
                    target.spec,
                    worst_usd_nanos=worst_usd_nanos,
                    usage=attempt.usage,
                    failure=failure,
                    has_output=attempt.has_output,
                )
                attempt.cost_usd_nanos = worst_usd_nanos if cost is None else cost
                if reservation_id is not None:
                    await self._finish(self._close(reservation_id, target, cost, failure), target.deadline)

    async def drained(self) -> None:
        """Wait until everything that has to be written is written."""
        await self._writes.drain()

    async def _open(self, target: Target, worst_usd_nanos: int) -> str | None:
        """Reserve and dial; return the reservation, or None where there is nothing to reserve."""
        now_s = self._clock.unix_s()
        accounts = accounts_for(
            target.policy.budgets,
            tenant=target.request.tenant,
            key_name=target.request.key_name,
            labels=target.request.labels,
            model=target.model,
            unix_s=now_s,
        )
        if not accounts or target.spec.token_price is None:
            return None
        reservation_id = token_hex(16)

        until = target.share(self._clock)
        try:
            leave = await self._turns.take(target.request.tenant, bounds=LEDGER_CALLS, until=until)
        except NoSlot:
            raise LedgerUnavailable(target.model, "the ledger did not answer in time") from None
        reserving = self._ledger.reserve_and_dial(
            reservation_id=reservation_id,
            model=target.model,
            accounts=accounts,
            amount_usd_nanos=worst_usd_nanos,
            expires_unix_s=now_s + target.deadline.remaining_s(self._clock) + GRACE_S,
        )
        opening = child(reserving, name="reservation")
        opening.add_done_callback(lambda _: leave())
        try:
            await asyncio.wait({opening}, timeout=seconds_left(until, self._clock))
        except asyncio.CancelledError:
            self._start(self._undo(opening, reservation_id, target.model))
            raise
        if not opening.done():
            self._start(self._undo(opening, reservation_id, target.model))
            raise LedgerUnavailable(target.model, "the ledger did not answer in time")
        opening.result()
        return reservation_id

    async def _undo(self, opening: "asyncio.Task[None]", reservation_id: str, model: str) -> None:
        """Give back a reservation that nobody waits for any more: nothing was sent."""
        try:
            await opening
        except (BudgetExhausted, LedgerUnavailable):
            return
        await self._write(self._ledger.release(reservation_id), model)

    async def _close(
        self, reservation_id: str, target: Target, cost_usd_nanos: int | None, failure: BaseException | None
    ) -> None:
        tenant, model = target.request.tenant, target.model
        async with self._turns.slot(tenant, bounds=LEDGER_CALLS, until=Deadline.never()):
            if cost_usd_nanos is None:
                await self._write(self._ledger.charge_unknown(reservation_id), model)
            elif cost_usd_nanos == 0 and failure is not None:
                await self._write(self._ledger.release(reservation_id), model)
            else:
                await self._write(self._ledger.settle(reservation_id, cost_usd_nanos), model)

    async def _write(self, operation: Coroutine[None, None, None], model: str) -> None:
        try:
            await operation
        except LedgerUnavailable:
            # It stays dialled in the store, and so charged in full: never less than the bill.
            _log.warning("ledger_write_lost", model=model)

    async def _finish(self, operation: Coroutine[None, None, None], deadline: Deadline) -> None:
        """Wait for a write, but not beyond the deadline; it goes on whatever happens to the caller."""
        await asyncio.wait({self._start(operation)}, timeout=seconds_left(deadline, self._clock))

    def _start(self, operation: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        return self._writes.start("write to the ledger", operation)


def _check_callers_limit(target: Target, worst_usd_nanos: int) -> None:
    limit_usd_nanos = target.request.hints.max_cost_usd_nanos
    if limit_usd_nanos is None or worst_usd_nanos == 0:
        return
    if (
        target.attempt_log.cost_usd_nanos + target.attempt_log.open_usd_nanos + worst_usd_nanos
        > limit_usd_nanos
    ):
        raise BudgetExhausted(target.model, budget=CALLERS_LIMIT)
