"""Hand-off queue in Redis, for gateways on many hosts; an update uses WATCH to avoid lost updates."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.exceptions import RedisError, WatchError

from gateway.clock import Clock
from gateway.domain.ticket import Ticket
from gateway.errors import HandoffFull, HandoffUnavailable
from gateway.extras.handoff.ticket import from_json, to_json
from gateway.ledger.redis import client_of

ATTEMPTS: Final = 20
"""The most attempts of an update that conflicts with others."""
_ALL: Final = "{gateway}:handoff"
"""Key of the sorted set of all ids, by expiry."""
_KEY: Final = "{gateway}:handoff:key"


def _ticket_key(ticket_id: str) -> str:
    """Return the key of the hash of record, request and answer; Redis deletes it at expiry."""
    return f"{_ALL}:ticket:{ticket_id}"


def _waiting_key(tenant: str) -> str:
    """Return the key of the sorted set of a tenant's unanswered ids, by expiry."""
    return f"{_ALL}:waiting:{tenant}"


class RedisQueue:
    """Queue at a Redis URL; connects on first use. It is as durable as that Redis."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._clock = clock
        # The stubs type results as bytes or str; this client returns bytes.
        self._redis: Any = client_of(url)

    async def put(self, ticket: Ticket, encrypted_request: bytes, *, max_waiting: int) -> None:
        """Store a ticket; Redis has it when this returns. Raises HandoffFull, HandoffUnavailable."""
        now_s, waiting = self._clock.unix_s(), _waiting_key(ticket.tenant)
        async with self._errors(), self._redis.pipeline(transaction=True) as pipe:
            for index in (_ALL, waiting):
                pipe.zremrangebyscore(index, "-inf", f"({now_s}")
                pipe.zadd(index, {ticket.id: ticket.expires_unix_s})
            pipe.expireat(waiting, math.ceil(ticket.expires_unix_s))
            _write(pipe, ticket, request=encrypted_request)
            pipe.zcard(waiting)
            *_, count = await pipe.execute()
            if count > max_waiting:
                _forget(pipe, ticket)
                await pipe.execute()
                raise HandoffFull(
                    f"the tenant's limit of requests that wait for a person is reached: {max_waiting}"
                )

    async def find(self, ticket_id: str) -> Ticket | None:
        """Return a ticket; None if it is unknown or expired."""
        async with self._errors():
            record = await self._redis.hget(_ticket_key(ticket_id), "record")
        return self._alive(record)

    async def request_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted request."""
        async with self._errors():
            encrypted: bytes | None = await self._redis.hget(_ticket_key(ticket_id), "request")
        return encrypted

    async def answer_of(self, ticket_id: str) -> bytes | None:
        """Return the encrypted answer."""
        async with self._errors():
            encrypted: bytes | None = await self._redis.hget(_ticket_key(ticket_id), "answer")
        return encrypted

    async def tickets(self) -> Sequence[Ticket]:
        """Return all tickets, the oldest first."""
        async with self._errors():
            ids = await self._redis.zrange(_ALL, 0, -1)
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in ids:
                    pipe.hget(_ticket_key(each.decode()), "record")
                records = await pipe.execute()
        found = [ticket for record in records if (ticket := self._alive(record))]
        return sorted(found, key=lambda ticket: (ticket.created_unix_s, ticket.id))

    async def change(
        self, ticket_id: str, step: Callable[[Ticket], Ticket], *, encrypted_answer: bytes | None = None
    ) -> Ticket | None:
        """Update a ticket by `step`, atomically; None if unknown. A TicketRefused changes nothing."""
        key = _ticket_key(ticket_id)
        async with self._errors(), self._redis.pipeline(transaction=True) as pipe:
            for _ in range(ATTEMPTS):
                await pipe.watch(key)
                before = self._alive(await pipe.hget(key, "record"))
                if before is None:
                    return None
                after = step(before)
                pipe.multi()
                _write(pipe, after, answer=encrypted_answer)
                pipe.zadd(_ALL, {after.id: after.expires_unix_s})
                if after.answered_unix_s is not None:
                    pipe.zrem(_waiting_key(after.tenant), after.id)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return after
        raise HandoffUnavailable("other processes keep changing the ticket")

    async def adopt_key(self, own: Sequence[str]) -> str:
        """Return the id of the queue's key; if it has none, or one of `own`, set the first of `own`."""
        async with self._errors():
            await self._redis.setnx(_KEY, own[0])
            found: str = (await self._redis.get(_KEY) or b"").decode()
            if found not in own:
                return found
            if found != own[0]:
                await self._redis.set(_KEY, own[0])
        return own[0]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    def _alive(self, record: bytes | None) -> Ticket | None:
        ticket = None if record is None else from_json(record)
        return ticket if ticket is not None and ticket.expires_unix_s >= self._clock.unix_s() else None

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            raise HandoffUnavailable(f"the queue in Redis cannot be used ({type(error).__name__})") from error


def _write(
    pipe: Any,
    ticket: Ticket,
    *,
    request: bytes | None = None,
    answer: bytes | None = None,
) -> None:
    fields = {"record": to_json(ticket), "request": request, "answer": answer}
    key = _ticket_key(ticket.id)
    pipe.hset(key, mapping={name: value for name, value in fields.items() if value is not None})
    pipe.expireat(key, math.ceil(ticket.expires_unix_s))


def _forget(pipe: Any, ticket: Ticket) -> None:
    pipe.delete(_ticket_key(ticket.id))
    for index in (_ALL, _waiting_key(ticket.tenant)):
        pipe.zrem(index, ticket.id)
