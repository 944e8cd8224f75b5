"""The part of a model's policy that all kinds share: where it is, what it may see, what it costs.

A kind is a subclass of `ModelSpec`; `gateway.policy.kinds` lists them. Other code uses the spec's properties
and does not test for the kind.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.domain.answer import Route
from gateway.domain.capability import Capability
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits, lowered
from gateway.policy.embeds import Embeds
from gateway.policy.escalation import Escalate
from gateway.policy.sampling import SamplingDefaults
from gateway.policy.strict import Strict

if TYPE_CHECKING:
    from gateway.policy.priced import FindPrice, Price

Modality = Literal["text", "image", "file"]
ClassName = Literal["public", "internal", "confidential", "restricted"]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,64}$")]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
_CLASSES: Final = {each.name.lower(): each for each in PrivacyClass}


def privacy_class(name: ClassName) -> PrivacyClass:
    """Return the class that a policy names in lower case."""
    return _CLASSES[name]


def is_on_this_host(host: str | None) -> bool:
    """Return whether `host` is a loopback address in digits; a name has to be resolved, perhaps elsewhere."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


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
"""An amount in US dollars; exact for a YAML number of up to 15 digits."""


MaskableType = Literal[
    "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT", "EMAIL", "PHONE", "ADDRESS", "DOB",
    "PERSON", "VEHICLE", "CRYPTO", "IP", "MAC", "URL", "HANDLE",
]  # fmt: skip
"""Types that may be masked; a SECRET may not, because its end is uncertain."""


CLOUD_FIRST_TOKEN_S: Final = 10.0
"""Seconds for `first_token_s: auto`, for a cloud model that is not the last: hosted models begin early."""
FIRST_TOKEN_S: Final = 30.0
"""Seconds for `first_token_s: auto`, for other models: long prompts at the edge and reasoning take longer."""


class CommonKeys(Strict):
    """Keys that models of all kinds share; engines do not read them."""

    clearance: ClassName = Field(
        description="The highest privacy class that may be sent to this model; a request of a higher class "
        "never reaches it, whatever a rule says."
    )
    max_tokens: int = Field(
        1024, ge=1, le=1_000_000, description="The max_tokens of a request that sets none; always sent."
    )
    max_output_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="The most tokens of an answer that the model takes; a request that asks for more is sent "
        "with this many, as some clients ask every model for 32000. Default: what the context leaves.",
    )
    first_token_s: Literal["auto"] | Seconds | None = Field(
        None,
        description="How long a streamed answer of this model may take to begin, in seconds, or auto. "
        "Default: resilience.first_token_s.",
    )
    sampling: SamplingDefaults = Field(
        SamplingDefaults(),
        description="Sampling parameters for requests that set none. "
        "Default: those of the model's file or provider.",
    )
    prefill: bool = Field(
        False,
        description="Whether the model continues a last message of the assistant. With recovery: resume it "
        "then gets the text that was already sent.",
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Concurrent calls to this model from one gateway process; further requests wait in a "
        "queue, or go to the next model. Default: only limits.concurrency applies.",
    )
    place: Literal["edge", "cloud"] = Field(
        "cloud", description="Whether an answer counts as ROUTE_LOCAL or ROUTE_CLOUD."
    )


class ModelSpec(CommonKeys):
    """What a policy says about one model; a kind overrides the defaults here."""

    kind: str
    context: int

    has_engine: ClassVar[bool] = False
    """Whether the gateway starts an engine process for it. An engine streams, accepts only JSON schemas of
    bounded size, and restarts to apply changed keys."""
    leaves_host: ClassVar[bool] = True
    """Whether a call sends text off this host, so that it needs a permit."""
    urls: ClassVar[Mapping[str, str | None]] = {}
    """The keys that hold URLs, each with its default; None: no default."""
    neutral_keys: ClassVar[frozenset[str]] = frozenset(
        {
            "kind", "context", "max_tokens", "max_output_tokens", "first_token_s", "prefill", "place",
            "sampling",
        }
    )  # fmt: skip
    """The keys whose change never makes a policy looser."""
    compared_keys: ClassVar[frozenset[str]] = frozenset({"clearance"})
    """The keys of which it is known what is looser: `looser_than` says it of those of the kind."""

    @property
    def route(self) -> Route:
        """The route that an answer of this model reports."""
        return Route.LOCAL if self.place == "edge" else Route.CLOUD

    @property
    def token_price(self) -> "Price | None":
        """The price of its tokens; None: free, and no budget counts it."""
        return None

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds its API key."""
        return None

    @property
    def variables(self) -> Mapping[tuple[str, ...], str]:
        """The environment variables that must be set to call it, by the path of the key that names each."""
        return {} if self.key_variable is None else {("api_key_env",): self.key_variable}

    @property
    def masked_types(self) -> frozenset[str]:
        """The types of findings that are replaced by placeholders."""
        return frozenset()

    @property
    def restores_in_urls(self) -> bool:
        """Whether masked values are also restored within URLs of an answer."""
        return False

    @property
    def escalation(self) -> Escalate | None:
        """When an answer is dropped for the next model of the route."""
        return None

    @property
    def embedding(self) -> Embeds | None:
        """Of which kind its vectors are; None: it answers chats, and gives no vectors."""
        return None

    @property
    def space(self) -> str:
        """The vector space of its vectors; "" if it gives none."""
        return "" if self.embedding is None else self.embedding.space

    @property
    def provider_model(self) -> str | None:
        """Its name at the provider; None: no provider."""
        return None

    @property
    def server_url(self) -> str | None:
        """The URL that calls go to; None: no URL."""
        return None

    @property
    def reasons(self) -> bool:
        """Whether it may reason for long before its first text."""
        return False

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond text."""
        return frozenset()

    @property
    def calls_tools(self) -> bool:
        """Whether it is sent tools."""
        return Capability.TOOLS in self.capabilities

    @property
    def reads(self) -> tuple[Modality, ...]:
        """The forms of content that it reads."""
        return ("text",)

    def missing(
        self, needs: Collection[Capability], *, lacking: frozenset[Capability] = frozenset()
    ) -> tuple[Capability, ...]:
        """Return what a request needs and it cannot do; `lacking` is what its engine says it has not."""
        if self.embedding is not None and Capability.EMBEDDINGS not in needs:
            return (Capability.CHAT,)
        if not needs:
            return ()
        has = self.capabilities - lacking
        return tuple(need for need in needs if need not in has)

    @property
    def unpinned_files(self) -> tuple[str, ...]:
        """The files that it answers by, as far as the policy does not say their SHA-256."""
        return ()

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What identifies the model at its provider; health is kept per identity."""
        return self.kind, self.server_url, self.provider_model, self.key_variable

    def lowered(self, request: Request, limits: RequestLimits | None) -> Request:
        """Return the request within what a rule allows this model."""
        if limits is None and not request.config.reasoning.is_optional:
            return request
        can_reason = Capability.REASONING in self.capabilities
        return lowered(request, limits, max_tokens=self.max_tokens, can_reason=can_reason)

    def first_token_within_s(self, general: float | Literal["auto"], *, is_last: bool) -> float:
        """Return the seconds in which a stream must begin; `general` applies if the model sets none.

        `is_last`: no other model of the route follows.
        """
        wanted = self.first_token_s or general
        if wanted != "auto":
            return wanted
        is_hosted = self.leaves_host and self.route is Route.CLOUD and not self.reasons
        return CLOUD_FIRST_TOKEN_S if is_hosted and not is_last else FIRST_TOKEN_S

    def looser_than(self, old: Self) -> Iterator[tuple[str, str]]:
        """Yield each key of its kind that is looser than in `old`, of the same kind, and how."""
        yield from ()

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield each key whose value is valid and probably a mistake, and why."""
        yield from ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        yield from ()

    def with_found_price(self, find: "FindPrice") -> Self:
        """Return the spec with the price that `find` knows, if it wants that; raises LookupError."""
        return self

    def in_folder(self, folder: Path) -> Self:
        """Return the spec with absolute paths; a relative one is relative to the policy's folder."""
        return self
