"""A ledger in Redis: shared by many hosts, each operation one script that Redis runs without interruption."""

import json
import math
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import redis.asyncio
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.clock import Clock, SystemClock
from gateway.errors import LedgerUnavailable
from gateway.ledger.accounts import Account, Totals, exhausted_error
from gateway.ledger.clock_guard import ClockGuard
from gateway.ledger.states import (
    KEPT_S,
    NEXT,
    Event,
    ReservationState,
    check_amount,
    invalid_transition,
    warn_of_excess,
)

_log = structlog.get_logger()

TIMEOUT_S: Final = 2.0
"""For a connection, a place in the pool and an answer, each; then the store counts as unreachable."""
CONNECTIONS: Final = 16
"""Of one process; whoever finds none free waits for one."""
_SCRIPT: Final = Path(__file__).with_name("redis.lua").read_text(encoding="utf-8")
_STEPS: Final = {f"{before} {event}": str(after) for (before, event), after in NEXT.items()}


def client_of(url: str) -> "redis.asyncio.Redis":
    """Return a client that sends nothing twice and waits for nothing longer than TIMEOUT_S."""
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
    """The ledger at a Redis URL; connects when it is first asked.

    Nothing is sent twice: a reservation whose answer was lost is one that was not made, and expires. A
    server that forgets the books while this runs is refused until a restart, so it needs `appendonly yes`.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, max_skew_s: float | None = None) -> None:
        """Make one; where the clock is more than `max_skew_s` from the server's, nothing is reserved."""
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
            raise LedgerUnavailable(model, "the clock of this machine is not that of Redis")
        if outcome == b"exists":
            raise LookupError(f"reservation {reservation_id} exists")
        if outcome == b"full":
            full = [accounts[place - 1] for place in details]
            raise exhausted_error(full, model=model, unix_s=now_s)

    async def dial(self, reservation_id: str) -> None:
        """Note that the request is about to leave; LedgerUnavailable also if the reservation expired."""
        await self._apply(reservation_id, Event.DIAL)

    async def settle(self, reservation_id: str, cost_usd_nanos: int) -> None:
        """Charge what it cost and give back the rest; raises LedgerUnavailable."""
        await self._apply(reservation_id, Event.SETTLE, cost_usd_nanos)

    async def release(self, reservation_id: str) -> None:
        """Give all of it back; raises LedgerUnavailable."""
        await self._apply(reservation_id, Event.RELEASE)

    async def charge_unknown(self, reservation_id: str) -> None:
        """Charge all of it: nobody knows what was billed. Raises LedgerUnavailable."""
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
        """Log once that the clock is wrong, and once that it is right again."""
        if is_skewed != self._is_skewed:
            self._is_skewed = is_skewed
            if is_skewed:
                hint = "set the clocks of this machine and of Redis alike"
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
        """Run one operation, on the books that were there first; the script says what its answer is."""
        if not self._ledger_id:
            ledger_id, is_new = await self._send("open", model=model, ledger_id=secrets.token_hex(8))
            if is_new:
                _log.info("ledger.begins", state="redis", spent_usd=0.0)
            self._ledger_id = ledger_id.decode()
        answer = await self._send(operation, model=model, ledger_id=self._ledger_id, **fields)
        if answer[:1] == [b"gone"]:
            if not self._is_gone:
                _log.error(
                    "ledger.gone", way_out="restore what Redis had; a restart without it begins at zero"
                )
            self._is_gone = True
            raise LedgerUnavailable(model, "the ledger in Redis was removed or replaced")
        self._is_gone = False
        return answer

    async def _send(self, operation: str, *, model: str, **fields: object) -> list[Any]:
        request = {"op": operation, "now": self._clock.unix_s(), "kept_s": KEPT_S, "next": _STEPS}
        request |= {"max_skew_s": self._max_skew_s} if self._max_skew_s is not None else {}
        request |= fields
        try:
            answer: list[Any] = await self._script(keys=[], args=[json.dumps(request)])
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable(
                model, f"the ledger's store cannot be used ({type(error).__name__})"
            ) from error
        return answer
