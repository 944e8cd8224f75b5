"""What comes back: from a model, from dispatch, and piece by piece while it is made."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.decision import Decision, Reason


class Route(StrEnum):
    """Where an answer was made."""

    LOCAL = "LOCAL"
    CLOUD = "CLOUD"
    CANNED = "CANNED"


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "STOP"
    LENGTH = "LENGTH"
    STOP_SEQUENCE = "STOP_SEQUENCE"
    CONTENT_FILTER = "CONTENT_FILTER"
    TOOL_CALLS = "TOOL_CALLS"


class Outcome(StrEnum):
    """How an attempt at a model ended."""

    ANSWERED = "ANSWERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens by the answering model's own count."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The whole answer of one model."""

    text: str = field(repr=False)
    finish_reason: FinishReason
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class TokenConfidence:
    """How sure a model was of one token of its answer, before any sampler; natural logarithms."""

    logprob: float
    """Of the token that was sampled."""
    margin: float
    """Of the likeliest token over the second."""
    entropy: float
    """Of all tokens that could have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a streamed answer; the last one, and only it, has a `finish_reason`."""

    text: str = field(default="", repr=False)
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    certainties: tuple[TokenConfidence, ...] = ()
    """For each token since the last piece, where the call asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at one model; `reason` is None when it answered."""

    model: str
    outcome: Outcome
    reason: Reason | None
    start_ms: float
    duration_ms: float
    upstream_ms: float = 0.0
    """Of `duration_ms`, what the model was waited for."""
    first_text_ms: float | None = None
    """Of `upstream_ms`, what passed until the first text of a stream."""
    usage: Usage | None = None
    cost_usd_nanos: int = 0
    continued: bool = False
    """Whether it went on from the text that the attempts before it had sent."""
    http_status: int | None = None
    """What the provider answered with, where it refused."""
    upstream_code: str | None = None
    """The provider's machine code, where it is one of those that we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """Why a canned reply was sent in place of an answer, and which one."""

    reason: Reason
    canned_id: str
    retry_after_s: float | None = None
    """Seconds after which another try makes sense, where that is known."""
    ticket_id: str = ""
    """By which the caller may fetch the answer of a person, where one was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What dispatch gives back: an answer or a canned reply, with its decision and every attempt."""

    decision: Decision
    text: str = field(repr=False)
    finish_reason: FinishReason | None
    usage: Usage | None
    route: Route
    model: str
    degraded: Degraded | None
    cost_usd_nanos: int
    attempts: tuple[Attempt, ...]


class SampleResult(StrEnum):
    """What came of a request that was drawn to be answered a second time."""

    JSON = "json"
    NUMBER = "number"
    CHOICE = "choice"
    JUDGE = "judge"
    """These four: both answers were compared, so."""
    BUSY = "busy"
    """It gave way to callers, or to another second answer before it."""
    BUDGET = "budget"
    """The day's cap or a budget had no room."""
    FORBIDDEN = "forbidden"
    """No judge may see both answers, or they do not fit into its context or the time."""
    FAILED = "failed"
    """The other side, or the judge, gave no whole answer."""
    UNREADABLE = "unreadable"
    """The judge gave no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorResult:
    """A request that was drawn, and how far the answer of the edge did what that of the cloud does."""

    request_id: str
    tenant: str
    decision: Decision
    result: SampleResult
    weak_model: str
    """The one at the edge, wherever the caller's answer came from."""
    strong_model: str
    agreement: float | None = None
    """From 0 to 1; None where both were not compared."""
    attempts: tuple[Attempt, ...] = ()
    """Of the second answer and of the judge; those of the caller's answer are its own record's."""

    @property
    def is_called(self) -> bool:
        """Whether a model was called for it."""
        return any(attempt.outcome is not Outcome.REFUSED for attempt in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of the streamed answer; `attempt` grows at every Restart."""

    text: str = field(repr=False)
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """The text so far is void; `model` (empty: the canned reply) begins anew."""

    model: str
    reason: Reason


StreamEvent = Delta | Restart | Answer
"""What a streamed dispatch yields; an Answer is the last event of a stream that ended well."""
