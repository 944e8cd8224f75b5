"""What a transport says of a call, how it hands over the request, and what it is told at the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.clock import Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.answer import Answer
from gateway.domain.cache_control import ANY_AGE, CacheControl
from gateway.domain.decision import Decision, ShadowDecision
from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request
from gateway.pipeline.steps import Steps
from gateway.policy.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest:
    """A request that is not checked yet: what admission has to know of it, and how to check the rest."""

    prompt_tokens: int
    """The estimate, as routing makes it."""
    parse: Callable[[], Steps[Request]]
    """Checks every field in steps; raises InvalidRequest. Called once, after admission."""


@dataclass(slots=True, kw_only=True)
class CallSummary:
    """What a pipeline says of a call when it is over, whatever became of it; nobody else writes into it."""

    policy: Policy | None = None
    """What it was decided under; None if it did not get that far."""
    decision: Decision | None = None
    shadow: ShadowDecision | None = None
    decision_s: float | None = None
    """What checking, scoring and deciding took."""
    first_text_s: float | None = None
    """When the first text of a stream was ready to be sent, from the moment that the call came."""
    answer: Answer | None = None
    afterwards: Callable[[], None] | None = None
    """What the transport has to call once the caller has its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """How long a prompt is."""

    prompt_tokens: int
    model: str
    """Whose tokens they are; "" if no model may answer."""
    is_estimate: bool = True


async def no_wait() -> None:
    """Wait for nobody, where calls have no turns."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls, and until when; the same for every transport."""

    tenant: str
    request_id: str
    deadline: Deadline
    """As `Pipeline.deadline` bounds it."""
    attempt_log: AttemptLog
    """The tries at models, from the moment that the call came; its span draws the trace."""
    take_turn: Callable[[], Awaitable[None]] = no_wait
    """Waits for the tenant's turn to begin a call, once more after a wait; raises Overloaded."""
    conclude: Callable[[CallSummary], None]
    """Takes the summary, once, also of a call that failed or was cancelled."""
    key_name: str = ""
    """Of the API key that came with the call; "": none, or a key without a name."""
    languages: tuple[str, ...] = ()
    """What the caller reads, the dearest first."""
    cache_control: CacheControl = ANY_AGE
    """What the caller says of answers that were made for earlier requests."""
