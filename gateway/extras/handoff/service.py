"""Hand-off for callers: adds a ticket to a canned reply, and returns a person's answer for a ticket."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from gateway.clock import Clock, Deadline
from gateway.domain.answer import Answer, Degraded
from gateway.domain.decision import Decision
from gateway.domain.request import Request
from gateway.domain.ticket import Fetched, Ticket
from gateway.errors import HandoffFull, HandoffUnavailable, StartupError, TicketUnknown
from gateway.extras.handoff.payload import (
    HandoffQuestion,
    answer_associated_data,
    request_associated_data,
    size_bytes,
)
from gateway.extras.handoff.queue import KEY_VARIABLE, HandoffQueue
from gateway.extras.handoff.ticket import new_id
from gateway.policy.handoff import Handoff
from gateway.policy.model import privacy_class

if TYPE_CHECKING:  # Needs the extra `handoff`.
    from gateway.extras.handoff.encryption import KeyRing

WRITE_S = 2.0
"""Time limit of storing a request, in seconds; the caller's deadline may leave less."""
DAY_S = 86_400.0

_log = structlog.get_logger(__name__)


class HandoffService:
    """Queues requests that no model answered, and returns the answers of people."""

    def __init__(self, queue: HandoffQueue, keys: "KeyRing", *, clock: Clock) -> None:
        self._queue = queue
        self._keys = keys
        self._clock = clock
        self._is_checked = False

    async def check(self) -> None:
        """Raise StartupError if the queue has another key, HandoffUnavailable if it cannot be reached."""
        if not self._is_checked:
            await check_key(self._queue, self._keys)
            self._is_checked = True

    async def offer(
        self, request: Request, answer: Answer, *, section: Handoff, deadline: Deadline
    ) -> Answer:
        """Return the answer, with a ticket if it is a canned reply that the policy hands to a person.

        The request is stored durably before this returns. A request that cannot be stored gets no ticket:
        the canned reply is sent without one, and the reason is logged.
        """
        decision, degraded = answer.decision, answer.degraded
        if degraded is None or not _is_wanted(section, decision, degraded):
            return answer
        now_s = self._clock.unix_s()
        keep_s = section.keep_days * DAY_S
        ticket = Ticket(
            id=new_id(),
            tenant=request.tenant,
            request_id=request.request_id,
            reason=degraded.reason,
            privacy_class=decision.privacy_class,
            created_unix_s=now_s,
            keep_s=keep_s,
            expires_unix_s=now_s + keep_s,
        )
        try:
            if size_bytes(request) > section.max_bytes:
                raise HandoffFull(f"the request is larger than {section.max_bytes} bytes")
            async with asyncio.timeout(min(WRITE_S, max(0.0, deadline.remaining_s(self._clock)))):
                await self._store(request, ticket, section)
        except (HandoffFull, HandoffUnavailable, StartupError, TimeoutError) as error:
            why = str(error) or "the queue did not answer in time"
            _log.warning("handoff.not_stored", request_id=request.request_id, why=why)
            return answer
        return replace(answer, degraded=replace(degraded, ticket_id=ticket.id))

    async def fetch(self, ticket_id: str, *, tenant: str) -> Fetched:
        """Return a ticket of the tenant; raises TicketUnknown for any other ticket."""
        ticket = await self._queue.find(ticket_id)
        if ticket is None or ticket.tenant != tenant:
            raise TicketUnknown("the tenant has no ticket with this id, or it has expired")
        encrypted = None
        if ticket.answered_unix_s is not None:
            encrypted = await self._queue.answer_of(ticket_id)
        if encrypted is None:
            return Fetched(ticket=ticket)
        return Fetched(
            ticket=ticket,
            answer=self._keys.decrypt(encrypted, associated_data=answer_associated_data(ticket_id, tenant)),
        )

    async def aclose(self) -> None:
        """Close the queue."""
        await self._queue.aclose()

    async def _store(self, request: Request, ticket: Ticket, section: Handoff) -> None:
        await self.check()
        text = HandoffQuestion.of(request).to_json()
        encrypted = self._keys.encrypt(
            text, associated_data=request_associated_data(ticket.id, ticket.tenant)
        )
        await self._queue.put(ticket, encrypted, max_waiting=section.max_waiting)


async def check_key(queue: HandoffQueue, keys: "KeyRing") -> None:
    """Raise StartupError if the queue has another key, HandoffUnavailable if it cannot be reached."""
    found = await queue.adopt_key(keys.ids)
    if found not in keys.ids:
        raise StartupError(
            f"handoff: the queue is encrypted with key {found}, {KEY_VARIABLE} holds {', '.join(keys.ids)};"
            " append the old key to the new one, after a comma"
        )


def _is_wanted(section: Handoff, decision: Decision, degraded: Degraded) -> bool:
    """Return whether a person is asked; a request above the class `store_up_to` is never stored."""
    return decision.privacy_class <= privacy_class(section.store_up_to) and (
        not section.when_reason or degraded.reason in section.when_reason
    )
