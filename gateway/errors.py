"""Every error that a package may raise to another one, and how the gateway reacts to it.

GatewayError
├── InvalidRequest              INVALID_ARGUMENT      a field of the request is wrong
│   ├── UnknownModel            INVALID_ARGUMENT      it names neither a model nor an alias of the policy
│   ├── Unsupported             INVALID_ARGUMENT      it asks for something that the gateway does not have
│   └── RequestTooLarge         INVALID_ARGUMENT      it has more bytes than the gateway takes
├── Unauthenticated             UNAUTHENTICATED       no valid API key or client certificate
├── RecordsUnavailable          UNAVAILABLE           records cannot be written, and the policy requires them
├── RecordsOff                  FAILED_PRECONDITION   the gateway keeps no records, so it takes no feedback
├── SessionsUnavailable         UNAVAILABLE           the store of conversations cannot be used
├── NotInRoute                  FAILED_PRECONDITION   the rule does not route to the named model
├── ModelNotAllowed             PERMISSION_DENIED     the caller's key may not use the model
├── RateLimited                 RESOURCE_EXHAUSTED    the tenant's limit a minute is used up
├── DeadlinePassed              DEADLINE_EXCEEDED     the caller's deadline passed
├── Overloaded                  RESOURCE_EXHAUSTED    the limit of requests in flight is reached
├── TicketUnknown               NOT_FOUND             the tenant has no hand-off with this ticket
├── TicketRefused               INVALID_ARGUMENT      another person has taken or answered the hand-off
├── HandoffUnavailable          UNAVAILABLE           the hand-off queue cannot be used
├── HandoffFull                 RESOURCE_EXHAUSTED    the hand-off queue is full
├── NotDegraded                 (by its reason)       no model answered; the caller declined a canned reply
└── AttemptError                (by its kind)         one attempt at one model gave no answer
    ├── NotTried                (by its kind)         the model was not called
    │   ├── BudgetExhausted     RESOURCE_EXHAUSTED    a budget has no room for the worst-case cost
    │   ├── LedgerUnavailable   UNAVAILABLE           the ledger cannot be reached, so nothing may be spent
    │   ├── BreakerOpen         UNAVAILABLE           its circuit breaker is open
    │   ├── ModelPaused         RESOURCE_EXHAUSTED    its cooldown is not over
    │   └── ModelBusy           RESOURCE_EXHAUSTED    the limit of calls in flight is reached
    └── BackendError            (by its kind)         the model was called and failed
        ├── BackendUnreachable  UNAVAILABLE           retry: no connection
        │   └── BackendReset    UNAVAILABLE           retry: the connection broke before an answer
        ├── BackendSilent       UNAVAILABLE           it accepted the request and did not answer in time
        │   └── BackendCutShort UNAVAILABLE           the caller's deadline left it too little time
        ├── BackendFailed       UNAVAILABLE           retry: 408, 5xx
        │   └── BackendOverloaded UNAVAILABLE         retry: 503, with or without Retry-After
        ├── BackendConflict     ABORTED               retry: 409
        ├── BackendRateLimited  RESOURCE_EXHAUSTED    retry: 429, with or without Retry-After
        ├── BackendQuotaUsedUp  RESOURCE_EXHAUSTED    402, or a 429 that waiting does not resolve
        │   └── BackendOverAllowance RESOURCE_EXHAUSTED  this request exceeds a limit of our account
        ├── BackendCredentials  FAILED_PRECONDITION   401, 403: our own key
        ├── BackendModelMissing FAILED_PRECONDITION   404
        │   └── BackendMisfit   FAILED_PRECONDITION   a parameter that only the gateway wrote
        ├── BackendProtocol     UNAVAILABLE           retry: the answer cannot be parsed
        ├── StreamTruncated     ABORTED               the stream broke after it began
        ├── ContextTooLong      INVALID_ARGUMENT      the prompt exceeds its context window
        ├── NotCapable          INVALID_ARGUMENT      it lacks a capability
        ├── ContentFiltered     FAILED_PRECONDITION   stop: the provider's content filter
        ├── BackendInvalid      INVALID_ARGUMENT      400, 422: the request is wrong if every model says so
        │   └── JsonNotAsked    INVALID_ARGUMENT      json_object, and no message speaks of JSON
        ├── EngineDown          UNAVAILABLE           no engine process
        │   └── EngineDied      UNAVAILABLE           its process ended during the request
        ├── EngineFault         INTERNAL              a defect of the engine that fails this request only
        ├── NotConfident        UNAVAILABLE           its confidence is below the policy's threshold
        └── EngineQueueFull     RESOURCE_EXHAUSTED    the queue of the engine is full
PolicyError(ValueError)         the policy is wrong; names file, line and key
StartupError(Exception)         the gateway cannot start; one line, exit status 2
WorkRefused(Exception)          a command cannot do its work; one line, exit status 1
└── InputRefused                a file or a value given to it is wrong; exit status 2
NotPermitted(Exception)         a defect: a cloud model was called without a permit; nothing was sent

The class of an error says how the gateway reacts: retry reads `retryable`, the chain `fallback`, the
breaker `breaker`, the ledger `charge`, and a transport `reason` and `code`, or HTTP_STATUS by its reason.
No message contains text of a prompt, an answer or a provider's response.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from gateway.domain.answer import Attempt, Degraded, Usage
from gateway.domain.decision import Reason

HTTP_STATUS: Mapping[Reason, int] = {
    Reason.INVALID_REQUEST: 400,
    Reason.CAPABILITY: 400,
    Reason.NOT_IN_ROUTE: 400,
    Reason.CONTEXT_LENGTH_EXCEEDED: 400,
    Reason.CONTENT_FILTERED: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.CLEARANCE: 403,
    Reason.MODEL_NOT_ALLOWED: 403,
    Reason.TICKET_UNKNOWN: 404,
    Reason.RATE_LIMITED: 429,
    Reason.QUEUE_FULL: 429,
    Reason.BUDGET_EXHAUSTED: 429,
    Reason.INTERNAL: 500,
    Reason.RECORDS_OFF: 501,
    Reason.UPSTREAM_PROTOCOL: 502,
    Reason.STREAM_TRUNCATED: 502,
    Reason.ALL_FAILED: 503,
    Reason.BREAKER_OPEN: 503,
    Reason.ENGINE_DOWN: 503,
    Reason.HANDOFF_UNAVAILABLE: 503,
    Reason.LEDGER_UNAVAILABLE: 503,
    Reason.LOW_CONFIDENCE: 503,
    Reason.RECORDS_UNAVAILABLE: 503,
    Reason.RETRY_BUDGET: 503,
    Reason.UPSTREAM_CREDENTIALS: 503,
    Reason.UPSTREAM_ERROR: 503,
    Reason.UPSTREAM_SILENT: 503,
    Reason.UPSTREAM_UNREACHABLE: 503,
    Reason.DEADLINE: 504,
}
"""The HTTP status of an error by its reason, for transports over HTTP; the table holds every reason."""


class BreakerVerdict(StrEnum):
    """Effect of an error on the circuit breaker of its model."""

    IGNORE = "ignore"
    """No effect."""
    FAILURE = "failure"
    """Counts as a failure."""
    OPEN_LONG = "open_long"
    """Opens the breaker immediately for the longest time: only an operator can fix the cause."""


class Charge(StrEnum):
    """Effect of an error on the reservation of a call that was sent."""

    NONE = "none"
    """The provider refused or never received the call: the reservation is released."""
    UNKNOWN = "unknown"
    """The call may have been billed: the reservation is charged in full."""


class GatewayError(Exception):
    """Any failure that a caller may see; `code` is the name of a gRPC status."""

    reason: Reason = Reason.INTERNAL
    code: str = "INTERNAL"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds after which a retry makes sense, where that is known."""
        self.attempts: tuple[Attempt, ...] = ()
        """Every attempt of the request, in order; dispatch sets it on the error that it raises."""


class InvalidRequest(GatewayError):
    """The request is wrong in a field, named by its path in the proto."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class UnknownModel(InvalidRequest):
    """The caller names a model that is neither a model nor an alias of the policy."""

    def __init__(self) -> None:
        super().__init__("model", "is neither a model nor an alias of the policy")


class Unsupported(InvalidRequest):
    """The request asks for something that the gateway does not have."""


class RequestTooLarge(InvalidRequest):
    """The request has more bytes than the gateway takes."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__("body", f"must have at most {max_bytes} bytes")


class Unauthenticated(GatewayError):
    """No valid API key or client certificate came with the call."""

    reason = Reason.UNAUTHENTICATED
    code = "UNAUTHENTICATED"


class RecordsUnavailable(GatewayError):
    """Records cannot be written, and the policy requires them; feedback is refused, too."""

    reason = Reason.RECORDS_UNAVAILABLE
    code = "UNAVAILABLE"


class RecordsOff(GatewayError):
    """The gateway keeps no records, so feedback would be lost; only its operator can change that."""

    reason = Reason.RECORDS_OFF
    code = "FAILED_PRECONDITION"


class SessionsUnavailable(GatewayError):
    """The store of conversations cannot be read or written; another try may find it again."""

    reason = Reason.LEDGER_UNAVAILABLE
    code = "UNAVAILABLE"


class NotInRoute(GatewayError):
    """The caller names a model that the rule which holds does not route to."""

    reason = Reason.NOT_IN_ROUTE
    code = "FAILED_PRECONDITION"

    def __init__(self, model: str, *, rule: str) -> None:
        super().__init__(
            f"model: the rule {rule} does not route to {model}; leave model unset for any of its models"
        )


class ModelNotAllowed(GatewayError):
    """The caller's key may not use the model that is named, or any that the rule routes to."""

    reason = Reason.MODEL_NOT_ALLOWED
    code = "PERMISSION_DENIED"

    def __init__(self, key_name: str, *, model: str = "", rule: str = "") -> None:
        what = f"keys called {key_name} may not use {model}"
        if not model:
            what = f"the rule {rule} routes to no model that keys called {key_name} may use"
        super().__init__(f"model: {what}")


class RateLimited(GatewayError):
    """The tenant has used up its requests or tokens of this minute."""

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
    """The limit of requests in flight is reached, in all or of this tenant; no model was tried."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"


class TicketUnknown(GatewayError):
    """The tenant has no hand-off with this ticket: it is unknown, another tenant's, or expired."""

    reason = Reason.TICKET_UNKNOWN
    code = "NOT_FOUND"


class TicketRefused(GatewayError):
    """Another person has taken or answered the ticket; shown to responders, never to callers."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"


class HandoffUnavailable(GatewayError):
    """The hand-off queue cannot be reached, or its content cannot be decrypted."""

    reason = Reason.HANDOFF_UNAVAILABLE
    code = "UNAVAILABLE"


class HandoffFull(GatewayError):
    """The hand-off queue is full; the canned reply carries no ticket."""

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
        fields: Sequence[str] = (),
        retry_after_s: float | None = None,
        degraded: Degraded | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason
        self.code = code
        self.attempts = tuple(attempts)
        self.causes = tuple(causes)
        """The last errors of the models that failed for `reason`."""
        self.fields = frozenset(fields)
        """The fields of the request that need what models cannot do."""
        self.degraded = degraded
        """The canned reply that was held back, where a person was asked: it has the ticket."""


class AttemptError(GatewayError):
    """One attempt at one model gave no answer."""

    retryable: bool = False
    """Whether a retry at the same model may succeed."""
    fallback: ClassVar[bool] = True
    """Whether the next model may be tried; False: the caller has to change the request."""

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
    """The store of the ledger cannot be reached, so nothing may be spent."""

    reason = Reason.LEDGER_UNAVAILABLE
    code = "UNAVAILABLE"


class BreakerOpen(NotTried):
    """The circuit breaker of the model is open: it failed too often recently."""

    reason = Reason.BREAKER_OPEN
    code = "UNAVAILABLE"


class ModelPaused(NotTried):
    """The model asked for fewer requests, and its cooldown is too long to wait for."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"


class ModelBusy(NotTried):
    """The limit of calls in flight to the model is reached, and no slot became free in time."""

    reason = Reason.QUEUE_FULL
    code = "RESOURCE_EXHAUSTED"


class BackendError(AttemptError):
    """The model was called and failed; an instance may override `breaker` and `charge` of its class."""

    breaker: BreakerVerdict = BreakerVerdict.FAILURE
    charge: Charge = Charge.NONE
    http_status: int | None = None
    """Status of the provider's response, or the one that an error within a stream names."""
    upstream_code: str | None = None
    """Error code of the provider, if it is a known one; never its message."""


class BackendUnreachable(BackendError):
    """No connection; the request was not sent."""

    reason = Reason.UPSTREAM_UNREACHABLE
    code = "UNAVAILABLE"
    retryable = True


class BackendReset(BackendUnreachable):
    """The connection broke after the request was sent and before any answer."""

    charge = Charge.UNKNOWN


class BackendSilent(BackendError):
    """The model accepted the request and did not answer in time; it is not retried."""

    reason = Reason.UPSTREAM_SILENT
    code = "UNAVAILABLE"
    charge = Charge.UNKNOWN


class BackendCutShort(BackendSilent):
    """The caller's deadline left less time than the policy grants; no sign of bad health."""

    breaker = BreakerVerdict.IGNORE

    def __init__(self, model: str, message: str, *, reason: Reason = Reason.UPSTREAM_SILENT) -> None:
        super().__init__(model, message)
        self.reason = reason


class BackendFailed(BackendError):
    """The provider answered with 408 or 5xx."""

    reason = Reason.UPSTREAM_ERROR
    code = "UNAVAILABLE"
    retryable = True


class BackendOverloaded(BackendFailed):
    """The provider answered with 503."""


class BackendConflict(BackendError):
    """The provider answered with 409."""

    reason = Reason.UPSTREAM_ERROR
    code = "ABORTED"
    retryable = True


class BackendRateLimited(BackendError):
    """The provider answered with 429; no sign of bad health."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"
    retryable = True
    breaker = BreakerVerdict.IGNORE


class BackendQuotaUsedUp(BackendError):
    """The quota of our account is used up; waiting does not resolve it."""

    reason = Reason.RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"
    breaker = BreakerVerdict.OPEN_LONG


class BackendOverAllowance(BackendQuotaUsedUp):
    """This request exceeds a limit of our account; other requests may pass."""

    breaker = BreakerVerdict.IGNORE


class BackendCredentials(BackendError):
    """The provider refused the gateway's own key."""

    reason = Reason.UPSTREAM_CREDENTIALS
    code = "FAILED_PRECONDITION"
    breaker = BreakerVerdict.OPEN_LONG


class BackendModelMissing(BackendError):
    """The provider does not know the model that the policy names."""

    reason = Reason.UPSTREAM_ERROR
    code = "FAILED_PRECONDITION"


class BackendMisfit(BackendModelMissing):
    """The provider refuses a parameter that only the gateway adds; the policy has to drop it."""

    breaker = BreakerVerdict.IGNORE


class BackendProtocol(BackendError):
    """The answer cannot be parsed."""

    reason = Reason.UPSTREAM_PROTOCOL
    code = "UNAVAILABLE"
    retryable = True
    charge = Charge.UNKNOWN


class StreamTruncated(BackendError):
    """The stream broke, stalled or was malformed after it had begun."""

    reason = Reason.STREAM_TRUNCATED
    code = "ABORTED"
    charge = Charge.UNKNOWN


class ContextTooLong(BackendError):
    """The prompt exceeds the context window of this model; a larger one may take it."""

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
    """The provider's content filter refused the request; no other model is tried."""

    reason = Reason.CONTENT_FILTERED
    code = "FAILED_PRECONDITION"
    fallback = False
    breaker = BreakerVerdict.IGNORE


class BackendInvalid(BackendError):
    """The provider answered 400 or 422 without a known cause: the request is wrong if every model says so."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"
    breaker = BreakerVerdict.IGNORE


class JsonNotAsked(BackendInvalid):
    """The provider answers with a JSON object only where a message asks for JSON in words."""


class EngineDown(BackendError):
    """No engine process takes the request; the supervisor knows when it is back, not the breaker."""

    reason = Reason.ENGINE_DOWN
    code = "UNAVAILABLE"
    breaker = BreakerVerdict.IGNORE


class EngineDied(EngineDown):
    """The engine process ended during the request; no other engine gets the request."""


class EngineFault(BackendError):
    """A defect of the engine fails this request; a retry would fail too, other requests are unaffected."""

    reason = Reason.INTERNAL
    code = "INTERNAL"
    breaker = BreakerVerdict.IGNORE


class NotConfident(BackendError):
    """The confidence of the model is too low; none of its answer was sent, so the next model may answer."""

    reason = Reason.LOW_CONFIDENCE
    code = "UNAVAILABLE"
    breaker = BreakerVerdict.IGNORE

    def __init__(
        self,
        model: str,
        *,
        confidence: float,
        below: float,
        usage: Usage | None,
        what: str = "its confidence in the answer",
    ) -> None:
        super().__init__(model, f"{what} is {confidence:.2f}, below {below:g}")
        self.confidence = confidence
        self.usage = usage
        """Tokens of the answer that was dropped."""


class EngineQueueFull(BackendError):
    """Too many requests wait for the engine; no sign of bad health."""

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
    """The gateway cannot start; the message is one line that names the cause and the remedy."""


class WorkRefused(Exception):
    """A command cannot do its work; the message is one line for a person."""


class InputRefused(WorkRefused):
    """A file or a value given to a command is wrong."""


class NotPermitted(Exception):
    """A cloud model was called without a permit that fits, which is a defect; nothing was sent.

    It is no GatewayError, so there is no retry, fallback or canned reply: it is logged as a defect, and the
    caller gets INTERNAL.
    """
