"""A ledger in the memory of one process; gone when the process ends."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from gateway.clock import Clock, SystemClock
from gateway.ledger.accounts import Account, Reservation, Totals, check_limits
from gateway.ledger.clock_guard import ClockGuard
from gateway.ledger.states import RETENTION_S, Event, ReservationState, change, check_amount, warn_of_excess


@dataclass(slots=True, kw_only=True)
class _Reservation:
    model: str
    keys: tuple[str, ...]
    amount_usd_nanos: int
    expires_unix_s: float
    state: ReservationState = ReservationState.HELD


class MemoryLedger:
    """Accounts and reservations in dictionaries; for one event loop, never for two processes."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._charged: dict[str, int] = {}
        self._guard = ClockGuard(self._clock)
        self._accounts_to_forget: list[tuple[float, str]] = []
        self._reservations: dict[str, _Reservation] = {}
        self._expiries: list[tuple[float, str]] = []
        self._expired: list[tuple[float, str]] = []
        self._settled_usd_nanos = 0
        self._unknown_usd_nanos = 0

    async def reserve(
        self,
        *,
        reservation_id: str,
        model: str,
        accounts: Sequence[Account],
        amount_usd_nanos: int,
        expires_unix_s: float,
    ) -> None:
        """Hold `amount_usd_nanos` on every account or on none; raises BudgetExhausted, LedgerUnavailable."""
        check_amount(model, amount_usd_nanos)
        now_s = self._guard.now_s(model)
        self._forget(now_s)
        self._expire()
        if reservation_id in self._reservations:
            raise LookupError(f"reservation {reservation_id} exists")
        check_limits(
            accounts,
            [self._charged.get(account.key, 0) for account in accounts],
            model=model,
            amount_usd_nanos=amount_usd_nanos,
            unix_s=now_s,
        )
        for account in accounts:
            if account.key not in self._charged:
                self._charged[account.key] = 0
                heapq.heappush(self._accounts_to_forget, (account.forget_at_unix_s, account.key))
            self._charged[account.key] += amount_usd_nanos
        self._reservations[reservation_id] = _Reservation(
            model=model,
            keys=tuple(account.key for account in accounts),
            amount_usd_nanos=amount_usd_nanos,
            expires_unix_s=expires_unix_s,
        )
        heapq.heappush(self._expiries, (expires_unix_s, reservation_id))

    async def reserve_and_dial(self, **reservation: Unpack[Reservation]) -> None:
        """Do both, one after the other; raises BudgetExhausted, LedgerUnavailable."""
        await self.reserve(**reservation)
        await self.dial(reservation["reservation_id"])

    async def dial(self, reservation_id: str) -> None:
        """Record that the call is about to be sent; raises LedgerUnavailable if the reservation expired."""
        self._apply(reservation_id, Event.DIAL)

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Charge the cost of the call and release the rest."""
        self._apply(reservation_id, Event.SETTLE, cost_usd_nanos)

    async def release(self, reservation_id: str) -> None:
        """Release the whole reservation."""
        self._apply(reservation_id, Event.RELEASE)

    async def charge_unknown(self, reservation_id: str) -> None:
        """Charge the whole reservation, because the bill is unknown."""
        self._apply(reservation_id, Event.CHARGE_UNKNOWN)

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is charged or reserved on each account."""
        self._expire()
        return [self._charged.get(account.key, 0) for account in accounts]

    async def totals(self) -> Totals:
        """Return the sums over all accounts and windows of this process."""
        self._expire()
        return Totals(
            settled_usd_nanos=self._settled_usd_nanos,
            unknown_usd_nanos=self._unknown_usd_nanos,
            held_usd_nanos=sum(
                reservation.amount_usd_nanos
                for reservation in self._reservations.values()
                if reservation.state in (ReservationState.HELD, ReservationState.DIALLED)
            ),
        )

    async def aclose(self) -> None:
        """Do nothing: there is nothing to free."""

    def _apply(self, reservation_id: str, event: Event, cost_usd_nanos: int = 0) -> None:
        reservation = self._reservations.get(reservation_id)
        if reservation is None:
            raise LookupError(f"no reservation {reservation_id} is open")
        done = change(
            reservation_id,
            reservation.model,
            reservation.state,
            event,
            amount_usd_nanos=reservation.amount_usd_nanos,
            cost_usd_nanos=cost_usd_nanos,
        )
        warn_of_excess(reservation.model, done.excess_usd_nanos)
        for key in reservation.keys:
            if key in self._charged:
                self._charged[key] += done.charged_usd_nanos
        self._settled_usd_nanos += done.settled_usd_nanos
        self._unknown_usd_nanos += done.unknown_usd_nanos
        reservation.state = done.state
        if done.is_forgotten:
            del self._reservations[reservation_id]

    def _expire(self) -> None:
        """Release or charge the reservations that are past their deadline."""
        now_s = self._clock.unix_s()
        while self._expiries and self._expiries[0][0] < now_s:
            expires_s, reservation_id = heapq.heappop(self._expiries)
            if reservation_id in self._reservations:
                self._apply(reservation_id, Event.EXPIRE)
                heapq.heappush(self._expired, (expires_s, reservation_id))

    def _forget(self, now_s: float) -> None:
        """Delete old reservations and accounts; only a reservation calls this, never a read."""
        while self._expired and self._expired[0][0] + RETENTION_S < now_s:
            self._reservations.pop(heapq.heappop(self._expired)[1], None)
        while self._accounts_to_forget and self._accounts_to_forget[0][0] < now_s:
            del self._charged[heapq.heappop(self._accounts_to_forget)[1]]
