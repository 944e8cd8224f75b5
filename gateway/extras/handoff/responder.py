"""Hand-off for people: list waiting requests, take one, answer it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.domain.ticket import Ticket, TicketState
from gateway.errors import TicketRefused, TicketUnknown
from gateway.extras.handoff.payload import HandoffQuestion, answer_associated_data, request_associated_data
from gateway.extras.handoff.queue import HandoffQueue
from gateway.extras.handoff.ticket import answered, leased

if TYPE_CHECKING:  # It needs the extra `handoff`.
    from gateway.extras.handoff.encryption import KeyRing

MAX_ANSWER_BYTES = 1024 * 1024


class Responder:
    """Access of one person to the queue; `by` is the name that others see."""

    def __init__(self, queue: HandoffQueue, keys: "KeyRing", *, by: str, clock: Clock) -> None:
        self._queue = queue
        self._keys = keys
        self._by = by
        self._clock = clock

    async def take_next(self, *, lease_s: float) -> tuple[Ticket, HandoffQuestion] | None:
        """Lease the oldest waiting request; None if there is none."""
        now_s = self._clock.unix_s()
        for ticket in await self._queue.tickets():
            if ticket.state(now_s) is TicketState.WAITING:
                try:
                    return await self.take(ticket.id, lease_s=lease_s)
                except (TicketRefused, TicketUnknown):
                    continue  # Another person was faster.
        return None

    async def take(self, ticket_id: str, *, lease_s: float) -> tuple[Ticket, HandoffQuestion]:
        """Lease a request, or extend one's own lease; raises TicketUnknown and TicketRefused."""
        # Decrypted first, so that a wrong key leases nothing.
        ticket, encrypted = await self._queue.find(ticket_id), await self._queue.request_of(ticket_id)
        if ticket is None or encrypted is None:
            raise _unknown(ticket_id)
        text = self._keys.decrypt(
            encrypted, associated_data=request_associated_data(ticket_id, ticket.tenant)
        )
        now_s = self._clock.unix_s()
        taken = await self._queue.change(
            ticket_id, lambda before: leased(before, by=self._by, lease_s=lease_s, unix_s=now_s)
        )
        if taken is None:
            raise _unknown(ticket_id)
        return taken, HandoffQuestion.from_json(text)

    async def answer(self, ticket_id: str, text: str) -> Ticket:
        """Store an answer for the caller; raises TicketUnknown and TicketRefused."""
        if not text.strip():
            raise TicketRefused(f"{ticket_id}: the answer is empty")
        if len(text.encode()) > MAX_ANSWER_BYTES:
            raise TicketRefused(f"{ticket_id}: the answer is longer than {MAX_ANSWER_BYTES} bytes")
        ticket = await self._queue.find(ticket_id)
        if ticket is None:
            raise _unknown(ticket_id)
        encrypted = self._keys.encrypt(text, associated_data=answer_associated_data(ticket_id, ticket.tenant))
        now_s = self._clock.unix_s()
        changed = await self._queue.change(
            ticket_id, lambda before: answered(before, by=self._by, unix_s=now_s), encrypted_answer=encrypted
        )
        if changed is None:
            raise _unknown(ticket_id)
        return changed


async def waiting(
    queue: HandoffQueue, *, all_states: bool, clock: Clock
) -> Sequence[tuple[Ticket, TicketState]]:
    """Return the unanswered tickets, the oldest first; with `all_states` the answered ones too."""
    now_s = clock.unix_s()
    found = [(ticket, ticket.state(now_s)) for ticket in await queue.tickets()]
    return [each for each in found if all_states or each[1] is not TicketState.ANSWERED]


def _unknown(ticket_id: str) -> TicketUnknown:
    return TicketUnknown(f"{ticket_id}: the ticket is unknown or has expired")
