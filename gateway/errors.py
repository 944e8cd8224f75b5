"""Every error that may cross a room's border, and what to do about it.

GatewayError
├── InvalidRequest              INVALID_ARGUMENT      the caller's mistake, with the field
├── Unauthenticated             UNAUTHENTICATED       no valid API key or client certificate
├── RecordsUnavailable          UNAVAILABLE           nothing is answered that cannot be recorded
├── RecordsOff                  FAILED_PRECONDITION   feedback, and no records that it could be joined to
├── RateLimited                 RESOURCE_EXHAUSTED    the tenant has had its minute's worth
├── DeadlinePassed              DEADLINE_EXCEEDED     the caller's time is up
├── Overloaded                  RESOURCE_EXHAUSTED    as many are answered as may be; nothing was tried
├── TicketUnknown               NOT_FOUND             no hand-off of this tenant has this ticket
├── TicketRefused               INVALID_ARGUMENT      another person has the ticket, or it is answered
├── HandoffUnavailable          UNAVAILABLE           the queue of hand-offs cannot be used
├── HandoffFull                 RESOURCE_EXHAUSTED    too much waits for people
├── NotDegraded                 (by its reason)       nothing answered and the caller declined a canned reply
└── AttemptError                (by its kind)         one attempt at one model did not give the answer
    ├── NotTried                (by its kind)         the model was not called
    │   ├── BudgetExhausted     RESOURCE_EXHAUSTED    a budget has no room for the worst case
    │   ├── LedgerUnavailable   UNAVAILABLE           nothing may be spent
    │   ├── BreakerOpen         UNAVAILABLE           it failed too often lately
    │   ├── ModelPaused         RESOURCE_EXHAUSTED    it asked for a pause that is not over
    │   └── ModelBusy           RESOURCE_EXHAUSTED    as many calls as the policy allows are in flight
    └── BackendError            (by its kind)         the model was called and failed
        ├── BackendUnreachable  UNAVAILABLE           retry: no connection
        │   └── BackendReset    UNAVAILABLE           retry: the connection broke before an answer
        ├── BackendSilent       UNAVAILABLE           accepted, then nothing in time
        │   └── BackendCutShort UNAVAILABLE           the caller's time was too short for it
        ├── BackendFailed       UNAVAILABLE           retry: 408, 5xx
        │   └── BackendOverloaded UNAVAILABLE         retry: 503, with or without a time to come back
        ├── BackendConflict     ABORTED               retry: 409
        ├── BackendRateLimited  RESOURCE_EXHAUSTED    retry: 429, perhaps with a time to come back
        ├── BackendQuotaUsedUp  RESOURCE_EXHAUSTED    402, or 429 that no waiting heals
        │   └── BackendOverAllowance RESOURCE_EXHAUSTED  this one request is over what our account may have
        ├── BackendCredentials  FAILED_PRECONDITION   401, 403: our own key
        ├── BackendModelMissing FAILED_PRECONDITION   404
        │   └── BackendMisfit   FAILED_PRECONDITION   a parameter that only the gateway wrote
        ├── BackendProtocol     UNAVAILABLE           retry: an answer that cannot be read
        ├── StreamTruncated     ABORTED               cut after it began
        ├── ContextTooLong      INVALID_ARGUMENT      does not fit this model
        ├── NotCapable          INVALID_ARGUMENT      this model cannot do that
        ├── ContentFiltered     FAILED_PRECONDITION   stop: the provider's filter
        ├── BackendInvalid      INVALID_ARGUMENT      400, 422: the caller's mistake if every model says so
        ├── EngineDown          UNAVAILABLE           no engine process
        │   └── EngineDied      UNAVAILABLE           it ended with the request inside
        ├── EngineFault         INTERNAL              a defect in it met this request, and no other
        ├── NotConfident        UNAVAILABLE           the model is not sure of what it began to say
        └── EngineQueueFull     RESOURCE_EXHAUSTED    too many wait
PolicyError(ValueError)         the operator's mistake, with file, line and key
StartupError(Exception)         the gateway cannot start; one line, exit status 2
WorkRefused(Exception)          a command cannot do its work; one line, exit status 1
└── InputRefused                a file or a value that it was given is wrong; exit status 2
NotPermitted(Exception)         a defect: a request was about to leave without a permit; it did not

An error knows what to do about itself: retry asks `retryable`, the chain asks `fallback`, the
breaker asks `breaker`, the ledger asks `charge`, and the interceptor reads `reason` and `code`.
No message ever holds a word of a prompt, an answer or a provider's body.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from gateway.types import Attempt, Reason, Usage


class BreakerVerdict(StrEnum):
    """What an error tells the breaker of its model."""

    IGNORE = "ignore"
    """Says nothing about the model's health."""
    FAILURE = "failure"
    """Counts towards opening."""
    OPEN_LONG = "open_long"
    """Opens at once for the longest time: only an operator can heal it."""


class Charge(StrEnum):
    """What an error tells the ledger of a call that was dialled."""

    NONE = "none"
    """The provider refused it or never got it: the reservation is released."""
    UNKNOWN = "unknown"
    """It may have been billed: the reservation is charged in full."""


class GatewayError(Exception):
    """Any failure that a caller may be told of; `code` is the name of a gRPC status."""

    reason: Reason = Reason.INTERNAL
    code: str = "INTERNAL"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds after which another try makes sense, where that is known."""
        self.attempts: tuple[Attempt, ...] = ()
        """Every try of the request, in order; dispatch writes it into the error that it lets out."""


class InvalidRequest(GatewayError):
    """The request is wrong in a field, named by its path in the proto."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class Unauthenticated(GatewayError):
    """No valid API key or client certificate came with the call."""

    reason = Reason.UNAUTHENTICATED
    code = "UNAUTHENTICATED"


class RecordsUnavailable(GatewayError):
    """Records cannot be written, and the policy wants no answer without one; nor is feedback taken."""

    reason = Reason.RECORDS_UNAVAILABLE
    code = "UNAVAILABLE"


class RecordsOff(GatewayError):
    """The gateway keeps no records, so feedback would be lost; only its operator can mend that."""

    reason = Reason.RECORDS_OFF
    code = "FAILED_PRECONDITION"


class RateLimited(GatewayError):
    """The tenant has had its requests or tokens of this minute."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"


class DeadlinePassed(GatewayError):
    """The caller's deadline passed before there was an answer."""

    reason = Reason.DEADLINE
    code = "DEADLINE_EXCEEDED"

    def __init__(self, message: str, *, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)


class Overloaded(GatewayError):
    """As many requests are answered as the policy allows, in all or of this tenant; nothing was tried."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"


class TicketUnknown(GatewayError):
    """No hand-off of this tenant has this ticket; it never was, it is another's, or it has expired."""

    reason = Reason.TICKET_UNKNOWN
    code = "NOT_FOUND"


class TicketRefused(GatewayError):
    """Another person has taken the ticket or has answered it; said to people, never to callers."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"


class HandoffUnavailable(GatewayError):
    """The queue of hand-offs cannot be reached, or what is in it cannot be opened."""

    reason = Reason.HANDOFF_UNAVAILABLE
    code = "UNAVAILABLE"


class HandoffFull(GatewayError):
    """So much waits for people that nothing more is taken in; a canned reply goes without a ticket."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"


class NotDegraded(GatewayError):
    """No model answered, and the caller wants an error rather than a canned reply."""

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        code: str,
        attempts: Sequence[Attempt] = (),
        causes: "Sequence[AttemptError]" = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason
        self.code = code
        self.attempts = tuple(attempts)
        self.causes = tuple(causes)
        """The last errors of the models that failed for `reason`."""


class AttemptError(GatewayError):
    """One attempt at one model did not give the answer."""

    retryable: bool = False
    """Whether the same model may heal."""
    fallback: ClassVar[bool] = True
    """Whether the next model may be tried; False: the failure is the caller's to mend."""

    def __init__(self, model: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{model}: {message}", retry_after_s=retry_after_s)
        self.model = model


class NotTried(AttemptError):
    """The model was not called."""


class BudgetExhausted(NotTried):
    """The reservation would take `budget` over its limit."""

    reason = Reason.BUDGET_EXHAUSTED
    code = "RESOURCE_EXHAUSTED"

    def __init__(self, model: str, *, budget: str, retry_after_s: float | None = None) -> None:
        super().__init__(model, f"budget {budget} has no room for it", retry_after_s=retry_after_s)
        self.budget = budget


class LedgerUnavailable(NotTried):
    """The ledger's store cannot be reached, so nothing may be spent."""

    reason = Reason.LEDGER_UNAVAILABLE
    code = "UNAVAILABLE"


class BreakerOpen(NotTried):
    """The model failed too often lately."""

    reason = Reason.BREAKER_OPEN
    code = "UNAVAILABLE"


class ModelPaused(NotTried):
    """The model asked for fewer requests, and the pause is too long to wait for."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"


class ModelBusy(NotTried):
    """As many calls as the policy allows are in flight, and no place is free in time."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"


class BackendError(AttemptError):
    """The model was called and failed. One error may be milder, or dearer, than its kind."""

    breaker: BreakerVerdict = BreakerVerdict.FAILURE
    charge: Charge = Charge.NONE
    http_status: int | None = None
    """What the provider answered with, or says that it would have."""
    upstream_code: str | None = None
    """The provider's machine code, if it is one that we know; never its words."""


class BackendUnreachable(BackendError):
    """No connection; the request never left."""

    reason = Reason.UPSTREAM_UNREACHABLE
    code = "UNAVAILABLE"
    retryable = True


class BackendReset(BackendUnreachable):
    """The connection broke after the request left and before any answer."""

    charge = Charge.UNKNOWN


class BackendSilent(BackendError):
    """It accepted the request and said nothing in time; once is enough."""

    reason = Reason.UPSTREAM_SILENT
    code = "UNAVAILABLE"
    charge = Charge.UNKNOWN


class BackendCutShort(BackendSilent):
    """It had less time than the policy grants, for the caller's sake; says nothing about its health."""

    breaker = BreakerVerdict.IGNORE

    def __init__(self, model: str, message: str, *, reason: Reason = Reason.UPSTREAM_SILENT) -> None:
        super().__init__(model, message)
        self.reason = reason


class BackendFailed(BackendError):
    """It answered with 408 or 5xx."""

    reason = Reason.UPSTREAM_ERROR
    code = "UNAVAILABLE"
    retryable = True


class BackendOverloaded(BackendFailed):
    """It answered with 503."""


class BackendConflict(BackendError):
    """It answered with 409."""

    reason = Reason.UPSTREAM_ERROR
    code = "ABORTED"
    retryable = True


class BackendRateLimited(BackendError):
    """It answered with 429; says nothing about its health."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"
    retryable = True
    breaker = BreakerVerdict.IGNORE


class BackendQuotaUsedUp(BackendError):
    """Our account there is used up; waiting does not heal it."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"
    breaker = BreakerVerdict.OPEN_LONG


class BackendOverAllowance(BackendQuotaUsedUp):
    """This one request is more than our account may have; others may go."""

    breaker = BreakerVerdict.IGNORE


class BackendCredentials(BackendError):
    """It refused our own key."""

    reason = Reason.UPSTREAM_CREDENTIALS
    code = "FAILED_PRECONDITION"
    breaker = BreakerVerdict.OPEN_LONG


class BackendModelMissing(BackendError):
    """It does not know the model that the policy names."""

    reason = Reason.UPSTREAM_ERROR
    code = "FAILED_PRECONDITION"


class BackendMisfit(BackendModelMissing):
    """It refuses a parameter that only the gateway wrote; the policy has to leave that out."""

    breaker = BreakerVerdict.IGNORE


class BackendProtocol(BackendError):
    """Its answer cannot be read."""

    reason = Reason.UPSTREAM_PROTOCOL
    code = "UNAVAILABLE"
    retryable = True
    charge = Charge.UNKNOWN


class StreamTruncated(BackendError):
    """The answer was cut, stalled or garbled after it had begun."""

    reason = Reason.STREAM_TRUNCATED
    code = "ABORTED"
    charge = Charge.UNKNOWN


class ContextTooLong(BackendError):
    """The prompt does not fit this model; a larger one may take it."""

    reason = Reason.CONTEXT_LENGTH_EXCEEDED
    code = "INVALID_ARGUMENT"
    breaker = BreakerVerdict.IGNORE


class NotCapable(BackendError):
    """This model cannot do what the request needs; `field` is the one to change, by its path in the proto."""

    reason = Reason.CAPABILITY
    code = "INVALID_ARGUMENT"
    breaker = BreakerVerdict.IGNORE

    def __init__(
        self,
        model: str,
        message: str,
        *,
        field: str = "config.json_schema",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(model, message, retry_after_s=retry_after_s)
        self.field = field


class ContentFiltered(BackendError):
    """The provider's content filter refused the request; it is not routed around."""

    reason = Reason.CONTENT_FILTERED
    code = "FAILED_PRECONDITION"
    fallback = False
    breaker = BreakerVerdict.IGNORE


class BackendInvalid(BackendError):
    """It answered with 400 or 422 and did not say why: the request is wrong, if every model says so."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"
    breaker = BreakerVerdict.IGNORE


class EngineDown(BackendError):
    """No engine process takes the request; its supervisor knows when it is back, so no breaker guesses."""

    reason = Reason.ENGINE_DOWN
    code = "UNAVAILABLE"
    breaker = BreakerVerdict.IGNORE


class EngineDied(EngineDown):
    """The engine ended with the request inside: it goes to no other engine."""


class EngineFault(BackendError):
    """A defect of the engine met this request alone; trying again would meet it again, others are well."""

    reason = Reason.INTERNAL
    code = "INTERNAL"
    breaker = BreakerVerdict.IGNORE


class NotConfident(BackendError):
    """The model is not sure of what it began to say; nobody was told, so the next one may answer."""

    reason = Reason.LOW_CONFIDENCE
    code = "UNAVAILABLE"
    breaker = BreakerVerdict.IGNORE

    def __init__(self, model: str, *, confidence: float, below: float, usage: Usage | None) -> None:
        super().__init__(model, f"its confidence in the answer is {confidence:.2f}, below {below:g}")
        self.confidence = confidence
        self.usage = usage
        """What was dropped."""


class EngineQueueFull(BackendError):
    """Too many requests wait for the engine; says nothing about its health."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"
    breaker = BreakerVerdict.IGNORE


class PolicyError(ValueError):
    """A policy file is refused; `problems` are lines of `file:line: key: what is wrong`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


STARTUP_STATUS = 2
"""The exit status of a process that ends with a StartupError or a PolicyError."""


class StartupError(Exception):
    """The gateway cannot start; the message is one line that names the thing and the way out."""


class WorkRefused(Exception):
    """What a command was asked to do cannot be done; the message is one line for a person."""


class InputRefused(WorkRefused):
    """A file or a value that a command was given is wrong."""


class NotPermitted(Exception):
    """A cloud model was called without a permit that fits, which is a defect; nothing was sent.

    No GatewayError, so that nothing retries it, falls back from it or stands in for it: it is logged as a
    defect, and the caller gets INTERNAL.
    """
