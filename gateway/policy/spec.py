"""The models that a policy names: what can answer, where it is, and what it may see."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.policy.escalation import Escalate
from gateway.policy.sampling import LlamaCppSampling, SamplingDefaults
from gateway.policy.strict import Strict
from gateway.types import Route

ClassName = Literal["public", "internal", "confidential", "restricted"]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,64}$")]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0, allow_inf_nan=False)]


def _refuse_text(value: object) -> object:
    if isinstance(value, (str, bool)):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


Usd = Annotated[
    Decimal,
    BeforeValidator(_refuse_text),
    Field(ge=0, le=1_000_000, strict=False),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000}),
]
"""A sum in US dollars; exact, because a YAML number of up to 15 digits is."""


MaskableType = Literal[
    "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT", "EMAIL", "PHONE", "ADDRESS", "DOB",
    "PERSON", "VEHICLE", "CRYPTO", "IP", "MAC", "URL", "HANDLE",
]  # fmt: skip
"""What may be masked; of a secret nobody knows where it ends."""


CLOUD_FIRST_TOKEN_S: Final = 10.0
"""By `first_token_s: auto`, for a cloud model that another follows: hosted models begin in some seconds."""
FIRST_TOKEN_S: Final = 30.0
"""By `first_token_s: auto`, for any other: reading a long prompt at the edge, or thinking, takes its time."""

Droppable = Literal["temperature", "top_p", "seed", "stop", "response_format", "stream_options"]
DROPPABLE: Final = get_args(Droppable)
"""Parameters that are sent and may be left out; what names the model, bears the request or bounds its cost
may not."""


class Price(Strict):
    """US dollars for a million tokens; at most six decimals, so that a token costs whole pico-dollars."""

    input: Annotated[Usd, Field(decimal_places=6)] = Field(
        description="For a million tokens of the prompt; at most six decimals."
    )
    output: Annotated[Usd, Field(decimal_places=6)] = Field(
        description="For a million tokens of the answer; at most six decimals."
    )


class CommonKeys(Strict):
    """What models of both kinds have in common, and no engine is told."""

    clearance: ClassName = Field(
        description="The highest privacy class that may be sent to this model; a request of a higher class "
        "never reaches it, whatever a rule says."
    )
    max_tokens: int = Field(
        1024, ge=1, le=1_000_000, description="Fills an unset max_tokens of a request; always sent."
    )
    first_token_s: Literal["auto"] | Seconds | None = Field(
        None,
        description="How long a streamed answer of this model may take to begin, in seconds, or auto. "
        "Default: resilience.first_token_s.",
    )
    sampling: SamplingDefaults = Field(
        SamplingDefaults(),
        description="How tokens are picked where the caller does not say. "
        "Default: as the model's file or provider has it.",
    )
    prefill: bool | None = Field(
        None,
        description="Whether it goes on from a last message of the assistant, so that with recovery: "
        "resume it is handed what was already sent of an answer. Default: false for openai; true for "
        "llama_cpp.",
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Calls to this model that one gateway process has in flight concurrently; above it a "
        "request waits for its turn, or goes to the next model. "
        "Default: no bound but limits.concurrency.",
    )
    place: Literal["edge", "cloud"] | None = Field(
        None,
        description="Whether an answer counts as ROUTE_LOCAL or ROUTE_CLOUD. "
        "Default: edge for llama_cpp, cloud for openai.",
    )


class Adapter(Strict):
    """A LoRA adapter that is applied to a model for every request."""

    path: str = Field(
        min_length=1, description="The adapter, a GGUF file made for this model, relative to the policy file."
    )
    scale: float = Field(
        1.0, ge=-10.0, le=10.0, allow_inf_nan=False, description="How strongly it is applied."
    )


class LlamaCppModel(CommonKeys):
    """A GGUF file, answered by an engine process on this host."""

    kind: Literal["llama_cpp"] = Field(description="A GGUF file, run by llama.cpp on this host.")
    path: str = Field(
        min_length=1,
        description='A GGUF file, relative to the policy file, or "builtin:demo", which needs no file.',
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="The SHA-256 of the file; another file is refused. Default: any file is taken.",
    )
    context: int = Field(
        4096,
        ge=64,
        le=10_000_000,
        description="Context window of one sequence, in tokens: prompt and answer together.",
    )
    slots: int = Field(8, ge=1, le=256, description="Sequences that are decoded concurrently.")
    kv_cells: int | None = Field(
        None,
        ge=64,
        le=1_000_000_000,
        description="Cells of the KV cache that the slots share, at least context. "
        "Default: slots x context / 2, at least context.",
    )
    prefix_cache_mb: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="Megabytes of memory for past prompts and answers, for requests that begin alike.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Threads for decoding. Default: chosen for the machine."
    )
    prefill_threads: int | None = Field(
        None, ge=1, le=1024, description="Threads for reading prompts. Default: as threads."
    )
    gpu_layers: int = Field(0, ge=-1, le=10_000, description="Layers that are put on a GPU; -1 means all.")
    flash_attention: bool | None = Field(
        None, description="Whether to use flash attention. Default: llama.cpp decides."
    )
    numa: bool = Field(False, description="Spread memory and threads over the nodes of a NUMA machine.")
    mlock: bool = Field(False, description="Lock the model in memory, so that it is never swapped out.")
    lora: tuple[Adapter, ...] = Field(
        (), strict=False, description="LoRA adapters, applied to every request in this order."
    )
    sampling: LlamaCppSampling = Field(
        LlamaCppSampling(),
        description="How tokens are picked where the caller does not say. Default: as the file's own "
        "metadata has it (general.sampling), else temperature 0.8, top_k 40, top_p 0.95, min_p 0.05.",
    )
    queue: int = Field(
        32, ge=0, le=10_000, description="Requests that may wait for a slot; one more is refused immediately."
    )
    watchdog_s: Seconds = Field(
        30.0,
        description="An engine that makes no step for this long, in seconds, is killed and started again.",
    )
    escalate: Escalate | None = Field(
        None,
        description="Hold back the first tokens of an answer, and hand the request to the next model of the "
        "route where this one is not sure of them. Default: whatever it says is its answer.",
    )
    template: str | None = Field(
        None, description="A Jinja chat template to use in place of the file's own. Default: the file's own."
    )


class OpenAIModel(CommonKeys):
    """A model behind an API that speaks OpenAI's chat completions."""

    kind: Literal["openai"] = Field(description="A model behind an API of OpenAI's chat completions.")
    model: str = Field(min_length=1, description="The model's name at the provider.")
    base_url: str | None = Field(
        None,
        pattern="^https?://",
        description="Where requests go, whatever the environment says. Default: OpenAI's own API.",
    )
    api_key_env: str | None = Field(
        None,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the key, which itself is never in a policy. "
        "Default: no key is sent.",
    )
    organization: str | None = Field(
        None, min_length=1, description="The organisation at the provider. Default: none is sent."
    )
    project: str | None = Field(
        None, min_length=1, description="The project at the provider. Default: none is sent."
    )
    proxy: str | None = Field(
        None,
        pattern="^https?://",
        description="An HTTP proxy to go through; the environment's are ignored. Default: none.",
    )
    price_per_million_usd: Price | None = Field(
        None, description="What a million tokens cost, in US dollars. Required unless place is edge."
    )
    context: int = Field(
        128_000,
        ge=64,
        le=100_000_000,
        description="Context window, in tokens: prompt and answer together.",
    )
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] | None = Field(
        None,
        description="The name of the bound in the provider's API. "
        "Default: max_completion_tokens without base_url, else max_tokens.",
    )
    drop: tuple[Droppable, ...] = Field(
        (),
        strict=False,
        description="Parameters that this model refuses and that are not sent. Without stop it goes on past "
        "the stop strings; without stream_options it may not count tokens, and the worst case is charged; "
        "without response_format it gets no request with a JSON schema.",
    )
    mask: tuple[MaskableType, ...] = Field(
        (),
        strict=False,
        description="Types of findings that are replaced by placeholders in a request that exceeds the "
        "clearance only because of them (<EMAIL_1_KTQRW>); the answer gets them back. A request with "
        "a finding that is not certain is not masked.",
    )
    restore_in_urls: bool = Field(
        False,
        description="Whether the answer gets them back within URLs, too. What shows an answer may fetch its "
        "URLs, and the value then goes to a host that the model has named.",
    )


ModelSpec = Annotated[LlamaCppModel | OpenAIModel, Field(discriminator="kind")]


def route_of(spec: LlamaCppModel | OpenAIModel) -> Route:
    """Return where an answer of this model counts as made."""
    place = spec.place or ("edge" if spec.kind == "llama_cpp" else "cloud")
    return Route.LOCAL if place == "edge" else Route.CLOUD


_REASONING = re.compile(
    r"(?:^|[/:_-])(?:o[1-9]|gpt-(?:[5-9]|oss)|r1|qwq|qvq|magistral|grok-(?:3-mini|[4-9])|gemini-(?:2\.5|[3-9]))"
    r"(?![a-z0-9])|(?<!non-)(?:reason|think)"
)
"""Names of models that think before they answer; one that is missing has `first_token_s` to say so."""


def reasons(spec: OpenAIModel) -> bool:
    """Say whether a model may think for long before its first text, by its name at the provider."""
    return _REASONING.search(spec.model.lower()) is not None


def first_token_s(
    spec: LlamaCppModel | OpenAIModel, general: float | Literal["auto"], *, is_last: bool
) -> float:
    """Return how long a stream of this model may take to begin; `general` holds where `spec` says nothing."""
    wanted = spec.first_token_s or general
    if wanted != "auto":
        return wanted
    if is_last or isinstance(spec, LlamaCppModel) or route_of(spec) is Route.LOCAL or reasons(spec):
        return FIRST_TOKEN_S
    return CLOUD_FIRST_TOKEN_S
