"""The policy as one frozen value: every key with its type, range, default and meaning.

`load` makes it from YAML, `schema` makes the JSON schema of it, everybody else reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from gateway.types import PrivacyClass, Reason, Route

ClassName = Literal["public", "internal", "confidential", "restricted"]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0, allow_inf_nan=False)]
FindingType = Literal[
    "SECRET", "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT", "EMAIL", "PHONE", "ADDRESS",
    "DOB", "PERSON", "VEHICLE", "CRYPTO", "IP", "MAC", "URL", "ORG", "LOCATION", "DATE", "TITLE", "NRP",
    "AGE", "ZIP", "HANDLE",
]  # fmt: skip


def privacy_class(name: ClassName) -> PrivacyClass:
    """Return the class that a policy names in lower case."""
    return PrivacyClass[name.upper()]


class Strict(BaseModel):
    """A part of the policy: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Price(Strict):
    """US dollars for a million tokens; at most three decimals, so that a token costs whole nano-dollars."""

    input: Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=3, strict=False)]
    output: Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=3, strict=False)]


class _Model(Strict):
    """What models of both kinds have in common."""

    clearance: ClassName = Field(description="The highest privacy class that may be sent to this model.")
    max_tokens: int = Field(1024, ge=1, le=1_000_000, description="Fills an unset max_tokens; always sent.")
    first_token_s: Seconds | None = Field(
        None, description="Overrides resilience.first_token_s for this model."
    )
    place: Literal["edge", "cloud"] | None = Field(
        None, description="Whether an answer counts as ROUTE_LOCAL or ROUTE_CLOUD; default by kind."
    )


class LlamaCppModel(_Model):
    """A GGUF file, answered by an engine process on this host."""

    kind: Literal["llama_cpp"]
    path: str = Field(min_length=1, description='A GGUF file, or "builtin:demo".')
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="A file that does not match is refused."
    )
    context: int = Field(4096, ge=64, le=10_000_000, description="Context window of one sequence, in tokens.")
    slots: int = Field(8, ge=1, le=256, description="Sequences decoded at once.")
    kv_cells: int | None = Field(
        None,
        ge=64,
        description="Cells of the shared KV cache; default slots x context / 2, at least context.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Threads for decoding; default by the machine."
    )
    prefill_threads: int | None = Field(
        None, ge=1, le=1024, description="Threads for prompts; default threads."
    )
    gpu_layers: int = Field(0, ge=-1, description="Layers put on a GPU; -1: all.")
    flash_attention: bool | None = Field(None, description="Default: llama.cpp decides.")
    template: str | None = Field(None, description="A Jinja chat template in place of the file's own.")


class OpenAIModel(_Model):
    """A model behind an API that speaks OpenAI's chat completions."""

    kind: Literal["openai"]
    model: str = Field(min_length=1, description="The model's name at the provider.")
    base_url: str | None = Field(None, pattern="^https?://", description="Default: OpenAI's.")
    api_key_env: str | None = Field(
        None,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="The variable that holds the key; none: no key is sent.",
    )
    organization: str | None = None
    project: str | None = None
    proxy: str | None = Field(
        None, pattern="^https?://", description="An HTTP proxy; the environment's are ignored."
    )
    price_per_million_usd: Price | None = Field(None, description="Required unless place is edge.")
    context: int = Field(128_000, ge=64, le=100_000_000, description="Context window, in tokens.")
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] | None = Field(
        None, description="Default: the first without base_url, else the second."
    )
    drop: tuple[Literal["temperature", "top_p", "seed"], ...] = Field(
        (), strict=False, description="Parameters that this model refuses and that are not sent."
    )


ModelSpec = Annotated[LlamaCppModel | OpenAIModel, Field(discriminator="kind")]


def route_of(spec: LlamaCppModel | OpenAIModel) -> Route:
    """Return where an answer of this model counts as made."""
    place = spec.place or ("edge" if spec.kind == "llama_cpp" else "cloud")
    return Route.LOCAL if place == "edge" else Route.CLOUD


class Classes(Strict):
    """From which privacy score on a request is of a class; below the first it is public."""

    internal: Share = 0.2
    confidential: Share = 0.5
    restricted: Share = 0.8


class PrivacyPolicy(Strict):
    """What makes a request private."""

    classes: Classes = Classes()
    weights: dict[FindingType, Share] = Field({}, description="Only what differs from the defaults.")
    floors: dict[FindingType, ClassName] = Field({}, description="Only what differs from the defaults.")
    report_at: Share = Field(0.5, description="The least confidence of a finding that is reported.")
    limit_ms: float = Field(
        50.0, gt=0, le=10_000, description="Time for all detectors, plus 1 ms per 2 kB; over it: restricted."
    )


class Budget(Strict):
    """A cap on spend in a window of time."""

    name: str = Field(pattern="^[A-Za-z0-9._:-]{1,64}$")
    per: Literal["tenant", "model", "all"] = Field(description="What has a cap of its own.")
    limit_usd: Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=9, strict=False)]
    window: Literal["minute", "hour", "day", "week", "month"] = Field(
        description="In UTC; a week begins on Monday."
    )


class Rule(Strict):
    """A wish: which models to try, in order, when a condition holds."""

    name: str = Field(pattern="^[A-Za-z0-9._:-]{1,64}$")
    when: str | None = Field(None, description="A CEL expression of type bool; the last rule has none.")
    route: tuple[str, ...] = Field(strict=False, min_length=1, description="Names of models, in order.")


class Backoff(Strict):
    """How long to wait before the same model is tried again; doubles, with 20 % jitter."""

    first: Seconds = 0.2
    max: Seconds = 4.0


class DeadlineBounds(Strict):
    """The deadline of a call that brings none, and the longest that one may bring."""

    default: Seconds = 60.0
    max: Seconds = 300.0


class Resilience(Strict):
    """How failures are met."""

    attempts: int = Field(3, ge=1, le=10, description="Tries at one model, the first included.")
    backoff_s: Backoff = Backoff()
    first_token_s: Seconds = Field(30.0, description="How long a streamed answer may take to begin.")
    stall_s: Seconds = Field(
        10.0, description="How long a streamed answer may pause; longer counts as a cut."
    )
    attempt_s: Seconds = Field(30.0, description="How long one unary attempt may take.")
    deadline_s: DeadlineBounds = DeadlineBounds()
    recovery: Literal["restart", "fail"] = Field("restart", description="What a stream that was cut does.")


class CannedReply(Strict):
    """A fixed text for when no model answers."""

    id: str = Field(pattern="^[A-Za-z0-9._:-]{1,64}$")
    when_reason: tuple[Annotated[Reason, Field(strict=False)], ...] = Field(
        (), strict=False, description="None: the catch-all, which comes last."
    )
    text: str = Field(min_length=1, max_length=4096)


class PolicyFile(Strict):
    """The whole file, as the operator writes it."""

    version: Literal[1]
    models: dict[Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,64}$")], ModelSpec] = Field(min_length=1)
    privacy: PrivacyPolicy = PrivacyPolicy()
    budgets: tuple[Budget, ...] = Field((), strict=False)
    rules: tuple[Rule, ...] = Field(strict=False, min_length=1)
    resilience: Resilience = Resilience()
    replies: tuple[CannedReply, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule's condition may read; the names are those of the CEL variables."""

    complexity: float
    privacy: float
    budget: float
    privacy_class: PrivacyClass
    findings: tuple[str, ...]
    tenant: str
    labels: Mapping[str, str]
    prompt_tokens: int
    deadline_s: float


class Condition(Protocol):
    """A compiled `when`."""

    def holds(self, facts: Facts) -> bool:
        """Say whether the condition is true; raises ValueError, without values in it, when it has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule that has been type-checked; `when` is None for the last one."""

    name: str
    when: Condition | None
    route: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that was checked whole; made by `load`, read by everybody, changed by nobody."""

    models: Mapping[str, LlamaCppModel | OpenAIModel]
    privacy: PrivacyPolicy
    budgets: tuple[Budget, ...]
    rules: tuple[CompiledRule, ...]
    resilience: Resilience
    replies: tuple[CannedReply, ...]
    effective_yaml: str
    """The file with every default filled in."""
    hash: str
    """SHA-256 of the effective policy, hexadecimal."""
