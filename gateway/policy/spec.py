"""What a policy says of a model, whatever its kind: where it is, what it may see, what it costs.

A kind is a subclass of `ModelSpec`; `gateway.policy.kinds` lists them. Everybody else asks the spec, and
never which kind it is.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.policy.escalation import Escalate
from gateway.policy.sampling import SamplingDefaults
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


class Price(Strict):
    """US dollars for a million tokens; at most six decimals, so that a token costs whole pico-dollars."""

    input: Annotated[Usd, Field(decimal_places=6)] = Field(
        description="For a million tokens of the prompt; at most six decimals."
    )
    output: Annotated[Usd, Field(decimal_places=6)] = Field(
        description="For a million tokens of the answer; at most six decimals."
    )


class CommonKeys(Strict):
    """What models of all kinds have in common, and no engine is told."""

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
    prefill: bool = Field(
        False,
        description="Whether it goes on from a last message of the assistant, so that with recovery: "
        "resume it is handed what was already sent of an answer.",
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Calls to this model that one gateway process has in flight concurrently; above it a "
        "request waits for its turn, or goes to the next model. "
        "Default: no bound but limits.concurrency.",
    )
    place: Literal["edge", "cloud"] = Field(
        "cloud", description="Whether an answer counts as ROUTE_LOCAL or ROUTE_CLOUD."
    )


class ModelSpec(CommonKeys):
    """What a policy says of one model. The answers here are those of a kind that says nothing else."""

    kind: str
    context: int

    has_engine: ClassVar[bool] = False
    """Whether a process on this host answers that the gateway starts. It streams, takes only JSON schemas of
    bounded size, and has to be started again where its keys change."""
    leaves_host: ClassVar[bool] = True
    """Whether text leaves this host with a call, which then needs a permit of routing."""
    urls: ClassVar[Mapping[str, str | None]] = {}
    """The keys that say where requests go, and where they go without the key; None: nowhere."""
    neutral_keys: ClassVar[frozenset[str]] = frozenset(
        {"kind", "context", "max_tokens", "first_token_s", "prefill", "place", "sampling"}
    )
    """The keys whose change lets no more text go, and no more money be spent."""

    @property
    def route(self) -> Route:
        """Where an answer of this model counts as made."""
        return Route.LOCAL if self.place == "edge" else Route.CLOUD

    @property
    def price(self) -> Price | None:
        """What its tokens cost; None: nothing, and no budget counts it."""
        return None

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds the key that it is called with."""
        return None

    @property
    def masked_types(self) -> frozenset[str]:
        """The types of findings that it may be sent as placeholders."""
        return frozenset()

    @property
    def restores_in_urls(self) -> bool:
        """Whether an answer gets masked values back within URLs, too."""
        return False

    @property
    def escalation(self) -> Escalate | None:
        """When its answer may be dropped for that of the next model of the route."""
        return None

    @property
    def provider_model(self) -> str | None:
        """Its name at the provider; None: it has none but the policy's."""
        return None

    @property
    def server_url(self) -> str | None:
        """Where calls go; None: to no server that has a URL."""
        return None

    @property
    def reasons(self) -> bool:
        """Whether it may think for long before its first text."""
        return False

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What makes it the same model of the same provider; nothing else tells its health."""
        return self.kind, self.server_url, self.provider_model, self.key_variable

    def first_token_within_s(self, general: float | Literal["auto"], *, is_last: bool) -> float:
        """Return how long a stream may take to begin; `general` holds where the model's own key says nothing.

        `is_last` says that no other model of the route follows.
        """
        wanted = self.first_token_s or general
        if wanted != "auto":
            return wanted
        is_hosted = self.leaves_host and self.route is Route.CLOUD and not self.reasons
        return CLOUD_FIRST_TOKEN_S if is_hosted and not is_last else FIRST_TOKEN_S

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that contradict others of this model, and how."""
        yield from ()

    def in_folder(self, folder: Path) -> Self:
        """Return the spec with whole paths: a relative one is relative to the policy's own folder."""
        return self
