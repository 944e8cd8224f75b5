"""The values that travel through the gateway, from the wire to a backend and back.

Nothing here imports anything of the package; every room imports this one.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from enum import IntEnum, StrEnum
from typing import Final


class Role(StrEnum):
    """Who speaks in a message; the values are those of chat templates and the OpenAI API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class PrivacyClass(IntEnum):
    """How private a request is; ordered, with the numbers of the wire."""

    PUBLIC = 1
    INTERNAL = 2
    CONFIDENTIAL = 3
    RESTRICTED = 4


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


class Reason(StrEnum):
    """Why something was refused or failed: one vocabulary for wire, logs and policy."""

    CLEARANCE = "CLEARANCE"
    CONTEXT_LENGTH_EXCEEDED = "CONTEXT_LENGTH_EXCEEDED"
    CAPABILITY = "CAPABILITY"
    DEADLINE = "DEADLINE"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    BREAKER_OPEN = "BREAKER_OPEN"
    RETRY_BUDGET = "RETRY_BUDGET"
    RATE_LIMITED = "RATE_LIMITED"
    QUEUE_FULL = "QUEUE_FULL"
    ENGINE_DOWN = "ENGINE_DOWN"
    UPSTREAM_UNREACHABLE = "UPSTREAM_UNREACHABLE"
    UPSTREAM_SILENT = "UPSTREAM_SILENT"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_PROTOCOL = "UPSTREAM_PROTOCOL"
    UPSTREAM_CREDENTIALS = "UPSTREAM_CREDENTIALS"
    CONTENT_FILTERED = "CONTENT_FILTERED"
    STREAM_TRUNCATED = "STREAM_TRUNCATED"
    ALL_FAILED = "ALL_FAILED"
    INVALID_REQUEST = "INVALID_REQUEST"
    INTERNAL = "INTERNAL"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    RECORDS_UNAVAILABLE = "RECORDS_UNAVAILABLE"
    TICKET_UNKNOWN = "TICKET_UNKNOWN"
    HANDOFF_UNAVAILABLE = "HANDOFF_UNAVAILABLE"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    RECORDS_OFF = "RECORDS_OFF"


class Outcome(StrEnum):
    """How an attempt at a model ended."""

    ANSWERED = "ANSWERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation; `content` is never shown in a repr."""

    role: Role
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """How to generate; None leaves the choice to the policy or the model."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = field(default=(), repr=False)
    json_schema: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """How the caller tightens the policy for one request."""

    privacy_class: PrivacyClass | None = None
    max_cost_usd_nanos: int | None = None
    allow_degraded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is right in every field; only `server.wire` makes one from the wire."""

    request_id: str
    tenant: str
    messages: tuple[Message, ...]
    config: GenerationConfig = GenerationConfig()
    hints: Hints = Hints()
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    """What the caller reads, as tags like `pl` or `de-AT`, the dearest first; for canned replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A private datum by type and place, never its text.

    `start` and `end` count characters in the string that holds it; `message_index` is -1 for
    `config.stop` and `config.json_schema`.
    """

    type: str
    start: int
    end: int
    confidence: float
    message_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of one type in a whole request, also below the confidence that is reported."""

    highest: float
    """The highest confidence."""
    sure: int
    """Distinct values that are sure enough for floors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """What a detector beside the built-in ones found in the messages of a request, before it is scored."""

    findings: tuple[Finding, ...] = ()
    failure: str | None = None
    """Why it is not known what there is, without a word of the text; the request is then restricted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyAssessment:
    """What the privacy scorer says of a request: score in [0, 1], class, why, and the findings."""

    score: float
    privacy_class: PrivacyClass
    reason: str
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, Evidence] | None = None
    """By type, what score and class were made of; None where the text could not be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The three numbers that rules see, each in [0, 1]."""

    complexity: float
    privacy: float
    budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule's condition may read; the names are those of the CEL variables."""

    complexity: float
    privacy: float
    budget: float
    budget_plan: float
    """The variable `budget.plan`: CEL takes a name with a dot for one name where it is declared."""
    privacy_class: PrivacyClass
    findings: tuple[str, ...]
    tenant: str
    labels: Mapping[str, str]
    prompt_tokens: int
    deadline_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """A request with placeholders in the place of private values, as a model may see it."""

    request: Request
    privacy_class: PrivacyClass
    """The class of what is left."""
    values: Mapping[str, str] = field(repr=False)
    """What each placeholder stands for, by its word in lower case."""
    counts: Mapping[str, int]
    """How many places were masked, by type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTexts:
    """The texts that were scored; what has none, such as a record, is decided without leave to send any."""

    request: Request
    masked: Mapping[str, Masked]
    """By model that a mask helps, what it may be sent."""
    findings: tuple[Finding, ...]
    """The places of what was found in `request`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingInput:
    """All that routing looks at of a request; records keep it, but for its texts."""

    complexity: float
    privacy: float
    privacy_class: PrivacyClass
    privacy_reason: str
    findings: tuple[str, ...]
    """The types of what was found, sorted."""
    tenant: str
    labels: Mapping[str, str]
    prompt_tokens: int
    is_schema_bounded: bool
    """Whether an engine at the edge takes the request's JSON schema."""
    masked_classes: Mapping[str, PrivacyClass]
    """By model that a mask helps, the class of what is left."""
    evidence: Mapping[str, Evidence] | None = None
    """What the privacy class was made of; None where the text could not be judged."""
    hint: PrivacyClass | None = None
    """The class that the caller asked for at least."""
    features: tuple[float, ...] = ()
    """What the complexity scorer counted."""
    texts: RequestTexts | None = field(default=None, repr=False, compare=False)
    """What permits are minted for; None: the decision lets nothing leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingState:
    """All that routing looks at of the moment: time, speeds of models and spending."""

    deadline_s: float
    """Seconds that the caller's deadline leaves."""
    finish_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds within which each model is expected to finish this answer, by what was measured lately; one
    without a measurement is not held back."""
    idle: frozenset[str] = frozenset()
    """The models that have nothing to do."""
    budget: float = 0.0
    """How much of the tightest budget is gone; see `gateway.ledger.score`."""
    budget_plan: float = 0.0
    """How far spending is ahead of its plan (above 0) or behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A model that a filter removed from a rule's route, and why."""

    model: str
    reason: Reason


_ROUTING_SEAL: Final = object()
"""What routing shows when it mints a permit; a test holds that no other module names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPermit:
    """Leave for one request to go to one cloud model; only `gateway.routing` mints one.

    A cloud backend sends nothing without it, and of it nothing but `request`. Raises TypeError for
    whoever has no seal; `dataclasses.replace` has none, so a permit cannot be altered into another.
    """

    request_id: str
    model: str
    privacy_class: PrivacyClass
    """The class of `request`."""
    clearance: PrivacyClass
    """The highest class that the policy lets this model see."""
    policy_hash: str
    request: Request = field(repr=False)
    """Exactly what was judged and may be sent; masked, where the caller's own may not."""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What each placeholder in `request` stands for; in memory for this request alone."""
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        """Refuse whoever is not routing."""
        if seal is not _ROUTING_SEAL:
            raise TypeError("an egress permit is minted by gateway.routing alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a request may go and why; dispatch may only walk `chain`, in order."""

    scores: Scores
    privacy_class: PrivacyClass
    privacy_reason: str
    findings: tuple[Finding, ...]
    rule: str
    rule_errors: tuple[str, ...]
    chain: tuple[str, ...]
    refused: tuple[Refusal, ...]
    policy_hash: str
    permits: Mapping[str, EgressPermit] = field(default_factory=dict)
    """For each cloud model of the chain, and no other; a local model's text stays on this host."""
    masked: Mapping[str, int] = field(default_factory=dict)
    """How many values, by type, are replaced for models of the chain that may only see them so."""
    routing_input: RoutingInput | None = None
    """What of the request it was made of."""
    state: RoutingState | None = None
    """What of the moment it was made of."""


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
    """Why a canned reply stands in for an answer, and which one."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a caller says of an answer that it got."""

    request_id: str
    tenant: str
    """Whose feedback it is; it says something of this tenant's requests only."""
    score: float
    """From 0, useless, to 1."""
    labels: Mapping[str, str] = field(default_factory=dict)


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
class ShadowDecision:
    """What a policy that only watches would have decided."""

    policy_hash: str
    privacy_class: PrivacyClass
    rule: str
    chain: tuple[str, ...]
    differs: bool
    """Whether the request would have gone another way."""


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
