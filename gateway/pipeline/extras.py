"""What may be joined to the life of a request: gates, people, a mirror, a shadow, records."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.clock import Deadline
from gateway.domain.answer import Answer, StreamEvent
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.request import Feedback, Request
from gateway.domain.ticket import Fetched
from gateway.pipeline.context import CallContext
from gateway.pipeline.shadow import Shadow
from gateway.policy.model import Handoff, Policy
from gateway.privacy.entities.ask import EntityLookup
from gateway.sessions.sessions import NoSessions, Sessions

Gate = Callable[[str, int, Policy], None]
"""Turns requests away before anything is done for them, by tenant and tokens of the prompt; GatewayError."""

TakeFeedback = Callable[[Feedback, Policy], float]
"""Takes down what a caller says of an answer, and returns when, in seconds since 1970."""

Dispatch = Callable[[Request, Decision, CallContext, Delivery], AsyncGenerator[StreamEvent, None]]
"""Has a request answered that was decided: dispatch itself, or what is around it."""


def as_it_is(dispatch: Dispatch) -> Dispatch:
    """Put nothing around dispatch."""
    return dispatch


class NoteSessionEnd(Protocol):
    """Takes down that a caller ended a conversation, as the pipeline needs it."""

    def __call__(
        self, session_id: str, *, tenant: str, request_id: str, key_name: str, was_known: bool
    ) -> None:
        """Take it down, with a hash of the id."""
        ...


class Handoffs(Protocol):
    """The people behind the gateway, as the pipeline needs them."""

    async def offer(
        self, request: Request, answer: Answer, *, section: Handoff, deadline: Deadline
    ) -> Answer:
        """Return the answer, with a ticket if it is a canned reply for which a person is asked."""
        ...

    async def fetch(self, ticket_id: str, *, tenant: str) -> Fetched:
        """Return a ticket of the tenant; raises TicketUnknown and HandoffUnavailable."""
        ...


class RateGates(Protocol):
    """How much a tenant may ask in a minute, as the pipeline needs it."""

    def check(self, tenant: str, policy: Policy) -> None:
        """Raise RateLimited for a tenant whose next request would be turned away; takes nothing."""
        ...

    def gate(self, tenant: str, prompt_tokens: int, policy: Policy) -> None:
        """Take a request and its tokens from what the tenant has; raises RateLimited."""
        ...


class Mirroring(Protocol):
    """Who has a share of requests answered a second time, as the pipeline needs it."""

    def drawn(self, request: Request, answer: Answer, policy: Policy) -> Callable[[], None] | None:
        """Return what is to be done once the caller has its answer; None for a request that is not drawn."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What may be joined to the life of a request; by default nothing is."""

    rates: RateGates | None = None
    gates: tuple[Gate, ...] = ()
    shadow: Shadow | None = None
    entities: tuple[EntityLookup, ...] = ()
    handoffs: Handoffs | None = None
    mirror: Mirroring | None = None
    around_dispatch: Callable[[Dispatch], Dispatch] = as_it_is
    """May answer in the place of dispatch; called once for each policy."""
    sessions: Sessions | NoSessions = field(default_factory=NoSessions)
    take_feedback: TakeFeedback | None = None
    """None: there are no records to join feedback to, and callers are told so."""
    note_session_end: NoteSessionEnd | None = None
    """None: there are no records."""

    def session_ended(self, session_id: str, call: CallContext, *, was_known: bool) -> None:
        """Take down that a caller ended a conversation, where there are records."""
        if self.note_session_end is not None:
            self.note_session_end(
                session_id,
                tenant=call.tenant,
                request_id=call.request_id,
                key_name=call.key_name,
                was_known=was_known,
            )
