"""What a caller asks, and says of an answer afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.conversation import Message, ReasoningConfig, Tool, ToolChoice
from gateway.domain.privacy import PrivacyClass
from gateway.domain.quick_init import quick_init


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """How to generate; None leaves the choice to the policy or the model."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = field(default=(), repr=False)
    json_schema: str | None = field(default=None, repr=False)
    tools: tuple[Tool, ...] = field(default=(), repr=False)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningConfig = field(default_factory=ReasoningConfig)
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """By token id of the answering model, what is added to its logit."""
    top_logprobs: int | None = None
    """How many of the likeliest tokens are reported beside each token; None: no log probabilities."""
    json_object: bool = False
    grammar: str | None = field(default=None, repr=False)
    """GBNF, for models at the edge."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """How the caller tightens the policy for one request."""

    privacy_class: PrivacyClass | None = None
    max_cost_usd_nanos: int | None = None
    allow_degraded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """That vectors of the messages are asked for, one for each, and which."""

    dimensions: int | None = None
    """How many numbers each is to have; None: as many as the vector space has."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is right in every field; only `server.wire` makes one from the wire."""

    request_id: str
    tenant: str
    key_name: str = ""
    """Of the API key that came with the request; the pipeline sets it, whatever the transport."""
    messages: tuple[Message, ...]
    config: GenerationConfig = GenerationConfig()
    hints: Hints = Hints()
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    """What the caller reads, as tags like `pl` or `de-AT`, the dearest first; for canned replies."""
    model: str = field(default="", repr=False)
    """The model, or alias of the policy, that alone may answer; "": any of the route."""
    session_id: str = field(default="", repr=False)
    """Names the conversation."""
    prompt_cache_key: str = field(default="", repr=False)
    """Names it to a provider that keeps prompts: a keyed hash, made by the gateway alone."""
    embedding: EmbeddingConfig | None = None
    """Set where vectors are asked for, and no answer; each message is then a text of the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a caller says of an answer that it got."""

    request_id: str
    tenant: str
    """Whose feedback it is; it says something of this tenant's requests only."""
    score: float
    """From 0, useless, to 1."""
    labels: Mapping[str, str] = field(default_factory=dict)
