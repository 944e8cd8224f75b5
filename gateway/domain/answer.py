"""What comes back: from a model, from dispatch, and piece by piece while it is made."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.conversation import Message
from gateway.domain.decision import Decision, Reason
from gateway.domain.quick_init import quick_init


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
    """Tokens by the answering model's own count: the parts below are included in the first two."""

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    """Of the prompt, written to a cache; the cached ones were read from one."""
    reasoning_tokens: int = 0
    sample_tokens: int = 0
    """Of samples that were drawn to see whether they agree; in no other number."""

    def counts(self) -> dict[str, int]:
        """Return all counts by their names; `dataclasses.asdict` would copy each of them."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLogprob:
    """A token that could have come, and the natural logarithm of its probability."""

    token: str = field(repr=False)
    logprob: float
    token_bytes: bytes = field(default=b"", repr=False)
    """The token may be part of a character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """A token of the answer, its log probability, and the likeliest tokens in its place."""

    token: str = field(repr=False)
    logprob: float
    token_bytes: bytes = field(default=b"", repr=False)
    top: tuple[TopLogprob, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of a call of a tool; the first one of a call has its id and its whole name."""

    index: int
    """Which call of the answer, from 0; calls do not interleave."""
    id: str = ""
    name: str = field(default="", repr=False)
    arguments_json: str = field(default="", repr=False)
    """The next piece of the arguments of a function."""
    input: str = field(default="", repr=False)
    """The next piece of the text of a custom tool."""
    is_custom: bool = False
    """In the first piece: whether the tool takes `input`."""
    arguments_invalid: bool = False
    """In the last piece: the call is whole, and its arguments are not JSON."""
    opaque: bytes = field(default=b"", repr=False)
    """In any piece: what the provider wants back with the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """A piece of what a model thinks; `opaque` ends a thought."""

    text: str = field(default="", repr=False)
    opaque: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class TokenConfidence:
    """How sure a model was of one token of its answer, before any sampler; natural logarithms."""

    logprob: float
    """Of the token that was sampled."""
    margin: float
    """Of the likeliest token over the second."""
    entropy: float
    """Of all tokens that could have come."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of an answer; the last one, and only it, has a `finish_reason`.

    What a piece holds of several kinds was said in this order: reasoning, text, calls of tools.
    """

    text: str = field(default="", repr=False)
    reasoning: tuple[ReasoningDelta, ...] = field(default=(), repr=False)
    tool_calls: tuple[ToolCallDelta, ...] = field(default=(), repr=False)
    finish_reason: FinishReason | None = None
    stop_sequence: str = field(default="", repr=False)
    """With STOP_SEQUENCE: which stop string was met, where the model says so."""
    usage: Usage | None = None
    certainties: tuple[TokenConfidence, ...] = ()
    """For each token since the last piece, where the call asks for them."""
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    """Likewise, for the caller."""
    vectors: tuple[bytes, ...] = field(default=(), repr=False)
    """Of the texts, in order, each 32-bit little-endian floats; those of a piece follow those before."""
    pieces: int = 1
    """How many pieces of the model's came together; each is a token at least."""

    @property
    def has_output(self) -> bool:
        """Whether it holds a part of the answer, or of what the model thinks."""
        return bool(self.text or self.reasoning or self.tool_calls or self.vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The whole answer of one model."""

    text: str = field(repr=False)
    finish_reason: FinishReason
    usage: Usage | None
    reasoning: tuple[ReasoningDelta, ...] = field(default=(), repr=False)
    """Each a whole thought."""
    tool_calls: tuple[ToolCallDelta, ...] = field(default=(), repr=False)
    """Each a whole call."""
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    stop_sequence: str = field(default="", repr=False)
    vectors: tuple[bytes, ...] = field(default=(), repr=False)

    def as_chunk(self) -> Chunk:
        """Return it as a stream of one piece."""
        return Chunk(
            text=self.text,
            reasoning=self.reasoning,
            tool_calls=self.tool_calls,
            finish_reason=self.finish_reason,
            stop_sequence=self.stop_sequence,
            usage=self.usage,
            logprobs=self.logprobs,
            vectors=self.vectors,
        )


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
    message: Message
    """What a caller appends to the conversation."""
    finish_reason: FinishReason | None
    usage: Usage | None
    route: Route
    model: str
    degraded: Degraded | None
    cost_usd_nanos: int
    attempts: tuple[Attempt, ...]
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    stop_sequence: str = field(default="", repr=False)
    """Which stop string ended it; "": none, or its model does not say which."""
    vectors: tuple[bytes, ...] = field(default=(), repr=False)
    """Where they were asked for: of each text of the request one, each 32-bit little-endian floats."""
    cached_age_s: float | None = None
    """Of an answer that was made for an earlier request, how old it is; 0 where that one is in flight."""

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of the streamed answer: one of text, reasoning, call; `attempt` grows at every Restart."""

    text: str = field(default="", repr=False)
    reasoning: ReasoningDelta | None = None
    tool_call: ToolCallDelta | None = None
    attempt: int
    model: str = ""
    """Whose piece it is."""
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedDelta(Delta):
    """The first piece of an answer that was made for an earlier request."""

    cached_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """The text so far is void; `model` (empty: the canned reply) begins anew."""

    model: str
    reason: Reason


StreamEvent = Delta | Restart | Answer
"""What a streamed dispatch yields; an Answer is the last event of a stream that ended well."""
