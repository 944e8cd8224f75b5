"""A ledger in Redis, shared by many hosts; each operation is one atomic script."""

import json
import math
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Unpack

import redis.asyncio
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.clock import Clock, SystemClock
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, Reservation, Totals, exhausted_error
from gateway.ledger.clock_guard import ClockGuard
from gateway.ledger.states import (
    NEXT,
    RETENTION_S,
    Event,
    ReservationState,
    check_amount,
    invalid_transition,
    warn_of_excess,
)

_log = structlog.get_logger()

TIMEOUT_S: Final = 2.0
"""Seconds to wait for a connection, for a free one in the pool, and for an answer; then the call fails."""
CONNECTIONS: Final = 16
"""Connections of one process; a call waits while all are in use."""
_SCRIPT: Final = Path(__file__).with_name("redis.lua").read_text(encoding="utf-8")
_STEPS: Final = {f"{before} {event}": str(after) for (before, event), after in NEXT.items()}


def client_of(url: str) -> "redis.asyncio.Redis":
    """Return a client that does not retry and waits at most TIMEOUT_S."""
    pool: redis.asyncio.BlockingConnectionPool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.asyncio.Redis(connection_pool=pool)


class RedisLedger:
    """The ledger at a Redis URL; connects at the first call.

    Calls are not retried: a reservation whose answer is lost counts as not made, and expires. If the server
    loses the ledger, every call fails until a restart, so the server needs `appendonly yes`.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, max_skew_s: float | None = None) -> None:
        """Nothing is reserved while the clock differs from the server's by more than `max_skew_s`."""
        self._clock = clock or SystemClock()
        self._guard = ClockGuard(self._clock)
        self._max_skew_s = max_skew_s
        self._is_skewed = False
        self._redis = client_of(url)
        self._script = self._redis.register_script(_SCRIPT)
        self._ledger_id = ""
        self._is_gone = False

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
        outcome, *details = await self._run(
            "reserve",
            model=model,
            id=reservation_id,
            reservation_model=model,
            accounts=[
                {
                    "key": account.key,
                    "limit": account.limit_usd_nanos,
                    "forget_at": math.ceil(account.forget_at_unix_s),
                }
                for account in accounts
            ],
            amount=amount_usd_nanos,
            expires_at=expires_unix_s,
        )
        self._log_skew(outcome == b"skewed", details)
        if outcome == b"skewed":
            raise LedgerUnavailable(model, "the clocks of this machine and of Redis differ too much")
        if outcome == b"exists":
            raise LookupError(f"reservation {reservation_id} exists")
        if outcome == b"full":
            full = [accounts[place - 1] for place in details]
            raise exhausted_error(full, model=model, unix_s=now_s)

    async def reserve_and_dial(self, **reservation: Unpack[Reservation]) -> None:
        """Do both, one after the other; raises BudgetExhausted, LedgerUnavailable."""
        await self.reserve(**reservation)
        await self.dial(reservation["reservation_id"])

    async def dial(self, reservation_id: str) -> None:
        """Record that the call is about to be sent; raises LedgerUnavailable, also after an expiry."""
        await self._apply(reservation_id, Event.DIAL)

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Charge the cost of the call and release the rest; raises LedgerUnavailable."""
        await self._apply(reservation_id, Event.SETTLE, cost_usd_nanos)

    async def release(self, reservation_id: str) -> None:
        """Release the whole reservation; raises LedgerUnavailable."""
        await self._apply(reservation_id, Event.RELEASE)

    async def charge_unknown(self, reservation_id: str) -> None:
        """Charge the whole reservation, because the bill is unknown; raises LedgerUnavailable."""
        await self._apply(reservation_id, Event.CHARGE_UNKNOWN)

    async def spent(self, accounts: Sequence[Account]) -> Sequence[int]:
        """Return what is charged or reserved on each account; raises LedgerUnavailable."""
        answer = await self._run("spent", accounts=[{"key": account.key} for account in accounts])
        return [int(each) for each in answer]

    async def totals(self) -> Totals:
        """Return the sums over all accounts and windows since the store was empty."""
        settled, unknown, held = await self._run("totals")
        return Totals(
            settled_usd_nanos=int(settled), unknown_usd_nanos=int(unknown), held_usd_nanos=int(held)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    def _log_skew(self, is_skewed: bool, details: Sequence[Any]) -> None:
        """Log once that the clocks differ, and once that they agree again."""
        if is_skewed != self._is_skewed:
            self._is_skewed = is_skewed
            if is_skewed:
                hint = "synchronise the clocks of this machine and of Redis"
                _log.error("ledger.clock_skewed", ahead_s=int(details[0]), hint=hint)
            else:
                _log.info("ledger.clock_right")

    async def _apply(self, reservation_id: str, event: Event, cost_usd_nanos: int = 0) -> None:
        check_amount("ledger", cost_usd_nanos)
        outcome, *details = await self._run("apply", id=reservation_id, event=event, cost=cost_usd_nanos)
        if outcome == b"missing":
            raise LookupError(f"no reservation {reservation_id} is open")
        model = details[0].decode()
        if outcome == b"impossible":
            raise invalid_transition(reservation_id, model, ReservationState(details[1].decode()), event)
        if outcome == b"overflow":
            raise LedgerUnavailable(model, "a sum is larger than the ledger can hold")
        warn_of_excess(model, int(details[1]))

    async def _run(self, operation: str, *, model: str = "ledger", **fields: object) -> list[Any]:
        """Run one operation on the ledger that the first call found; `redis.lua` documents the answers."""
        if not self._ledger_id:
            ledger_id, is_new = await self._send("open", model=model, ledger_id=secrets.token_hex(8))
            if is_new:
                _log.info("ledger.begins", state="redis", spent_usd=0.0)
            self._ledger_id = ledger_id.decode()
        answer = await self._send(operation, model=model, ledger_id=self._ledger_id, **fields)
        if answer[:1] == [b"gone"]:
            if not self._is_gone:
                _log.error(
                    "ledger.gone", hint="restore the data of Redis; a restart without it begins at zero"
                )
            self._is_gone = True
            raise LedgerUnavailable(model, "the ledger in Redis was removed or replaced")
        self._is_gone = False
        return answer

    async def _send(self, operation: str, *, model: str, **fields: object) -> list[Any]:
        request = {"op": operation, "now": self._clock.unix_s(), "kept_s": RETENTION_S, "next": _STEPS}
        request |= {"max_skew_s": self._max_skew_s} if self._max_skew_s is not None else {}
        request |= fields
        try:
            answer: list[Any] = await self._script(keys=[], args=[json.dumps(request)])
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable(
                model, f"the ledger's store cannot be used ({type(error).__name__})"
            ) from error
        return answer
