"""What a caller asks, and says of an answer afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.conversation import Message
from gateway.domain.privacy import PrivacyClass


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
class Feedback:
    """What a caller says of an answer that it got."""

    request_id: str
    tenant: str
    """Whose feedback it is; it says something of this tenant's requests only."""
    score: float
    """From 0, useless, to 1."""
    labels: Mapping[str, str] = field(default_factory=dict)
