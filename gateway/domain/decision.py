"""Where a request may go and why: what routing looks at, and what it decides."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from gateway.domain.capability import Capability
from gateway.domain.privacy import Evidence, Finding, PrivacyClass
from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits
from gateway.domain.session import NEW_SESSION, SessionOutcome, SessionState
from gateway.domain.signals import ConversationSignals
from gateway.domain.trimming import ContextLimit, Trim, Trimmed


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
    NOT_IN_ROUTE = "NOT_IN_ROUTE"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The three numbers that rules see, each in [0, 1]."""

    complexity: float
    privacy: float
    budget: float


@quick_init
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
    signals: ConversationSignals = field(default_factory=ConversationSignals)
    """Each is a variable of its own name."""
    session_class: PrivacyClass = PrivacyClass.PUBLIC
    """The variable `session.class`."""
    session_model: str = ""
    """The variable `session.model`."""


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


def most_masked(masks: Iterable[Masked]) -> Mapping[str, int]:
    """Return the counts by type, the highest where models have different masks."""
    most: dict[str, int] = {}
    for mask in masks:
        for kind, count in mask.counts.items():
            most[kind] = max(count, most.get(kind, 0))
    return most


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTexts:
    """The texts that were scored; what has none, such as a record, is decided without leave to send any."""

    request: Request
    masked: Mapping[str, Masked]
    """By model that a mask helps, what it may be sent."""
    findings: tuple[Finding, ...]
    """The places of what was found in `request`."""

    def sent(self, chain: Iterable[str], masked: Collection[str]) -> dict[str, Request]:
        """Return by model of the chain all that it may be sent; `masked` are those that need a mask."""
        return {name: self.masked[name].request if name in masked else self.request for name in chain}


@quick_init
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
    masked_classes: Mapping[str, PrivacyClass]
    """By model that a mask helps, the class of what is left."""
    needs: tuple[Capability, ...] = ()
    """What a model must be capable of to answer."""
    signals: ConversationSignals = field(default_factory=ConversationSignals)
    """What rules see of the conversation."""
    model: str = ""
    """The model, or alias, that the caller asks for; "": any."""
    key_name: str = ""
    """Of the API key that came with the request: it may have models of its own."""
    evidence: Mapping[str, Evidence] | None = None
    """What the privacy class was made of; None where the text could not be judged."""
    hint: PrivacyClass | None = None
    """The class that the caller asked for at least."""
    features: tuple[float, ...] = ()
    """What the complexity scorer counted."""
    least_tokens: Mapping[Trim, int] = field(default_factory=dict)
    """How few `prompt_tokens` can become by what rules may leave out, where they are many for a model."""
    texts: RequestTexts | None = field(default=None, repr=False, compare=False)
    """What permits are minted for; None: the decision lets nothing leave."""

    def at_shortest(self, context: ContextLimit | None) -> Self:
        """Return it with the fewest tokens that a prompt can have where a rule shortens conversations."""
        tokens = None if context is None else self.least_tokens.get(context.trim)
        return self if tokens is None else replace(self, prompt_tokens=tokens)


@quick_init
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
    lacking: Mapping[str, frozenset[Capability]] = field(default_factory=dict)
    """By local model, what it may have by its policy and has not, as its engine found when it loaded it."""
    budget: float = 0.0
    """How much of the tightest budget is gone; see `gateway.ledger.score`."""
    budget_plan: float = 0.0
    """How far spending is ahead of its plan (above 0) or behind it."""
    session: SessionState = NEW_SESSION
    """What is known of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A model that a filter removed from a rule's route, and why."""

    model: str
    reason: Reason
    missing: tuple[Capability, ...] = ()
    """With CAPABILITY: what the request needs and the model cannot do."""

    @property
    def capability(self) -> str:
        """What the model cannot do, in words."""
        return ", ".join(self.missing)


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


@quick_init
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
    signals: ConversationSignals = field(default_factory=ConversationSignals)
    """What rules saw of the conversation."""
    limits: RequestLimits | None = None
    """What the rule lowers of the request; permits are for what is left."""
    is_in_route: bool = True
    """False: the rule does not route to the model that the caller names, or to none that its key may use, so
    that there is nothing to try, and no canned reply either."""
    masked: Mapping[str, int] = field(default_factory=dict)
    """How many values, by type, are replaced for models of the chain that may only see them so."""
    trimmed: Mapping[str, Trimmed] = field(default_factory=dict)
    """By model of the chain that a conversation is too long for, what it is sent of it; maybe masked."""
    session: SessionOutcome | None = None
    """What it did with what was known of the conversation; None where nothing keeps that."""
    routing_input: RoutingInput | None = None
    """What of the request it was made of."""
    state: RoutingState | None = None
    """What of the moment it was made of."""

    def as_sent(self, request: Request, model: str) -> Request:
        """Return the request as a local model of the chain is sent it: shortened, where it is."""
        return self.trimmed[model].request if model in self.trimmed else request


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDecision:
    """What a policy that only watches would have decided."""

    policy_hash: str
    privacy_class: PrivacyClass
    rule: str
    chain: tuple[str, ...]
    differs: bool
    """Whether the request would have gone another way."""
